//! Losses and gradients of single passes.

use std::path::{Path, PathBuf};

use burn::tensor::{Device, Tensor};
use serde_json::json;
use temper_model::{Decoder, Gradients, Near, Objective, PackedRows, PassOptions, hf};

use crate::{assert_near, config, device, ids, rows};

fn values(losses: Tensor<2>) -> Vec<f32> {
    losses.into_data().try_into_vec().unwrap()
}

#[track_caller]
fn check_gradients(what: &str, on_cpu: &Decoder, on_gpu: &Decoder, options: &PassOptions) {
    check_gradients_on(&rows(on_cpu.config().vocab_size), what, [on_cpu, on_gpu], options);
}

#[track_caller]
fn check_gradients_on(
    rows: &PackedRows,
    what: &str,
    [on_cpu, on_gpu]: [&Decoder; 2],
    options: &PassOptions,
) {
    let of = |decoder: &Decoder| {
        let mut gradients = Gradients::of(decoder);
        let losses = decoder.gradients(rows, Objective::Sum(0.01), options, &mut gradients);
        (values(losses), gradients.to_vec())
    };
    let ((losses, gradients), (expected_losses, expected)) = (of(on_gpu), of(on_cpu));
    assert_near(&format!("{what}, losses"), &losses, &expected_losses, 1e-4);
    assert_near(&format!("{what}, gradients"), &gradients, &expected, 1e-3);
    let alone = values(on_gpu.losses(rows, options));
    assert_near(&format!("{what}, losses alone"), &alone, &expected_losses, 1e-4);
}

#[test]
fn passes_equal_those_of_the_cpu() {
    let Some(device) = device() else { return };
    for tied in [true, false] {
        let config = config(json!({ "tie_word_embeddings": tied }));
        let of = |device: &Device| Decoder::init(&config, 3, device);
        let (on_cpu, on_gpu) = (of(&Device::flex()), of(&device));
        let lean = PassOptions { recompute: true, most_logits: 0, ..PassOptions::default() };
        // As completions and factors are learned.
        let sampled =
            PassOptions { temperature: 0.7, trains_tables: false, ..PassOptions::default() };
        for options in [PassOptions::default(), lean, sampled] {
            check_gradients(&format!("tied {tied}, {options:?}"), &on_cpu, &on_gpu, &options);
        }
    }
}

/// Scores exist for 512 queries at a time; the second block sees keys of the first, as a segment lies in both.
#[test]
fn long_rows_need_several_blocks_of_queries() {
    let Some(device) = device() else { return };
    let config = config(json!({ "num_hidden_layers": 1, "max_position_embeddings": 600 }));
    let length = 600;
    let mut rows = PackedRows::empty(1, length);
    rows.segments = vec![vec![90, 440, 1, 50]];
    rows.inputs = ids(1, length, config.vocab_size);
    rows.targets = ids(2, length, config.vocab_size);
    (0..581).for_each(|at| rows.loss_mask[at] = at % 7 != 3);
    let of = |device: &Device| Decoder::init(&config, 3, device);
    let (on_cpu, on_gpu) = (of(&Device::flex()), of(&device));
    check_gradients_on(&rows, "600 positions", [&on_cpu, &on_gpu], &PassOptions::default());
}

#[test]
fn divergences_equal_those_of_the_cpu() {
    let Some(device) = device() else { return };
    let config = config(json!({}));
    let rows = rows(config.vocab_size);
    // The first row counts, the second does not.
    let factors: Vec<f32> =
        (0..rows.inputs.len()).map(|at| if at < rows.length { 0.02 } else { 0.0 }).collect();
    let of = |device: &Device| {
        let of_seed = |seed| Decoder::init(&config, seed, device);
        let (decoder, starting) = (of_seed(3), of_seed(4));
        let near = Near { starting: &starting, factors: &factors };
        let (mut gradients, mut divergences) = (Gradients::of(&decoder), None);
        let objective = Objective::Near(0.01, near, &mut divergences);
        decoder.gradients(&rows, objective, &PassOptions::default(), &mut gradients);
        (values(divergences.unwrap()), gradients.to_vec())
    };
    let ((divergences, gradients), (expected_divergences, expected)) =
        (of(&device), of(&Device::flex()));
    assert_near("divergences", &divergences, &expected_divergences, 1e-3);
    assert_near("their gradients", &gradients, &expected, 1e-3);
}

fn family(name: &str) -> PathBuf {
    Path::new("../../tests/fixtures/families").join(name)
}

#[test]
fn families_have_the_gradients_of_the_cpu() {
    let Some(device) = device() else { return };
    for name in ["qwen2", "qwen3", "gemma2"] {
        let of = |device: &Device| hf::load(&family(name), device).unwrap().0;
        check_gradients(name, &of(&Device::flex()), &of(&device), &PassOptions::default());
    }
}
