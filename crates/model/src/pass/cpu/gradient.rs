//! Gradients of weights: products summed over all positions of a lane.

use rayon::prelude::*;

use crate::cpu::{
    buffer::Buffer,
    gemm::{Factors, Into, Packed, product},
    matrix::{Matrix, MatrixMut},
};

/// Rows of a weight gradient that are one piece of work. Borders depend on shapes alone.
const TILE: usize = 132;

/// The gradient of one weight `[out, width]`: `dyᵀ · x`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gradient<'a> {
    /// Gradients of the outputs; position p's begin at `dy_at + p × dy_stride`.
    pub(super) dy: &'a [f32],
    pub(super) dy_at: usize,
    pub(super) dy_stride: usize,
    /// Inputs, `[n, width]`.
    pub(super) x: &'a Packed,
    pub(super) width: usize,
}

/// The inputs of weights whose gradients are asked for, `[n, width]`.
pub(super) fn packed_inputs(factors: Factors, x: &[f32], width: usize) -> Packed {
    Packed::side_by_side(factors, &[Matrix::new(x, x.len() / width, width)])
}

/// [`packed_inputs`] of inputs that nobody else needs.
pub(super) fn packed_once(factors: Factors, x: Buffer, width: usize) -> Packed {
    packed_inputs(factors, &x, width)
}

/// Several weight gradients over `n` positions, their tiles spread over all threads; what is in the
/// targets is replaced or added to.
pub(super) fn weight_gradients<const N: usize>(
    n: usize,
    gradients: [Gradient<'_>; N],
    targets: [&mut [f32]; N],
    into: Into,
) {
    let tiles: Vec<_> = targets
        .into_iter()
        .zip(&gradients)
        .flat_map(|(target, gradient)| {
            target
                .chunks_mut(TILE * gradient.width)
                .enumerate()
                .map(move |(tile, target)| (gradient, tile * TILE, target))
        })
        .collect();
    tiles.into_par_iter().for_each(|(gradient, first, target)| {
        let Gradient { dy, dy_at, dy_stride, x, width } = *gradient;
        let rows = target.len() / width;
        let dy = Matrix::strided(&dy[dy_at + first..], n, rows, dy_stride);
        product(MatrixMut::new(target, rows, width), into, dy.transposed(), x);
    });
}

/// Writes the sum of the parts that chunks left, in the order of the chunks.
pub(super) fn sum_chunks(parts: &[f32], total: &mut [f32]) {
    total.fill(0.0);
    for part in parts.chunks_exact(total.len()) {
        total.iter_mut().zip(part).for_each(|(total, part)| *total += part);
    }
}
