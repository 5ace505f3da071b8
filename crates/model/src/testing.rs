//! What several tests need: the parity fixtures, and small decoders.

use std::path::PathBuf;

use burn::tensor::Device;
use serde::de::DeserializeOwned;

use crate::{Config, Decoder, hf};

/// Checkpoints written by transformers, with what it computes on them.
pub(crate) const FIXTURES: [&str; 2] = ["tied-gqa", "untied-mqa"];

pub(crate) fn fixture(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/parity")).join(name)
}

pub(crate) fn load(name: &str, device: &Device) -> Decoder {
    hf::load(&fixture(name), device).unwrap().0
}

pub(crate) fn read_json<T: DeserializeOwned>(name: &str, file: &str) -> T {
    serde_json::from_slice(&std::fs::read(fixture(name).join(file)).unwrap()).unwrap()
}

pub(crate) fn config() -> Config {
    Config {
        vocab_size: 61,
        hidden_size: 24,
        intermediate_size: 40,
        n_layers: 2,
        n_heads: 4,
        n_kv_heads: 2,
        head_dim: 10,
        max_position_embeddings: 400,
        rope_theta: 10_000.0,
        rms_norm_eps: 1e-6,
        tie_word_embeddings: true,
        initializer_range: 0.2,
        bos_token_id: Some(1),
        eos_token_ids: vec![2],
    }
}

/// Ids that look random and are the same everywhere.
pub(crate) fn ids(seed: u64, n: usize, vocab_size: usize) -> Vec<u32> {
    let mut state = seed;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) as usize % vocab_size) as u32
    };
    (0..n).map(|_| next()).collect()
}

#[track_caller]
pub(crate) fn assert_close(found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len());
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!(
            (found - expected).abs() <= tolerance,
            "value {at} is {found}, expected {expected} within {tolerance}"
        );
    }
}
