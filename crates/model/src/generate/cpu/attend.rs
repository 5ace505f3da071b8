//! Attention of a few consecutive positions of one sequence over all keys before them.

use super::{
    cache::{LayerCache, PAGE},
    dots::Dots,
};
use crate::{
    attention::{AttentionShape, first_seen},
    fused::vector::{exp_in_place, max, vectorized},
};

/// Queries of one key head: those of each position one behind the other, `[rows × group, head_dim]`.
#[derive(Debug)]
pub(super) struct Queries<'a> {
    pub(super) values: &'a [f32],
    /// Position of the first row; the others follow.
    pub(super) first: usize,
    /// Query heads that share the key head.
    pub(super) group: usize,
    pub(super) head: usize,
}

/// What each query takes from the values, `[rows × group, head_dim]`.
pub(super) fn attend(
    queries: &Queries<'_>,
    cache: &LayerCache,
    shape: &AttentionShape,
) -> Vec<f32> {
    let head_dim = shape.head_dim;
    let n = queries.values.len() / head_dim;
    let last = queries.first + n / queries.group - 1;
    let start = first_seen(queries.first, shape.layer.window);
    let n_keys = last + 1 - start;
    let mut scores = vec![0.0; n * n_keys];
    for (first, end) in pages(start, last + 1) {
        let (keys, _) = cache.head(queries.head, first, end, head_dim);
        Dots {
            x: queries.values,
            w: keys,
            width: head_dim,
            out: &mut scores[first - start..],
            r_stride: 1,
            t_stride: n_keys,
        }
        .run();
    }
    let scale = shape.scale as f32;
    for (row, scores) in scores.chunks_exact_mut(n_keys).enumerate() {
        let position = queries.first + row / queries.group;
        let seen = first_seen(position, shape.layer.window) - start..position + 1 - start;
        scores[..seen.start].fill(0.0);
        scores[seen.end..].fill(0.0);
        softmax(&mut scores[seen], scale, shape.soft_cap.map(|cap| cap as f32));
    }
    let mut mixed = vec![0.0; n * head_dim];
    for (first, end) in pages(start, last + 1) {
        let (_, values) = cache.head(queries.head, first, end, head_dim);
        let rows = mixed.chunks_exact_mut(head_dim).zip(scores.chunks_exact(n_keys));
        vectorized(
            #[inline(always)]
            || {
                for (mixed, scores) in rows {
                    let weights = &scores[first - start..end - start];
                    for (weight, value) in weights.iter().zip(values.chunks_exact(head_dim)) {
                        for (mixed, value) in mixed.iter_mut().zip(value) {
                            *mixed += weight * value;
                        }
                    }
                }
            },
        );
    }
    mixed
}

/// Turns scores into weights that sum to 1.
fn softmax(scores: &mut [f32], scale: f32, soft_cap: Option<f32>) {
    vectorized(
        #[inline(always)]
        || {
            scores.iter_mut().for_each(|score| *score *= scale);
            if let Some(cap) = soft_cap {
                scores.iter_mut().for_each(|score| *score = (*score / cap).tanh() * cap);
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
