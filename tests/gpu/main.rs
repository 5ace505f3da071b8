//! The training path on a GPU through wgpu, against the CPU.
//!
//! ```text
//! scripts/gpu-tests.sh
//! ```

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use burn::tensor::{Device, DeviceType, Tensor};
use serde_json::{Value, json};
use temper_model::{
    Config, Decoder, GenerateOptions, Gradients, Near, Objective, PackedRows, PassOptions, Prompt,
    Sampling, generate, hf,
};
use temper_recipe::{Optimizer, OptimizerName, OptimizerState, Schedule};
use temper_train::Rehearsal;

/// The first GPU; without one the tests say so and pass.
fn device() -> Option<Device> {
    static DEVICE: OnceLock<Option<Device>> = OnceLock::new();
    let found = DEVICE.get_or_init(|| {
        let listed = std::panic::catch_unwind(|| Device::enumerate(DeviceType::Wgpu).into_vec());
        listed.unwrap_or_default().into_iter().next()
    });
    if found.is_none() {
        let reason = "SKIPPED: no GPU; install a driver, such as mesa-vulkan-drivers";
        writeln!(std::io::stderr(), "{reason}").unwrap();
        assert!(
            std::env::var_os("TEMPER_REQUIRE_GPU").is_none(),
            "TEMPER_REQUIRE_GPU is set and there is no GPU"
        );
    }
    found.clone()
}

/// A small Llama with other values for some fields of its `config.json`.
fn config(other: Value) -> Config {
    let mut file = json!({
        "model_type": "llama", "vocab_size": 96, "hidden_size": 64, "intermediate_size": 160,
        "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16,
        "max_position_embeddings": 128, "rope_theta": 1e4, "tie_word_embeddings": true,
        "initializer_range": 0.1, "eos_token_id": 2,
    });
    file.as_object_mut().unwrap().extend(other.as_object().unwrap().clone());
    Config::from_json(&file.to_string(), Path::new("config.json")).unwrap()
}

fn ids(seed: u64, n: usize, vocab_size: usize) -> Vec<u32> {
    let mut state = seed;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) as usize % vocab_size) as u32
    };
    (0..n).map(|_| next()).collect()
}

/// Two rows with several segments, padding and gaps in the mask.
fn rows(vocab_size: usize) -> PackedRows {
    let length = 48;
    let mut rows = PackedRows::empty(2, length);
    rows.segments = vec![vec![20, 1, 19], vec![48]];
    rows.inputs = ids(1, 2 * length, vocab_size);
    rows.targets = ids(2, 2 * length, vocab_size);
    for at in (0..40).chain(length..2 * length) {
        rows.loss_mask[at] = at % 7 != 3;
    }
    rows
}

fn values(losses: Tensor<2>) -> Vec<f32> {
    losses.into_data().try_into_vec().unwrap()
}

#[track_caller]
fn assert_near(what: &str, found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len());
    let norm = |values: &[f32]| values.iter().map(|x| x * x).sum::<f32>().sqrt();
    let apart: Vec<f32> = found.iter().zip(expected).map(|(a, b)| a - b).collect();
    let relative = norm(&apart) / norm(expected);
    assert!(relative <= tolerance, "{what}: {relative} apart, allowed {tolerance}");
}

#[track_caller]
fn check_gradients(what: &str, on_cpu: &Decoder, on_gpu: &Decoder, options: &PassOptions) {
    let rows = rows(on_cpu.config().vocab_size);
    let of = |decoder: &Decoder| {
        let mut gradients = Gradients::of(decoder);
        let losses = decoder.gradients(&rows, Objective::Sum(0.01), options, &mut gradients);
        (values(losses), gradients.to_vec())
    };
    let ((losses, gradients), (expected_losses, expected)) = (of(on_gpu), of(on_cpu));
    assert_near(&format!("{what}, losses"), &losses, &expected_losses, 1e-4);
    assert_near(&format!("{what}, gradients"), &gradients, &expected, 1e-3);
    let alone = values(on_gpu.token_losses(&rows));
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
        for options in [PassOptions::default(), lean] {
            check_gradients(&format!("tied {tied}, {options:?}"), &on_cpu, &on_gpu, &options);
        }
    }
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

fn optimizer() -> Optimizer {
    let lr = 3e-3;
    Optimizer {
        name: OptimizerName::Adamw,
        momentum: 0.0,
        lr,
        betas: [0.9, 0.95],
        eps: 1e-8,
        weight_decay: 0.1,
        clip_norm: 1.0,
        schedule: Schedule::constant(lr),
        state: OptimizerState::Reset,
    }
}

#[test]
fn ten_steps_equal_those_of_the_cpu() {
    let Some(device) = device() else { return };
    let config = config(json!({}));
    let lanes = [rows(config.vocab_size), rows(config.vocab_size)];
    let train = |device: &Device| {
        let decoder = Decoder::init(&config, 5, device);
        let mut rehearsal = Rehearsal::new(decoder, optimizer(), PassOptions::default());
        let losses: Vec<f32> = (0..10).map(|_| rehearsal.steps(&lanes, 1).1 as f32).collect();
        (losses, rehearsal.into_decoder().values())
    };
    let ((losses, weights), (expected_losses, expected)) = (train(&device), train(&Device::flex()));
    assert!(expected_losses[9] < expected_losses[0] - 0.5, "nothing was learned");
    assert_near("losses of ten steps", &losses, &expected_losses, 1e-3);
    assert_near("weights after ten steps", &weights, &expected, 1e-2);
}

#[test]
fn generation_equals_that_of_the_cpu() {
    let Some(device) = device() else { return };
    let options = GenerateOptions {
        max_tokens: 8,
        sampling: Sampling::greedy(),
        stop_ids: Vec::new(),
        is_complete: None,
    };
    let prompts: Vec<Prompt> =
        [5, 9].map(|n| Prompt { ids: ids(n as u64, n, 96), n_samples: 1, seed: 0 }).into();
    let config = config(json!({}));
    let of = |device: &Device| {
        let completions = generate(&Decoder::init(&config, 3, device), &prompts, &options).unwrap();
        completions.into_iter().map(|samples| samples[0].ids.clone()).collect::<Vec<_>>()
    };
    assert_eq!(of(&device), of(&Device::flex()));
}
