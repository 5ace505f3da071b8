//! Tokens per second of forward and backward passes at a given shape.
//!
//! ```text
//! cargo bench -p temper-model --bench step -- hidden=192 layers=6 heads=6 kv=2 mlp=512 vocab=4096 batch=8 seq=512 document=512 steps=12
//! ```
//!
//! `document` is the length of the documents packed into each row. A step is all of a training
//! step but the optimizer's loop.

#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::{collections::BTreeMap, path::Path, time::Instant};

use burn::tensor::Device;
use serde_json::json;
use temper_model::{Config, Decoder, Gradients, Objective, PackedRows, PassOptions};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let mut arguments: BTreeMap<String, usize> = std::env::args()
        .filter_map(|argument| {
            argument
                .split_once('=')
                .and_then(|(key, value)| Some((key.to_owned(), value.parse().ok()?)))
        })
        .collect();
    let mut take = |key: &str, default: usize| arguments.remove(key).unwrap_or(default);
    let (hidden_size, n_heads) = (take("hidden", 192), take("heads", 6));
    let file = json!({
        "model_type": "llama",
        "vocab_size": take("vocab", 4096),
        "hidden_size": hidden_size,
        "intermediate_size": take("mlp", 512),
        "num_hidden_layers": take("layers", 6),
        "num_attention_heads": n_heads,
        "num_key_value_heads": take("kv", 2),
        "head_dim": take("head", hidden_size / n_heads),
        "tie_word_embeddings": take("tie", 1) == 1,
    });
    let config = Config::from_json(&file.to_string(), Path::new("config.json")).expect("sizes fit");
    let (batch, length, document, steps) =
        (take("batch", 8), take("seq", 512), take("document", 512), take("steps", 12));
    let decoder = Decoder::init(&config, 0, &Device::flex());
    let options = PassOptions { recompute: take("recompute", 0) == 1, ..PassOptions::default() };
    assert!(arguments.is_empty(), "unknown arguments: {arguments:?}");
    let mut gradients = Gradients::of(&decoder);
    let rows = rows(batch, length, document, config.vocab_size);
    let n_tokens = rows.n_supervised();
    let mut rates = Vec::new();
    for step in 0..steps {
        let start = Instant::now();
        let mean = Objective::Sum(1.0 / n_tokens as f32);
        let losses = decoder.gradients(&rows, mean, &options, &mut gradients);
        let seconds = start.elapsed().as_secs_f64();
        let loss = losses.sum().into_scalar::<f32>() / n_tokens as f32;
        let rate = n_tokens as f64 / seconds;
        println!("step {step} loss {loss:.4} {rate:.0} tok/s ({:.0} ms)", seconds * 1e3);
        rates.push(rate);
    }
    let mut kept = rates.split_off(rates.len() / 3);
    kept.sort_by(f64::total_cmp);
    println!("median {:.0} tok/s, {} parameters", kept[kept.len() / 2], config.n_parameters());
}

/// Rows filled with documents of one length, and random ids from a small linear congruence.
fn rows(n_rows: usize, length: usize, document: usize, vocab_size: usize) -> PackedRows {
    let mut state = 1_u64;
    let mut id = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) as usize % vocab_size) as u32
    };
    let mut rows = PackedRows::empty(n_rows, length);
    rows.inputs.fill_with(&mut id);
    rows.targets.fill_with(&mut id);
    rows.loss_mask.fill(true);
    for segments in &mut rows.segments {
        let mut left = length;
        while left > 0 {
            segments.push(document.min(left));
            left -= document.min(left);
        }
    }
    rows
}
