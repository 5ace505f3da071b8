//! Gradients of weights: products summed over all positions of a lane.

use rayon::prelude::*;

use super::matrix::{Matrix, MatrixMut, product};

/// Rows of a weight gradient that are one piece of work. Borders depend on shapes alone.
const TILE: usize = 128;

/// The gradient of one weight `[out, width]`: `dyᵀ · x`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gradient<'a> {
    /// Gradients of the outputs; position p's begin at `dy_at + p × dy_stride`.
    pub(crate) dy: &'a [f32],
    pub(crate) dy_at: usize,
    pub(crate) dy_stride: usize,
    pub(crate) out: usize,
    /// Inputs, `[n, width]`.
    pub(crate) x: &'a [f32],
    pub(crate) width: usize,
}

/// Several weight gradients over `n` positions, their tiles spread over all threads.
pub(crate) fn weight_gradients<const N: usize>(
    n: usize,
    gradients: [Gradient<'_>; N],
) -> [Vec<f32>; N] {
    let mut targets = gradients.map(|gradient| vec![0.0; gradient.out * gradient.width]);
    let tiles: Vec<_> = targets
        .iter_mut()
        .zip(&gradients)
        .flat_map(|(target, gradient)| {
            target
                .chunks_mut(TILE * gradient.width)
                .enumerate()
                .map(move |(tile, target)| (gradient, tile * TILE, target))
        })
        .collect();
    tiles.into_par_iter().for_each(|(gradient, first, target)| {
        let rows = target.len() / gradient.width;
        let dy =
            Matrix::strided(&gradient.dy[gradient.dy_at + first..], n, rows, gradient.dy_stride);
        product(
            MatrixMut::new(target, rows, gradient.width),
            1.0,
            dy.transposed(),
            Matrix::new(gradient.x, n, gradient.width),
        );
    });
    targets
}

/// Adds the parts that chunks left, in the order of the chunks.
pub(crate) fn sum_chunks(parts: &[f32], width: usize) -> Vec<f32> {
    let mut total = vec![0.0; width];
    for part in parts.chunks_exact(width) {
        total.iter_mut().zip(part).for_each(|(total, part)| *total += part);
    }
    total
}
