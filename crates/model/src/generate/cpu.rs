//! Generation on the CPU, on plain slices.
//!
//! Positions to compute are rows, whether they are the tokens of several prompts or the next token
//! of each sequence: no row is padding. Weights are read as they lie, keys and values lie in pages.

use rayon::prelude::*;

mod attend;
mod cache;
mod dots;
mod weights;

use self::{
    attend::{Queries, attend},
    cache::LayerCache,
    dots::Dots,
    weights::{LayerWeights, LinearWeights, NormWeights, Weights},
};
use crate::{
    Decoder,
    attention::AttentionShape,
    config::{Activation, Config, QkNorm},
    fused::{
        matrix::{Matrix, MatrixMut, product},
        vector::{dot, exp, sigmoid, vectorized},
    },
    rope::{Rotation, Stretch},
};

/// From this many rows on, a general matrix product is faster than [`Dots`].
const MANY_ROWS: usize = 64;

/// Rows of `w` that are one piece of work in a product of few rows.
const PIECE: usize = 64;

/// Positions of a sequence that attend together.
const QUERIES: usize = 16;

/// The sequences in the making.
#[derive(Debug)]
pub(super) struct CpuEngine<'a> {
    decoder: &'a Decoder,
    weights: Weights,
    sequences: Vec<Sequence>,
}

/// What is known of one sequence.
#[derive(Clone, Debug)]
struct Sequence {
    len: usize,
    layers: Vec<LayerCache>,
}

/// New positions of one sequence, rows that follow one another.
#[derive(Clone, Copy, Debug)]
struct Span {
    sequence: usize,
    /// Its first row.
    row: usize,
    /// The position of that row.
    first: usize,
    len: usize,
}

impl<'a> CpuEngine<'a> {
    pub(super) fn new(decoder: &'a Decoder) -> Self {
        Self { decoder, weights: Weights::of(decoder), sequences: Vec::new() }
    }

    /// Logits after the last token of each prompt, `[prompts, vocab_size]`.
    pub(super) fn prefill(&mut self, prompts: &[&[u32]]) -> Vec<f32> {
        let n_layers = self.decoder.config().n_layers();
        let empty = || Sequence { len: 0, layers: vec![LayerCache::default(); n_layers] };
        self.sequences = prompts.iter().map(|_| empty()).collect();
        self.extend(prompts)
    }

    /// Makes the sequences with these numbers the sequences there are; one may occur several times.
    pub(super) fn select(&mut self, numbers: &[usize]) {
        self.sequences = numbers.iter().map(|number| self.sequences[*number].clone()).collect();
    }

    /// Logits after one more token of each sequence, `[sequences, vocab_size]`.
    pub(super) fn step(&mut self, tokens: &[u32]) -> Vec<f32> {
        let tokens: Vec<&[u32]> = tokens.chunks(1).collect();
        self.extend(&tokens)
    }

    /// Computes the tokens that follow each sequence.
    fn extend(&mut self, tokens: &[&[u32]]) -> Vec<f32> {
        let config = self.decoder.config();
        let mut spans = Vec::with_capacity(tokens.len());
        let mut row = 0;
        for (sequence, tokens) in tokens.iter().enumerate() {
            let first = self.sequences[sequence].len;
            spans.push(Span { sequence, row, first, len: tokens.len() });
            row += tokens.len();
        }
        let stretches = || spans.iter().map(|span| Stretch { first: span.first, len: span.len });
        let rotations: Vec<Rotation> =
            config.ropes.iter().map(|rope| Rotation::new(rope, stretches())).collect();

        let hidden = config.hidden_size;
        let scale = config.embedding_scale as f32;
        let mut x: Vec<f32> = Vec::with_capacity(row * hidden);
        for id in tokens.iter().copied().flatten() {
            let embedding = &self.weights.embedding[*id as usize * hidden..][..hidden];
            x.extend(embedding.iter().map(|value| value * scale));
        }
        for (number, (layer, block)) in
            self.weights.layers.iter().zip(&self.decoder.blocks).enumerate()
        {
            let shape = &block.attention.shape;
            let rotation = shape.layer.rope.map(|rope| &rotations[rope]);
            let mut projected = Projected::of(&x, layer, config, rotation);
            for span in &spans {
                let cache = &mut self.sequences[span.sequence].layers[number];
                projected.put(span, cache, shape.head_dim);
            }
            let mixed = projected.attend(&spans, &self.sequences, number, shape);
            let y = linear(&mixed, &layer.output);
            add(&mut x, y, layer.attention_post_norm.as_ref());
            let y = feed_forward(&x, layer, config.activation);
            add(&mut x, y, layer.mlp_post_norm.as_ref());
        }
        for span in &spans {
            self.sequences[span.sequence].len += span.len;
        }
        let mut last = Vec::with_capacity(spans.len() * hidden);
        for span in &spans {
            last.extend_from_slice(&x[(span.row + span.len - 1) * hidden..][..hidden]);
        }
        norm(&mut last, &self.weights.norm);
        let mut logits = products(&last, &self.weights.head, hidden);
        if let Some(cap) = config.logit_soft_cap {
            let cap = cap as f32;
            logits.par_iter_mut().for_each(|logit| *logit = (*logit / cap).tanh() * cap);
        }
        logits
    }
}

/// Queries, keys and values of the new rows, turned by their positions.
struct Projected {
    query: Vec<f32>,
    key: Vec<f32>,
    value: Vec<f32>,
}

impl Projected {
    fn of(x: &[f32], layer: &LayerWeights, config: &Config, rotation: Option<&Rotation>) -> Self {
        let normed = normed(x, layer.attention_norm.as_ref());
        let mut query = linear(&normed, &layer.query);
        let mut key = linear(&normed, &layer.key);
        let value = linear(&normed, &layer.value);
        for (values, weights) in [(&mut query, &layer.query_norm), (&mut key, &layer.key_norm)] {
            if let Some(weights) = weights {
                debug_assert!(
                    config.qk_norm == Some(QkNorm::Whole) || weights.weight.len() == config.head_dim
                );
                norm(values, weights);
            }
        }
        if let Some(rotation) = rotation {
            let rows = rotation.cos.len() / rotation.half;
            for values in [&mut query, &mut key] {
                let width = values.len() / rows;
                rotate(values, rotation, width, config.head_dim);
            }
        }
        Self { query, key, value }
    }

    /// Puts the keys and values of a sequence's new rows behind those it has.
    fn put(&self, span: &Span, cache: &mut LayerCache, head_dim: usize) {
        let width = self.key.len() / (self.query_rows(span));
        for at in 0..span.len {
            let range = (span.row + at) * width..(span.row + at + 1) * width;
            cache.put(span.first + at, &self.key[range.clone()], &self.value[range], head_dim);
        }
    }
}
