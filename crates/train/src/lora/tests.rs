use std::path::Path;

use proptest::prelude::*;
use serde::Deserialize;
use temper_model::{Objective, PackedRows, PassOptions, hf, weights_digest};
use temper_recipe::{OptimizerName, OptimizerState, Schedule};

use super::*;
use crate::optimizer::{Memory, Moments};
use crate::stage::Base;

fn decoder() -> Decoder {
    let folder = Path::new("../../tests/fixtures/families/llama");
    hf::load(folder, &Device::flex()).unwrap().0
}

fn lora(rank: usize, targets: &[&str]) -> Lora {
    let targets = targets.iter().map(|target| (*target).to_owned()).collect();
    Lora { rank, alpha: 4.0, rank_stabilized: false, plus_ratio: 1.0, dropout: 0.0, targets }
}

fn optimizer() -> Optimizer {
    Optimizer {
        name: OptimizerName::Sgd,
        lr: 0.1,
        betas: [0.9, 0.95],
        momentum: 0.0,
        eps: 1e-8,
        weight_decay: 0.0,
        clip_norm: 0.0,
        schedule: Schedule::constant(0.1),
        state: OptimizerState::Reset,
    }
}

fn rows() -> PackedRows {
    PackedRows::from_documents(&[&[1, 5, 9, 13, 2, 7], &[3, 3, 8, 1]], 6)
}

/// The mean loss, and the gradient of all weights.
fn pass(decoder: &Decoder) -> (f32, Gradients) {
    let mut gradients = Gradients::of(decoder);
    let factor = 1.0 / rows().n_supervised() as f32;
    let objective = Objective::Sum(factor);
    let losses = decoder.gradients(&rows(), objective, &PassOptions::default(), &mut gradients);
    (losses.sum().into_scalar::<f32>() * factor, gradients)
}

#[test]
fn fresh_factors_change_nothing() {
    let before = decoder();
    let mut after = before.clone();
    Adapter::new(&before, &lora(4, &[]), 1).unwrap().apply(&mut after);
    assert_eq!(before.values(), after.values());
}

/// Targets change, and nothing else does; the loss falls.
#[test]
fn an_update_moves_the_targets_alone() {
    let mut decoder = decoder();
    let before = decoder.values();
    let mut adapter = Adapter::new(&decoder, &lora(4, &["q_proj", "down_proj"]), 1).unwrap();
    let mut memory = Memory::of_adapter(&adapter, &decoder, OptimizerName::Sgd, None);
    let Moments::Tensors(moments) = &mut memory.moments else { panic!("factors are tensors") };
    let (first, mut gradients) = pass(&decoder);
    for update in 1..=20 {
        let loss_sum = Tensor::ones([1], &Device::flex());
        let options = optimizer();
        adapter.update(&mut decoder, moments, &gradients, loss_sum, (&options, 0.1, update));
        gradients = pass(&decoder).1;
    }
    let (last, _) = pass(&decoder);
    assert!(last < first - 0.01, "from {first} to {last}");
    let after = decoder.values();
    for (place, stored) in decoder.places().into_iter().zip(decoder.parameters()) {
        let is_target = stored.name.contains("q_proj") || stored.name.contains("down_proj");
        let is_moved = before[place.range.clone()] != after[place.range];
        assert_eq!(is_moved, is_target, "{}", stored.name);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    /// The factors' gradients are those of the loss of the merged model, and with dropout those of the loss of
    /// what factors see.
    #[test]
    fn gradients_equal_finite_differences(seed in 0..1000_u64, rank in 1..5_usize, at in 0..1000_usize, dropout in prop::sample::select(vec![0.0, 0.3])) {
        let base = decoder();
        let mut adapter = Adapter::new(&base, &Lora { dropout, ..lora(rank, &[]) }, seed).unwrap();
        for factors in &mut adapter.factors {
            // Away from zero, where A has no gradient.
            factors.b = factors.b.clone() + 0.05;
        }
        let pass = |adapter: &Adapter| {
            let mut decoder = base.clone();
            adapter.apply(&mut decoder);
            let Some(dropped) = adapter.dropout(3) else { return pass(&decoder) };
            let (rows, mut gradients) = (rows(), Gradients::of(&decoder));
            let factor = 1.0 / rows.n_supervised() as f32;
            let (objective, options) = (Objective::Sum(factor), PassOptions::default());
            let losses = dropped.gradients(&decoder, (5, &rows), objective, &options, &mut gradients);
            (losses.sum().into_scalar::<f32>() * factor, gradients)
        };
        let (_, all) = pass(&adapter);
        let gradients = adapter.gradients(&all, &Device::flex());
        let number = at % adapter.factors.len();
        for which in 0..2 {
            let mut moved = |by: f32| {
                let factors = &mut adapter.factors[number];
                let tensor = if which == 0 { &mut factors.a } else { &mut factors.b };
                let shape = tensor.dims();
                let mut values = tensor.clone().into_data().try_into_vec::<f32>().unwrap();
                let n = values.len();
                values[at % n] += by;
                *tensor = Tensor::from_data(TensorData::new(values, shape), &Device::flex());
                pass(&adapter).0
            };
            let expected = (moved(2e-2) - moved(-4e-2)) / 4e-2;
            moved(2e-2);
            let gradient = gradients[2 * number + which].clone();
            let gradient = gradient.into_data().try_into_vec::<f32>().unwrap();
            let found = gradient[at % gradient.len()];
            prop_assert!((found - expected).abs() < 2e-3 + 0.05 * expected.abs(), "{found}, expected {expected}");
        }
    }
}

/// Of targets the change alone is dropped: what the matrix was before sees all, and other lanes drop others.
#[test]
fn dropout_is_before_the_factors_alone() {
    let base = decoder();
    let fresh = Adapter::new(&base, &Lora { dropout: 0.5, ..lora(2, &[]) }, 1).unwrap();
    let loss = |adapter: &Adapter, lane: usize| {
        let mut decoder = base.clone();
        adapter.apply(&mut decoder);
        let (mut gradients, options) = (Gradients::of(&decoder), PassOptions::default());
        let dropped = adapter.dropout(1).unwrap();
        let objective = Objective::Sum(1.0);
        let losses =
            dropped.gradients(&decoder, (lane, &rows()), objective, &options, &mut gradients);
        losses.sum().into_scalar::<f32>()
    };
    let whole = base.token_losses(&rows()).sum().into_scalar::<f32>();
    assert!((loss(&fresh, 0) - whole).abs() < 1e-4);
    let values: Vec<f32> = fresh.values().iter().map(|value| value + 0.1).collect();
    let moved = fresh.with_values(&values);
    assert_eq!(loss(&moved, 0), loss(&moved, 0));
    assert!((loss(&moved, 0) - loss(&moved, 1)).abs() > 1e-4);
}

#[test]
fn targets_that_are_not_there_are_named() {
    let error = Adapter::new(&decoder(), &lora(4, &["q_proj", "wq"]), 1).unwrap_err().to_string();
    assert!(error.contains("found the target `wq`") && error.contains("hint"), "{error}");
}

#[test]
fn a_folder_gives_the_factors_back_and_is_what_a_checkpoint_merges() {
    let decoder = decoder();
    let lora = Lora { rank_stabilized: true, ..lora(3, &["v_proj", "gate_proj"]) };
    let mut adapter = Adapter::new(&decoder, &lora, 7).unwrap();
    for factors in &mut adapter.factors {
        factors.b = factors.b.clone() + 0.1;
    }
    let folder = tempfile::tempdir().unwrap();
    let base = std::fs::canonicalize("../../tests/fixtures/families/llama").unwrap();
    let base = Base {
        folder: base.to_str().unwrap().to_owned(),
        weights: weights_digest(&decoder).into(),
    };
    save(&adapter, &lora, &base, folder.path()).unwrap();
    let again = load(&decoder, &lora, 7, folder.path()).unwrap();
    assert_eq!(again.values(), adapter.values());
    // The loader of adapters that PEFT wrote finds the same model in it.
    let mut expected = decoder.clone();
    adapter.apply(&mut expected);
    let located = hf::locate(folder.path().to_str().unwrap(), Path::new(""), None).unwrap();
    let (found, _) = hf::load_located(&located, &Device::flex(), Default::default()).unwrap();
    for (found, expected) in found.values().iter().zip(expected.values()) {
        assert!((found - expected).abs() < 1e-6, "{found}, expected {expected}");
    }
}

/// Of another base the loader wants to know nothing, although its shapes are the same.
#[test]
fn a_folder_is_of_one_base() {
    let mut decoder = decoder();
    let lora = lora(2, &["q_proj"]);
    let adapter = Adapter::new(&decoder, &lora, 7).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let base = Base { folder: "../base".to_owned(), weights: weights_digest(&decoder).into() };
    save(&adapter, &lora, &base, &folder.path().join("adapter")).unwrap();
    let load = |decoder: &Decoder| {
        hf::save(decoder, &folder.path().join("base"), hf::Dtype::F32).unwrap();
        hf::load(&folder.path().join("adapter"), &Device::flex()).map(|_| ())
    };
    load(&decoder).unwrap();
    let moved: Vec<f32> = decoder.values().iter().map(|value| value + 1e-3).collect();
    decoder.set_values(&moved).unwrap();
    let message = load(&decoder).unwrap_err().to_string();
    let expected = format!("expected weights with digest {}", base.weights.short());
    assert!(message.contains(&expected) && message.contains("hint"), "{message}");
}

/// Made by `scripts/adapter_fixtures.py`.
#[derive(Deserialize)]
struct Expected {
    ids: Vec<u32>,
    logits: Vec<f32>,
}

/// What is trained computes what PEFT computes with the same factors beside their matrices.
#[test]
fn factors_of_peft_have_its_logits() {
    #[track_caller]
    fn check(name: &str, lora: &Lora) {
        let folder = Path::new("../../tests/fixtures/adapters").join(name);
        let text = std::fs::read(folder.join("expected.json")).unwrap();
        let expected: Expected = serde_json::from_slice(&text).unwrap();
        let mut decoder = decoder();
        let adapter = load(&decoder, lora, 1, &folder).unwrap();
        adapter.apply(&mut decoder);
        let logits = decoder.logits(&expected.ids).unwrap().into_data();
        let logits = logits.try_into_vec::<f32>().unwrap();
        let last = &logits[logits.len() - expected.logits.len()..];
        for (found, expected) in last.iter().zip(&expected.logits) {
            assert!((found - expected).abs() < 1e-5, "{name}: {found}, expected {expected}");
        }
    }
    check("plain", &Lora { alpha: 8.0, ..lora(4, &["q_proj", "down_proj"]) });
    check("rank-stabilized", &Lora { alpha: 8.0, rank_stabilized: true, ..lora(4, &[]) });
}
