//! Training steps, by every optimizer.

use burn::tensor::Device;
use serde_json::json;
use temper_model::{Decoder, PassOptions};
use temper_recipe::OptimizerName;
use temper_train::Rehearsal;

use crate::{assert_near, config, device, optimizer, rows};

#[track_caller]
fn check(name: OptimizerName) {
    let Some(device) = device() else { return };
    let config = config(json!({}));
    let lanes = [rows(config.vocab_size), rows(config.vocab_size)];
    let train = |device: &Device| {
        let decoder = Decoder::init(&config, 5, device);
        let mut rehearsal = Rehearsal::new(decoder, optimizer(name), PassOptions::default());
        let losses: Vec<f32> = (0..10).map(|_| rehearsal.steps(&lanes, 1).1 as f32).collect();
        (losses, rehearsal.into_decoder().values())
    };
    let ((losses, weights), (expected_losses, expected)) = (train(&device), train(&Device::flex()));
    let (first, last) = (expected_losses[0], expected_losses[9]);
    assert!(last < first - 0.2, "{name}: nothing was learned, from {first} to {last}");
    assert_near(&format!("{name}, losses of ten steps"), &losses, &expected_losses, 1e-3);
    assert_near(&format!("{name}, weights after ten steps"), &weights, &expected, 1e-2);
}

#[test]
fn ten_steps_of_adamw_equal_those_of_the_cpu() {
    check(OptimizerName::Adamw);
}

#[test]
fn ten_steps_of_lion_equal_those_of_the_cpu() {
    check(OptimizerName::Lion);
}

#[test]
fn ten_steps_of_sgd_equal_those_of_the_cpu() {
    check(OptimizerName::Sgd);
}

#[test]
fn ten_steps_of_muon_equal_those_of_the_cpu() {
    check(OptimizerName::Muon);
}
