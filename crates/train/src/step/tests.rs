use std::path::Path;

use burn::tensor::Device;
use serde::Deserialize;
use temper_model::{PassOptions, Precision, hf};
use temper_recipe::{GradientSum, Optimizer, OptimizerName, OptimizerState, Schedule};

use super::*;

const LR: f64 = 5e-3;

/// Made by `scripts/family_fixtures.py`.
#[derive(Deserialize)]
struct Curve {
    batches: Vec<Vec<Vec<u32>>>,
    losses: Vec<f64>,
    gradient_norms: Vec<f64>,
}

fn optimizer() -> Optimizer {
    Optimizer {
        name: OptimizerName::Adamw,
        momentum: 0.0,
        lr: LR,
        betas: [0.9, 0.95],
        eps: 1e-8,
        weight_decay: 0.1,
        clip_norm: 1.0,
        schedule: Schedule::constant(LR),
        state: OptimizerState::Reset,
    }
}

/// The lane that holds one document.
fn lane(document: &[u32]) -> PackedRows {
    PackedRows::from_documents(&[document], document.len() - 1)
}

/// `tolerance` is how far losses and norms may be from PyTorch's in 32-bit floats, relatively.
#[track_caller]
fn check(family: &str, precision: Precision, tolerance: f64) {
    let root = Path::new("../../tests/fixtures/families");
    let folder = root.join(family);
    let curve: Curve =
        serde_json::from_slice(&std::fs::read(folder.join("curve.json")).unwrap()).unwrap();
    let (decoder, _) = hf::load(&folder, &Device::flex()).unwrap();
    let options = PassOptions { precision, ..PassOptions::default() };
    let workers = Workers::new(vec![Device::flex()], options, GradientSum::Tree);
    let trainable = Trainable::all(decoder.config());
    let mut trainee = Trainee::new(decoder, trainable, OptimizerName::Adamw, None, workers);
    for (step, batch) in curve.batches.iter().enumerate() {
        let n_tokens: usize = batch.iter().map(|document| document.len() - 1).sum();
        // A lane for each document: their gradients add up to those of the batch.
        let lanes: Vec<PackedRows> = batch.iter().map(|document| lane(document)).collect();
        let (losses, gradients) =
            trainee.workers.gradients(&trainee.decoder, &lanes, mean_over(n_tokens as u64));
        let loss: f32 = losses.into_iter().map(|lane| lane.sum().into_scalar::<f32>()).sum();
        let loss = f64::from(loss) / n_tokens as f64;
        let Gradients::Flat(gradients) = gradients else { panic!("on the CPU all is flat") };
        let norm = global_norm(&gradients);
        let (expected, expected_norm) = (curve.losses[step], curve.gradient_norms[step]);
        assert!(
            (loss / expected - 1.0).abs() < tolerance
                && (norm / expected_norm - 1.0).abs() < 3.0 * tolerance,
            "{family}, step {step}: loss {loss} and norm {norm}, expected {expected} and {expected_norm}"
        );
        trainee.update_flat(gradients, norm, &optimizer(), LR);
    }
    assert!(curve.losses[9] < curve.losses[0] - 0.5, "nothing was learned");
}

#[test]
fn ten_steps_have_the_losses_of_pytorch() {
    for family in ["llama", "qwen3", "gemma2", "phi3"] {
        check(family, Precision::F32, 3e-4);
    }
}

#[test]
fn bf16_follows_the_losses_of_32_bit_floats() {
    for family in ["llama", "qwen3"] {
        check(family, Precision::Bf16, 0.01);
    }
}

#[test]
fn clipping_brings_the_norm_down() {
    for (norm, clip_norm, expected) in [(5.0, 1.0, 0.2), (0.5, 1.0, 1.0), (5.0, 0.0, 1.0)] {
        assert_eq!(clip_factor(norm, clip_norm), expected);
    }
}
