//! Random decoders, and rows that fit them.

use std::ops::Range;

use burn::tensor::Device;
use proptest::prelude::*;
use serde_json::json;

use crate::{
    Decoder, PackedRows, PassOptions,
    config::QkNorm,
    pass::Precision,
    testing::{config_with, ids},
};

/// A decoder and rows that fit it.
#[derive(Clone, Debug)]
pub(super) struct Case {
    kv_heads: usize,
    group: usize,
    head_dim: usize,
    hidden: usize,
    inner: usize,
    vocab: usize,
    tied: bool,
    qkv_bias: bool,
    head_norm: bool,
    segments: Vec<Vec<usize>>,
    length: usize,
    masked: usize,
    pub(super) options: PassOptions,
}

/// Many shapes in little time.
pub(super) fn short() -> impl Strategy<Value = Case> {
    case(28, 1..9, 0..4)
}

/// Segments of several blocks of queries, and rows of several chunks of positions.
pub(super) fn long() -> impl Strategy<Value = Case> {
    case(300, 1..151, 1..3)
}

/// Rows of `length` positions with `per_row` segments each, as long as `segment` says.
fn case(
    length: usize,
    segment: Range<usize>,
    per_row: Range<usize>,
) -> impl Strategy<Value = Case> {
    let shape = (1..3_usize, 1..4_usize, 1..5_usize, 3..20_usize, 3..20_usize, 5..40_usize);
    let segments = prop::collection::vec(prop::collection::vec(segment, per_row), 1..4);
    let temperature = prop::sample::select(vec![1.0_f32, 0.6, 1.7]);
    let options = (0..2000_usize, temperature);
    (shape, any::<[bool; 4]>(), segments, 2..9_usize, options).prop_map(
        move |(shape, [tied, qkv_bias, head_norm, recompute], segments, masked, options)| {
            let (kv_heads, group, half, hidden, inner, vocab) = shape;
            let (most_logits, temperature) = options;
            let precision = Precision::F32;
            let options = PassOptions {
                precision,
                recompute,
                most_logits,
                temperature,
                ..PassOptions::default()
            };
            let head_dim = 2 * half;
            Case {
                kv_heads,
                group,
                head_dim,
                hidden,
                inner,
                vocab,
                tied,
                qkv_bias,
                head_norm,
                segments,
                length,
                masked,
                options,
            }
        },
    )
}

impl Case {
    pub(super) fn decoder(&self) -> Decoder {
        let mut config = config_with(json!({
            "vocab_size": self.vocab, "hidden_size": self.hidden, "head_dim": self.head_dim,
            // Heads of two values may be nearly zero, and what a norm makes of them then is not known in 32 bits.
            "rms_norm_eps": 1e-3,
            "intermediate_size": self.inner, "num_attention_heads": self.kv_heads * self.group,
            "num_key_value_heads": self.kv_heads, "tie_word_embeddings": self.tied,
            "initializer_range": 0.4,
        }));
        config.qkv_bias = self.qkv_bias;
        config.qk_norm = self.head_norm.then_some(QkNorm::Head);
        let mut decoder = Decoder::init(&config, 7, &Device::flex());
        // Biases begin at 0 and norms at 1: no value should be that simple.
        let values = decoder.values();
        let moved = values.iter().zip(direction(values.len())).map(|(x, by)| x + 0.1 * by as f32);
        decoder.set_values(&moved.collect::<Vec<f32>>()).unwrap();
        decoder
    }

    pub(super) fn rows(&self) -> PackedRows {
        let length = self.length;
        let mut rows = PackedRows::empty(self.segments.len(), length);
        rows.inputs = ids(1, rows.inputs.len(), self.vocab);
        rows.targets = ids(2, rows.targets.len(), self.vocab);
        rows.segments = self.segments.clone();
        for (row, segments) in self.segments.iter().enumerate() {
            let used: usize = segments.iter().sum();
            for at in 0..used {
                rows.loss_mask[row * length + at] = at % self.masked != 1;
            }
        }
        rows
    }
}

/// Values in [-1, 1) that look random.
pub(super) fn direction(n: usize) -> Vec<f64> {
    ids(5, n, 2000).into_iter().map(|id| f64::from(id) / 1000.0 - 1.0).collect()
}
