//! RMSNorm over each head of projected queries and keys (Qwen 3).

use std::ops::Range;

use rayon::prelude::*;

use super::{CHUNK, gradient::sum_chunks, norm, segment::Heads};
use crate::cpu::buffer::Buffer;

/// What the way back needs.
#[derive(Debug)]
pub(super) struct Unnormed {
    /// Queries and keys as they were, `[n, heads.turned()]`.
    values: Buffer,
    /// One over the root mean square of each head, `[n, n_heads + n_kv_heads]`.
    scales: Buffer,
}

/// Norms the heads of queries and keys with a weight `[head_dim]` each.
///
/// # Shapes
/// - projected: `[n, heads.width()]`
pub(super) fn forward(
    heads: &Heads,
    weights: [&[f32]; 2],
    epsilon: f32,
    projected: &mut [f32],
) -> Unnormed {
    let (width, turned, normed) = (heads.width(), heads.turned(), heads.n_heads + heads.n_kv_heads);
    let n = projected.len() / width;
    let mut values = Buffer::stale(n * turned);
    let mut scales = Buffer::stale(n * normed);
    let chunks = projected
        .par_chunks_mut(CHUNK * width)
        .zip(values.par_chunks_mut(CHUNK * turned))
        .zip(scales.par_chunks_mut(CHUNK * normed));
    chunks.for_each(|((rows, values), scales)| {
        let rows = rows.chunks_exact_mut(width).zip(values.chunks_exact_mut(turned));
        for ((row, values), scales) in rows.zip(scales.chunks_exact_mut(normed)) {
            values.copy_from_slice(&row[..turned]);
            for ((columns, of_head), weight) in parts(heads).into_iter().zip(weights) {
                let (x, scales) = (&values[columns.clone()], &mut scales[of_head]);
                norm::forward(x, weight, epsilon, scales, &mut row[columns]);
            }
        }
    });
    Unnormed { values, scales }
}

/// Turns the gradient of the normed rows into that of the rows, and gives those of the weights.
///
/// # Shapes
/// - d_projected: `[n, heads.width()]`
pub(super) fn backward(
    heads: &Heads,
    weights: [&[f32]; 2],
    unnormed: &Unnormed,
    d_projected: &mut [f32],
    targets: [&mut [f32]; 2],
) {
    let (width, turned, normed) = (heads.width(), heads.turned(), heads.n_heads + heads.n_kv_heads);
    let dim = heads.head_dim;
    let n_chunks = d_projected.len().div_ceil(CHUNK * width);
    let mut d_weights = Buffer::zeros(n_chunks * 2 * dim);
    let chunks = d_projected
        .par_chunks_mut(CHUNK * width)
        .zip(unnormed.values.par_chunks(CHUNK * turned))
        .zip(unnormed.scales.par_chunks(CHUNK * normed))
        .zip(d_weights.par_chunks_mut(2 * dim));
    chunks.for_each(|(((rows, values), scales), d_weights)| {
        let mut dy = vec![0.0; turned];
        let rows = rows.chunks_exact_mut(width).zip(values.chunks_exact(turned));
        for ((row, values), scales) in rows.zip(scales.chunks_exact(normed)) {
            dy.copy_from_slice(&row[..turned]);
            row[..turned].fill(0.0);
            let parts = parts(heads).into_iter().zip(weights).zip(d_weights.chunks_exact_mut(dim));
            for (((columns, of_head), weight), d_weight) in parts {
                let (x, dy) = (&values[columns.clone()], &dy[columns.clone()]);
                norm::backward(x, weight, &scales[of_head], dy, &mut row[columns], d_weight);
            }
        }
    });
    let mut sum = vec![0.0; 2 * dim];
    sum_chunks(&d_weights, &mut sum);
    for (target, sum) in targets.into_iter().zip(sum.chunks_exact(dim)) {
        target.copy_from_slice(sum);
    }
}

/// Columns and numbers of the heads of queries, and of keys.
fn parts(heads: &Heads) -> [(Range<usize>, Range<usize>); 2] {
    let (queries, all) = (heads.n_heads, heads.n_heads + heads.n_kv_heads);
    let columns =
        |heads_of: Range<usize>| heads_of.start * heads.head_dim..heads_of.end * heads.head_dim;
    [0..queries, queries..all].map(|of| (columns(of.clone()), of))
}
