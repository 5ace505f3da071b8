use std::path::Path;

use burn::tensor::Device;
use serde::Deserialize;
use temper_model::hf;
use temper_recipe::{Optimizer, OptimizerName, OptimizerState, Schedule, ScheduleKind};

use super::*;

const LR: f64 = 5e-3;

/// Made by `scripts/family_fixtures.py`.
#[derive(Deserialize)]
struct Curve {
    batches: Vec<Vec<Vec<u32>>>,
    losses: Vec<f64>,
    gradient_norms: Vec<f64>,
}

fn options() -> Optimizer {
    Optimizer {
        name: OptimizerName::Adamw,
        lr: LR,
        betas: [0.9, 0.95],
        eps: 1e-8,
        weight_decay: 0.1,
        clip_norm: 1.0,
        schedule: Schedule { kind: ScheduleKind::Constant, warmup: 0.0, decay: 0.0, min_lr: LR },
        state: OptimizerState::Reset,
    }
}

/// The lane that holds one document a row.
fn lane(documents: &[Vec<u32>]) -> Lane {
    let documents: Vec<&[u32]> = documents.iter().map(Vec::as_slice).collect();
    let rows = PackedRows::from_documents(&documents, documents[0].len() - 1);
    let PackedRows { n_rows, length, inputs, targets, loss_mask, segments } = rows;
    Lane { n_rows, length, inputs, targets, loss_mask, segments }
}

#[track_caller]
fn check(family: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/families");
    let folder = root.join(family);
    let curve: Curve =
        serde_json::from_slice(&std::fs::read(folder.join("curve.json")).unwrap()).unwrap();
    let (decoder, _) = hf::load(&folder, &Device::flex().autodiff()).unwrap();
    let mut trainee = Trainee::new(decoder, None);
    for (step, batch) in curve.batches.iter().enumerate() {
        let n_tokens: usize = batch.iter().map(|document| document.len() - 1).sum();
        // A lane for each document: their gradients add up to those of the batch.
        let mut sum = LaneSum::default();
        let mut loss = 0.0;
        for document in batch {
            let (gradients, losses) =
                trainee.lane_gradients(lane(std::slice::from_ref(document)), n_tokens as u64);
            sum.push(gradients);
            loss += losses.iter().sum::<f64>() / n_tokens as f64;
        }
        let gradients = sum.finish().unwrap();
        let norm = global_norm(&gradients);
        let (expected, expected_norm) = (curve.losses[step], curve.gradient_norms[step]);
        assert!(
            (loss - expected).abs() < 1e-3 && (norm / expected_norm - 1.0).abs() < 1e-3,
            "{family}, step {step}: loss {loss} and norm {norm}, expected {expected} and {expected_norm}"
        );
        let clip = clip_factor(norm, 1.0);
        let Trainee { decoder, values, adamw, parameters } = &mut trainee;
        adamw.update(parameters, values, &gradients, &options(), LR, clip);
        decoder.set_values(values).unwrap();
    }
    assert!(curve.losses[9] < curve.losses[0] - 0.5, "nothing was learned");
}

#[test]
fn ten_steps_have_the_losses_of_pytorch() {
    for family in ["llama", "qwen3", "gemma2", "phi3"] {
        check(family);
    }
}
