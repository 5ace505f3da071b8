//! RMSNorm over the rows of a chunk.

use crate::cpu::vector::{dot, vectorized};

/// `target = x · scale · weight` row by row, where `scale` is one over the root mean square.
///
/// The scales are written to `scales`, one for each row; the backward pass needs them.
pub(crate) fn forward(
    x: &[f32],
    weight: &[f32],
    epsilon: f32,
    scales: &mut [f32],
    target: &mut [f32],
) {
    let width = weight.len();
    vectorized(
        #[inline(always)]
        || {
            for ((x, target), scale) in
                x.chunks_exact(width).zip(target.chunks_exact_mut(width)).zip(scales)
            {
                *scale = 1.0 / (dot(x, x) / width as f32 + epsilon).sqrt();
                scale_row(x, weight, *scale, target);
            }
        },
    );
}

/// Computes the normed rows again from stored scales.
pub(crate) fn again(x: &[f32], weight: &[f32], scales: &[f32], target: &mut [f32]) {
    let width = weight.len();
    vectorized(
        #[inline(always)]
        || {
            for ((x, target), scale) in
                x.chunks_exact(width).zip(target.chunks_exact_mut(width)).zip(scales)
            {
                scale_row(x, weight, *scale, target);
            }
        },
    );
}

#[inline(always)]
fn scale_row(x: &[f32], weight: &[f32], scale: f32, target: &mut [f32]) {
    for ((target, x), weight) in target.iter_mut().zip(x).zip(weight) {
        *target = x * scale * weight;
    }
}

/// Adds to `dx` what flows back through the norm, and to `d_weight` the gradient of its weight.
///
/// With y = x · s · w and s the scale: dx = s·(dy·w) − x·s³·mean(dy·w·x), dw = Σ dy·x·s.
pub(crate) fn backward(
    x: &[f32],
    weight: &[f32],
    scales: &[f32],
    dy: &[f32],
    dx: &mut [f32],
    d_weight: &mut [f32],
) {
    let width = weight.len();
    vectorized(
        #[inline(always)]
        || {
            let rows = x
                .chunks_exact(width)
                .zip(dy.chunks_exact(width))
                .zip(dx.chunks_exact_mut(width))
                .zip(scales);
            for (((x, dy), dx), &scale) in rows {
                for ((d_weight, x), dy) in d_weight.iter_mut().zip(x).zip(dy) {
                    *d_weight += dy * x * scale;
                }
                let back = dot_three(dy, weight, x) / width as f32 * scale * scale * scale;
                for (((dx, dy), weight), x) in dx.iter_mut().zip(dy).zip(weight).zip(x) {
                    *dx += dy * weight * scale - x * back;
                }
            }
        },
    );
}

/// Σ a·b·c in the parts that [`dot`] uses.
#[inline(always)]
fn dot_three(a: &[f32], b: &[f32], c: &[f32]) -> f32 {
    const LANES: usize = 16;
    let mut parts = [0.0; LANES];
    let n = a.len() / LANES * LANES;
    for at in (0..n).step_by(LANES) {
        let (a, b, c) = (&a[at..at + LANES], &b[at..at + LANES], &c[at..at + LANES]);
        for lane in 0..LANES {
            parts[lane] += a[lane] * b[lane] * c[lane];
        }
    }
    for (lane, at) in (n..a.len()).enumerate() {
        parts[lane] += a[at] * b[at] * c[at];
    }
    parts.into_iter().sum()
}
