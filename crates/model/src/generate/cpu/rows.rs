//! What happens to each row by itself: norms, turning, residual sums, soft caps.

use std::borrow::Cow;

use rayon::prelude::*;

use crate::{
    cpu::{
        vector::{dot, tanh, vectorized},
        weights::NormWeights,
    },
    rope::Rotation,
};

/// Values below which a second thread costs more than it brings.
const FEW: usize = 1 << 15;

/// Norms each row; those of a head, where the weights are as wide as one.
pub(super) fn norm(x: &mut [f32], weights: &NormWeights) {
    let width = weights.weight.len();
    in_pieces(x, width, |x| {
        vectorized(
            #[inline(always)]
            || {
                for row in x.chunks_exact_mut(width) {
                    let scale = 1.0 / (dot(row, row) / width as f32 + weights.epsilon).sqrt();
                    for (x, weight) in row.iter_mut().zip(&weights.weight) {
                        *x = *x * scale * weight;
                    }
                }
            },
        );
    });
}

/// The rows themselves where there is no norm.
pub(super) fn normed<'a>(x: &'a [f32], weights: Option<&NormWeights>) -> Cow<'a, [f32]> {
    match weights {
        Some(weights) => {
            let mut x = x.to_vec();
            norm(&mut x, weights);
            Cow::Owned(x)
        }
        None => Cow::Borrowed(x),
    }
}

/// Adds what a part of a block gives, normed where a norm stands behind the part.
pub(super) fn add(x: &mut [f32], mut y: Vec<f32>, weights: Option<&NormWeights>) {
    if let Some(weights) = weights {
        norm(&mut y, weights);
    }
    x.iter_mut().zip(y).for_each(|(x, y)| *x += y);
}

/// Turns the heads of each row by the row's angles.
pub(super) fn rotate(x: &mut [f32], rotation: &Rotation, n_rows: usize, head_dim: usize) {
    let (width, half) = (x.len() / n_rows, rotation.half);
    let tables = rotation.cos.chunks_exact(half).zip(rotation.sin.chunks_exact(half));
    vectorized(
        #[inline(always)]
        || {
            for (row, (cos, sin)) in x.chunks_exact_mut(width).zip(tables) {
                for head in row.chunks_exact_mut(head_dim) {
                    // Elements behind the turned ones stay as they are.
                    let (low, high) = head[..2 * half].split_at_mut(half);
                    for (((low, high), cos), sin) in low.iter_mut().zip(high).zip(cos).zip(sin) {
                        (*low, *high) = (*low * cos - *high * sin, *high * cos + *low * sin);
                    }
                }
            }
        },
    );
}

/// `cap · tanh(x / cap)`.
pub(super) fn soft_cap(x: &mut [f32], cap: f32) {
    in_pieces(x, 1, |x| {
        vectorized(
            #[inline(always)]
            || x.iter_mut().for_each(|x| *x = tanh(*x / cap) * cap),
        );
    });
}

/// Works on rows of `width` values, in parallel where there are many.
fn in_pieces(x: &mut [f32], width: usize, work: impl Fn(&mut [f32]) + Send + Sync) {
    if x.len() < FEW {
        work(x);
    } else {
        x.par_chunks_mut((FEW / 4).next_multiple_of(width)).for_each(work);
    }
}
