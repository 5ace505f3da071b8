//! Attention of new positions over the keys their sequences have.

use rayon::prelude::*;

use super::{
    Span,
    cache::{LayerCache, PAGE},
    dots::Dots,
    mix::Mix,
};
use crate::{
    attention::{AttentionShape, first_seen},
    cpu::vector::{exp_in_place, max, tanh, vectorized},
};

/// Positions of a sequence that attend together.
const QUERIES: usize = 16;

/// Products below which a second thread costs more than it brings.
const FEW: usize = 1 << 16;

/// What the queries of all spans take from the values, `[rows, n_heads × head_dim]`.
///
/// # Shapes
/// - query: `[rows, n_heads × head_dim]`
pub(super) fn attend(
    query: &[f32],
    spans: &[Span],
    caches: &[&LayerCache],
    shape: &AttentionShape,
) -> Vec<f32> {
    let n_rows: usize = spans.iter().map(|span| span.len).sum();
    let width = query.len() / n_rows;
    let head_dim = shape.head_dim;
    let n_kv_heads = caches[0].n_heads(head_dim);
    let group_width = width / n_kv_heads;
    let mut blocks = Vec::new();
    let mut n_products = 0;
    for span in spans {
        n_products += span.len * (span.first + span.len) * width;
        for at in (0..span.len).step_by(QUERIES) {
            let len = QUERIES.min(span.len - at);
            let first = span.first + at;
            let block = |head| Block {
                cache: caches[span.sequence],
                head,
                row: span.row + at,
                first,
                len,
                start: first_seen(first, shape.layer.window),
            };
            blocks.extend((0..n_kv_heads).map(block));
        }
    }
    let of_block = |block: &Block<'_>| {
        let rows = (block.row..block.row + block.len)
            .map(|row| &query[row * width + block.head * group_width..][..group_width]);
        let queries: Vec<f32> = rows.flatten().copied().collect();
        block.attend(&queries, group_width / head_dim, shape)
    };
    let least = (FEW * blocks.len()).div_ceil(n_products.max(1));
    let results: Vec<Vec<f32>> = blocks.par_iter().with_min_len(least).map(of_block).collect();
    let mut mixed = vec![0.0; query.len()];
    for (block, result) in blocks.iter().zip(&results) {
        for (at, values) in result.chunks_exact(group_width).enumerate() {
            let start = (block.row + at) * width + block.head * group_width;
            mixed[start..][..group_width].copy_from_slice(values);
        }
    }
    mixed
}

/// Consecutive positions of a sequence, and the query heads that share a key head.
struct Block<'a> {
    cache: &'a LayerCache,
    /// The key head.
    head: usize,
    /// The first row.
    row: usize,
    /// Its position.
    first: usize,
    /// How many positions.
    len: usize,
    /// The first position that any of them sees.
    start: usize,
}

impl Block<'_> {
    /// # Shapes
    /// - queries, output: `[len × group, head_dim]`
    fn attend(&self, queries: &[f32], group: usize, shape: &AttentionShape) -> Vec<f32> {
        let (head_dim, start) = (shape.head_dim, self.start);
        let end = self.first + self.len;
        let n_keys = end - start;
        let mut scores = vec![0.0; self.len * group * n_keys];
        for (first, end) in pages(start, end) {
            let (keys, _) = self.cache.head(self.head, first, end, head_dim);
            let scores = &mut scores[first - start..];
            Dots { x: queries, w: keys, width: head_dim }
                .run(|key, query, score| scores[query * n_keys + key] = score);
        }
        let (scale, cap) = (shape.scale as f32, shape.soft_cap.map(|cap| cap as f32));
        for (row, scores) in scores.chunks_exact_mut(n_keys).enumerate() {
            let position = self.first + row / group;
            let seen = first_seen(position, shape.layer.window) - start..position + 1 - start;
            scores[..seen.start].fill(0.0);
            scores[seen.end..].fill(0.0);
            softmax(&mut scores[seen], scale, cap);
        }
        let mut mixed = vec![0.0; queries.len()];
        for (first, end) in pages(start, end) {
            let (_, values) = self.cache.head(self.head, first, end, head_dim);
            Mix {
                weights: &scores[first - start..],
                stride: n_keys,
                values,
                width: head_dim,
                mixed: &mut mixed,
            }
            .run();
        }
        mixed
    }
}

/// Turns scores into weights that sum to 1.
fn softmax(scores: &mut [f32], scale: f32, soft_cap: Option<f32>) {
    vectorized(
        #[inline(always)]
        || {
            scores.iter_mut().for_each(|score| *score *= scale);
            if let Some(cap) = soft_cap {
                scores.iter_mut().for_each(|score| *score = tanh(*score / cap) * cap);
            }
            let largest = max(scores);
            let inverse = 1.0 / exp_in_place(scores, largest);
            scores.iter_mut().for_each(|score| *score *= inverse);
        },
    );
}

/// The positions `start..end`, cut at the borders of pages.
fn pages(start: usize, end: usize) -> impl Iterator<Item = (usize, usize)> {
    let mut first = start;
    std::iter::from_fn(move || {
        let piece = (first, ((first / PAGE + 1) * PAGE).min(end));
        first = piece.1;
        (piece.0 < end).then_some(piece)
    })
}
