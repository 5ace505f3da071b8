//! What several tests need: the parity fixtures, and small decoders.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{Config, Decoder, PackedRows, hf};

/// Checkpoints written by transformers, with what it computes on them.
pub(crate) const FIXTURES: [&str; 2] = ["tied-gqa", "untied-mqa"];

pub(crate) fn fixture(name: &str) -> PathBuf {
    PathBuf::from("../../tests/fixtures/parity").join(name)
}

pub(crate) fn load(name: &str, device: &Device) -> Decoder {
    hf::load(&fixture(name), device).unwrap().0
}

pub(crate) fn read_json<T: DeserializeOwned>(name: &str, file: &str) -> T {
    serde_json::from_slice(&std::fs::read(fixture(name).join(file)).unwrap()).unwrap()
}

/// A small Llama.
pub(crate) fn config() -> Config {
    config_with(json!({}))
}

/// [`config`] with other values for some fields of its `config.json`.
pub(crate) fn config_with(other: Value) -> Config {
    let mut file = json!({
        "model_type": "llama", "vocab_size": 61, "hidden_size": 24, "intermediate_size": 40,
        "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 10,
        "max_position_embeddings": 400, "rope_theta": 1e4, "rms_norm_eps": 1e-6,
        "tie_word_embeddings": true, "initializer_range": 0.2, "bos_token_id": 1, "eos_token_id": 2,
    });
    let fields = file.as_object_mut().unwrap();
    fields.extend(other.as_object().unwrap().clone());
    Config::from_json(&file.to_string(), Path::new("config.json")).unwrap()
}

/// What makes generation different from family to family, and from rope to rope.
pub(crate) fn various() -> Vec<Value> {
    let divisors = |by: f64| json!([1.0, 1.0, by, by]);
    let with_rope = |rope: Value| json!({ "max_position_embeddings": 64, "rope_scaling": rope });
    vec![
        json!({}),
        json!({ "tie_word_embeddings": false, "attention_bias": true, "mlp_bias": true }),
        with_rope(json!({ "rope_type": "linear", "factor": 2.0 })),
        with_rope(
            json!({ "rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16 }),
        ),
        json!({ "model_type": "mistral", "sliding_window": 4 }),
        json!({ "model_type": "qwen2" }),
        json!({ "model_type": "qwen3" }),
        json!({ "model_type": "olmo2" }),
        json!({ "model_type": "gemma2", "sliding_window": 4 }),
        json!({ "model_type": "gemma3_text", "sliding_window": 4, "sliding_window_pattern": 2 }),
        json!({
            "model_type": "phi3", "partial_rotary_factor": 0.8, "original_max_position_embeddings": 8,
            "rope_scaling": {
                "type": "longrope", "short_factor": divisors(1.0), "long_factor": divisors(3.0),
            },
        }),
        json!({ "model_type": "smollm3", "no_rope_layer_interval": 2 }),
    ]
}

/// A decoder whose norms and biases are random too, so that a missing one shows.
pub(crate) fn decoder_with(other: Value) -> Decoder {
    let mut decoder = Decoder::init(&config_with(other), 3, &Device::flex());
    let noise = ids(7, decoder.config().n_parameters(), 2001);
    let noise = noise.into_iter().map(|id| id as f32 / 1e4 - 0.1);
    let values: Vec<f32> = decoder.values().iter().zip(noise).map(|(x, y)| x + y).collect();
    decoder.set_values(&values).unwrap();
    decoder
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

/// Rows of `length` positions with the documents of each one behind the other.
pub(crate) fn packed(rows: &[&[&[u32]]], length: usize) -> PackedRows {
    let mut packed = PackedRows::empty(rows.len(), length);
    for (row, documents) in rows.iter().enumerate() {
        let mut at = row * length;
        for document in *documents {
            let n = document.len() - 1;
            packed.inputs[at..at + n].copy_from_slice(&document[..n]);
            packed.targets[at..at + n].copy_from_slice(&document[1..]);
            packed.loss_mask[at..at + n].fill(true);
            packed.segments[row].push(n);
            at += n;
        }
    }
    packed
}

/// Values in [-1, 1) that look random.
pub(crate) fn values(n: usize, seed: u64) -> Vec<f32> {
    ids(seed, n, 2000).into_iter().map(|id| id as f32 / 1000.0 - 1.0).collect()
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

/// Tiny checkpoints of all families, by name, made by `scripts/family_fixtures.py`.
pub(crate) fn families() -> Vec<(String, PathBuf)> {
    let root = "../../tests/fixtures/families";
    let mut found: Vec<(String, PathBuf)> = std::fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), entry.path()))
        .collect();
    found.sort();
    assert_eq!(found.len(), 17);
    found
}
