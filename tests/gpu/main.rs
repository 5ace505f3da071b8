//! The training path on a GPU through wgpu, against the CPU.
//!
//! ```text
//! scripts/gpu-tests.sh
//! ```
//!
//! A driver in software takes about a second for each kernel that it has not seen: all tests have one shape of
//! model and of rows in common, but for one whose rows are longer than a block of queries.

// A test that cannot go on panics; clippy exempts functions marked as tests alone.
#![allow(clippy::unwrap_used)]

mod documents;
mod generation;
mod passes;
mod project;
mod stages;
mod steps;

use std::io::Write as _;
use std::path::Path;
use std::sync::OnceLock;

use burn::tensor::{Device, DeviceType};
use serde_json::{Value, json};
use temper_model::{Config, PackedRows};
use temper_recipe::{Optimizer, OptimizerName, OptimizerState, Schedule};

/// The first GPU; without one the tests say so and pass.
fn device() -> Option<Device> {
    static DEVICE: OnceLock<Option<Device>> = OnceLock::new();
    let found = DEVICE.get_or_init(|| {
        let listed = std::panic::catch_unwind(|| Device::enumerate(DeviceType::Wgpu).into_vec());
        listed.unwrap_or_default().into_iter().next()
    });
    if found.is_none() {
        let reason = "SKIPPED: no GPU; install a driver, such as mesa-vulkan-drivers";
        let mut stderr = std::io::stderr();
        writeln!(stderr, "{reason}").unwrap();
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

#[track_caller]
fn assert_near(what: &str, found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len());
    let norm = |values: &[f32]| values.iter().map(|x| x * x).sum::<f32>().sqrt();
    let apart: Vec<f32> = found.iter().zip(expected).map(|(a, b)| a - b).collect();
    let relative = norm(&apart) / norm(expected);
    assert!(relative <= tolerance, "{what}: {relative} apart, allowed {tolerance}");
}

/// What moves weights by about as much, whichever it is.
fn optimizer(name: OptimizerName) -> Optimizer {
    let (lr, momentum) = match name {
        OptimizerName::Adamw => (3e-3, 0.0),
        OptimizerName::Lion => (1e-3, 0.0),
        OptimizerName::Sgd => (0.05, 0.9),
        OptimizerName::Muon => (3e-3, 0.95),
    };
    Optimizer {
        name,
        momentum,
        lr,
        betas: [0.9, 0.95],
        eps: 1e-8,
        weight_decay: 0.1,
        clip_norm: 1.0,
        schedule: Schedule::constant(lr),
        state: OptimizerState::Reset,
    }
}
