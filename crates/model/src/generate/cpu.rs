//! Generation on the CPU, on plain slices.
//!
//! Positions to compute are rows, whether they are the tokens of several prompts or the next token
//! of each sequence: no row is padding. Weights are read as they lie, keys and values lie in pages.
//! A row is the same sums in the same order whatever stands beside it, so that a sequence has the
//! same bits alone, in a batch, and in one pass over all of its tokens.

mod attend;
mod cache;
mod dots;
mod mix;
mod project;
mod rows;

use self::{
    attend::attend,
    cache::LayerCache,
    project::{gated, linear, linears, products},
    rows::{add, norm, normed, rotate, soft_cap},
};
use crate::{
    Decoder,
    attention::AttentionShape,
    config::Config,
    cpu::weights::{LayerWeights, Weights},
    rope::{Rotation, Stretch},
};

/// Rows of prompts that go through the feed-forward part together: what is between its projections
/// stays in the second-level cache.
const CHUNK: usize = 256;

/// The sequences in the making.
#[derive(Debug)]
pub(super) struct CpuEngine<'a> {
    config: &'a Config,
    shapes: Vec<&'a AttentionShape>,
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
    /// For a decoder on the CPU without autodiff.
    pub(super) fn new(decoder: &'a Decoder) -> Self {
        Self {
            config: decoder.config(),
            shapes: decoder.blocks.iter().map(|block| &block.attention.shape).collect(),
            weights: Weights::of(decoder),
            sequences: Vec::new(),
        }
    }

    /// Logits after the last token of each prompt, `[prompts, vocab_size]`; forgets what was there.
    pub(super) fn prefill(&mut self, prompts: &[&[u32]]) -> Vec<f32> {
        let n_layers = self.config.n_layers();
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
        let spans = self.spans(tokens);
        let config = self.config;
        let stretches = || spans.iter().map(|span| Stretch { first: span.first, len: span.len });
        let rotations: Vec<Rotation> =
            config.ropes.iter().map(|rope| Rotation::new(rope, stretches())).collect();
        let mut x = self.embed(tokens);
        for (number, layer) in self.weights.layers.iter().enumerate() {
            let shape = self.shapes[number];
            let rotation = shape.layer.rope.map(|rope| &rotations[rope]);
            let projected = Projected::of(&x, layer, shape, rotation);
            for span in &spans {
                let cache = &mut self.sequences[span.sequence].layers[number];
                projected.put(span, cache, shape.head_dim);
            }
            let caches: Vec<&LayerCache> =
                self.sequences.iter().map(|sequence| &sequence.layers[number]).collect();
            let mixed = attend(&projected.query, &spans, &caches, shape);
            add(&mut x, linear(&mixed, &layer.output), layer.attention_post_norm.as_ref());
            for x in x.chunks_mut(CHUNK * config.hidden_size) {
                let active = gated(&normed(x, layer.mlp_norm.as_ref()), layer, config.activation);
                add(x, linear(&active, &layer.down), layer.mlp_post_norm.as_ref());
            }
        }
        for span in &spans {
            self.sequences[span.sequence].len += span.len;
        }
        self.logits(&x, &spans)
    }

    fn spans(&self, tokens: &[&[u32]]) -> Vec<Span> {
        let mut row = 0;
        let span = |(sequence, tokens): (usize, &&[u32])| {
            let first = self.sequences[sequence].len;
            row += tokens.len();
            Span { sequence, row: row - tokens.len(), first, len: tokens.len() }
        };
        tokens.iter().enumerate().map(span).collect()
    }

    /// `[rows, hidden_size]`.
    fn embed(&self, tokens: &[&[u32]]) -> Vec<f32> {
        let hidden = self.config.hidden_size;
        let scale = self.config.embedding_scale as f32;
        let embedding = |id: &u32| &self.weights.embedding[*id as usize * hidden..][..hidden];
        let ids = tokens.iter().copied().flatten();
        ids.flat_map(embedding).map(|value| value * scale).collect()
    }

    /// Of the last row of each span.
    fn logits(&self, x: &[f32], spans: &[Span]) -> Vec<f32> {
        let hidden = self.config.hidden_size;
        let last = spans.iter().map(|span| &x[(span.row + span.len - 1) * hidden..][..hidden]);
        let mut last: Vec<f32> = last.flatten().copied().collect();
        norm(&mut last, &self.weights.norm);
        let mut logits = products(&last, &self.weights.head, hidden);
        if let Some(cap) = self.config.logit_soft_cap {
            soft_cap(&mut logits, cap as f32);
        }
        logits
    }
}

/// Queries, keys and values of the new rows, turned by their positions.
struct Projected {
    query: Vec<f32>,
    key: Vec<f32>,
    value: Vec<f32>,
    n_rows: usize,
}

impl Projected {
    fn of(
        x: &[f32],
        layer: &LayerWeights,
        shape: &AttentionShape,
        rotation: Option<&Rotation>,
    ) -> Self {
        let x = normed(x, layer.attention_norm.as_ref());
        let n_rows = x.len() / layer.query.width;
        let [mut query, mut key, value] = linears(&x, [&layer.query, &layer.key, &layer.value]);
        // The norm's weight is as wide as what it norms: a head, or all of them.
        for (values, weights) in [(&mut query, &layer.query_norm), (&mut key, &layer.key_norm)] {
            if let Some(weights) = weights {
                norm(values, weights);
            }
        }
        if let Some(rotation) = rotation {
            for values in [&mut query, &mut key] {
                rotate(values, rotation, n_rows, shape.head_dim);
            }
        }
        Self { query, key, value, n_rows }
    }

    /// Puts the keys and values of a sequence's new rows behind those it has.
    fn put(&self, span: &Span, cache: &mut LayerCache, head_dim: usize) {
        let width = self.key.len() / self.n_rows;
        for at in 0..span.len {
            let range = (span.row + at) * width..(span.row + at + 1) * width;
            cache.put(span.first + at, &self.key[range.clone()], &self.value[range], head_dim);
        }
    }
}
