//! Biases of projected queries, keys and values (Qwen 2).

use rayon::prelude::*;

use super::{CHUNK, gradient::sum_chunks};
use crate::cpu::buffer::Buffer;

/// Adds the biases of queries, keys and values, which stand in a row in this order.
///
/// # Shapes
/// - projected: `[n, width]`, where the biases are `width` together
pub(super) fn forward(projected: &mut [f32], biases: [&[f32]; 3]) {
    let bias = biases.concat();
    projected.par_chunks_mut(CHUNK * bias.len()).for_each(|rows| {
        rows.chunks_exact_mut(bias.len()).for_each(|row| add(row, &bias));
    });
}

/// The gradients of the biases: sums over positions.
///
/// # Shapes
/// - d_projected: `[n, width]`
pub(super) fn backward(d_projected: &[f32], targets: [&mut [f32]; 3]) {
    let width = targets.iter().map(|target| target.len()).sum::<usize>();
    let n_chunks = d_projected.len().div_ceil(CHUNK * width);
    let mut parts = Buffer::zeros(n_chunks * width);
    let chunks = d_projected.par_chunks(CHUNK * width).zip(parts.par_chunks_mut(width));
    chunks.for_each(|(rows, part)| rows.chunks_exact(width).for_each(|row| add(part, row)));
    let mut sum = vec![0.0; width];
    sum_chunks(&parts, &mut sum);
    let mut rest = &sum[..];
    for target in targets {
        let (own, behind) = rest.split_at(target.len());
        target.copy_from_slice(own);
        rest = behind;
    }
}

fn add(row: &mut [f32], other: &[f32]) {
    row.iter_mut().zip(other).for_each(|(value, other)| *value += other);
}
