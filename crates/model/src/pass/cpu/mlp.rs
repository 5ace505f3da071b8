//! The feed-forward half of a block, with its norm and its residual: `y = x + mlp(norm(x))`.

use rayon::prelude::*;

use super::{
    CHUNK,
    gradient::{Gradient, packed_once, sum_chunks, weight_gradients},
    norm,
};
use crate::cpu::{
    buffer::Buffer,
    gemm::{Factors, Into, Packed, product},
    matrix::{Matrix, MatrixMut, stride},
    vector::{sigmoid, vectorized},
};

/// Weights as they lie in the tensors, `[out, in]`.
#[derive(Clone, Copy, Debug)]
pub(super) struct MlpWeights<'a> {
    pub(super) norm: &'a [f32],
    pub(super) gate: &'a [f32],
    pub(super) up: &'a [f32],
    pub(super) down: &'a [f32],
    pub(super) epsilon: f32,
    pub(super) factors: Factors,
}

/// What the backward pass needs besides input and weights.
#[derive(Debug)]
pub(super) struct MlpSaved {
    /// One over the root mean square of each row.
    scales: Buffer,
    /// `[n, 2 × inner]`, rows a [`stride`] apart: gate and up before the activation.
    gate_up: Buffer,
}

/// Where the gradients of the weights go.
#[derive(Debug)]
pub(super) struct MlpTargets<'a> {
    pub(super) norm: &'a mut [f32],
    pub(super) gate: &'a mut [f32],
    pub(super) up: &'a mut [f32],
    pub(super) down: &'a mut [f32],
}

impl MlpWeights<'_> {
    fn hidden(&self) -> usize {
        self.norm.len()
    }

    fn inner(&self) -> usize {
        self.gate.len() / self.norm.len()
    }

    /// Gate and up, each `[inner, hidden]`.
    fn gate_up(&self) -> [Matrix<'_>; 2] {
        [self.gate, self.up].map(|weight| Matrix::new(weight, self.inner(), self.hidden()))
    }

    /// `[hidden, inner]`.
    fn down(&self) -> Matrix<'_> {
        Matrix::new(self.down, self.hidden(), self.inner())
    }
}

/// # Shapes
/// - x, output: `[n, hidden]`
pub(super) fn forward(x: &[f32], weights: &MlpWeights<'_>) -> (Buffer, MlpSaved) {
    let (hidden, inner) = (weights.hidden(), weights.inner());
    let n = x.len() / hidden;
    let factors = weights.factors;
    let gate_up_in = Packed::side_by_side(factors, &weights.gate_up().map(Matrix::transposed));
    let down_in = Packed::side_by_side(factors, &[weights.down().transposed()]);

    let stride = stride(2 * inner);
    let mut saved = MlpSaved { scales: Buffer::stale(n), gate_up: Buffer::stale(n * stride) };
    let mut y = Buffer::copy_of(x);
    let chunks = y.par_chunks_mut(CHUNK * hidden).zip(x.par_chunks(CHUNK * hidden));
    let chunks = chunks
        .zip(saved.scales.par_chunks_mut(CHUNK))
        .zip(saved.gate_up.par_chunks_mut(CHUNK * stride));
    chunks.for_each(|(((y, x), scales), gate_up)| {
        let rows = scales.len();
        let mut normed = Buffer::stale(x.len());
        norm::forward(x, weights.norm, weights.epsilon, scales, &mut normed);
        product(
            MatrixMut::strided(gate_up, rows, 2 * inner, stride),
            Into::Scaled(1.0),
            Matrix::new(&normed, rows, hidden),
            &gate_up_in,
        );
        let mut active = Buffer::stale(rows * inner);
        activate(gate_up, stride, &mut active, inner);
        product(
            MatrixMut::new(y, rows, hidden),
            Into::Sum(1.0),
            Matrix::new(&active, rows, inner),
            &down_in,
        );
    });
    (y, saved)
}

/// Gives the gradient of the input.
///
/// # Shapes
/// - x, dy, output: `[n, hidden]`
pub(super) fn backward(
    x: &[f32],
    dy: &[f32],
    weights: &MlpWeights<'_>,
    mut saved: MlpSaved,
    targets: MlpTargets<'_>,
) -> Buffer {
    let (hidden, inner) = (weights.hidden(), weights.inner());
    let n = x.len() / hidden;
    let stride = stride(2 * inner);
    let factors = weights.factors;
    let down_out = Packed::side_by_side(factors, &[weights.down()]);
    let gate_up_out = Packed::stacked(factors, &weights.gate_up());
    let mut normed = Buffer::stale(n * hidden);
    let mut active = Buffer::stale(n * inner);
    let mut norm_parts = Buffer::stale(n.div_ceil(CHUNK) * hidden);
    norm_parts.fill(0.0);
    let mut dx = Buffer::copy_of(dy);

    let inputs = x
        .par_chunks(CHUNK * hidden)
        .zip(dy.par_chunks(CHUNK * hidden))
        .zip(saved.scales.par_chunks(CHUNK));
    let outputs = dx.par_chunks_mut(CHUNK * hidden).zip(normed.par_chunks_mut(CHUNK * hidden));
    let outputs =
        outputs.zip(active.par_chunks_mut(CHUNK * inner)).zip(norm_parts.par_chunks_mut(hidden));
    inputs.zip(saved.gate_up.par_chunks_mut(CHUNK * stride)).zip(outputs).for_each(
        |((((x, dy), scales), gate_up), (((dx, normed), active), norm_part))| {
            let rows = scales.len();
            let mut d_active = Buffer::stale(rows * inner);
            product(
                MatrixMut::new(&mut d_active, rows, inner),
                Into::Scaled(1.0),
                Matrix::new(dy, rows, hidden),
                &down_out,
            );
            activate_backward(gate_up, stride, &d_active, active, inner);
            let mut d_normed = Buffer::stale(rows * hidden);
            product(
                MatrixMut::new(&mut d_normed, rows, hidden),
                Into::Scaled(1.0),
                Matrix::strided(gate_up, rows, 2 * inner, stride),
                &gate_up_out,
            );
            norm::again(x, weights.norm, scales, normed);
            norm::backward(x, weights.norm, scales, &d_normed, dx, norm_part);
        },
    );

    let normed = packed_once(factors, normed, hidden);
    let active = packed_once(factors, active, inner);
    let d_gate_up = &saved.gate_up[..];
    let gate = Gradient { dy: d_gate_up, dy_at: 0, dy_stride: stride, x: &normed, width: hidden };
    let up = Gradient { dy_at: inner, ..gate };
    let down = Gradient { dy, dy_at: 0, dy_stride: hidden, x: &active, width: inner };
    weight_gradients(
        n,
        [gate, up, down],
        [targets.gate, targets.up, targets.down],
        Into::Scaled(1.0),
    );
    sum_chunks(&norm_parts, targets.norm);
    dx
}

/// `active = silu(gate) · up`.
fn activate(gate_up: &[f32], stride: usize, active: &mut [f32], inner: usize) {
    vectorized(
        #[inline(always)]
        || {
            for (gate_up, active) in
                gate_up.chunks_exact(stride).zip(active.chunks_exact_mut(inner))
            {
                let (gate, up) = gate_up[..2 * inner].split_at(inner);
                for ((active, gate), up) in active.iter_mut().zip(gate).zip(up) {
                    *active = gate * sigmoid(*gate) * up;
                }
            }
        },
    );
}

/// Turns gate and up into their gradients, and computes the activation again.
fn activate_backward(
    gate_up: &mut [f32],
    stride: usize,
    d_active: &[f32],
    active: &mut [f32],
    inner: usize,
) {
    vectorized(
        #[inline(always)]
        || {
            let rows = gate_up
                .chunks_exact_mut(stride)
                .zip(d_active.chunks_exact(inner))
                .zip(active.chunks_exact_mut(inner));
            for ((gate_up, d_active), active) in rows {
                let (gate, up) = gate_up[..2 * inner].split_at_mut(inner);
                // Three targets in one loop are too many for the compiler's alias checks; blocks of
                // fixed size that are read before they are written need none.
                let (gates, gate_rest) = gate.as_chunks_mut::<16>();
                let (ups, up_rest) = up.as_chunks_mut::<16>();
                let (ds, d_rest) = d_active.as_chunks::<16>();
                let (actives, active_rest) = active.as_chunks_mut::<16>();
                for (((gate, up), d), active) in gates.iter_mut().zip(ups).zip(ds).zip(actives) {
                    (*gate, *up, *active) = activation_gradients(*gate, *up, *d);
                }
                let rest = gate_rest.iter_mut().zip(up_rest).zip(d_rest).zip(active_rest);
                for (((gate, up), d), active) in rest {
                    let ([d_gate], [d_up], [value]) = activation_gradients([*gate], [*up], [*d]);
                    (*gate, *up, *active) = (d_gate, d_up, value);
                }
            }
        },
    );
}

/// Gradients of gate and up, and the activation.
#[inline(always)]
fn activation_gradients<const N: usize>(
    gate: [f32; N],
    up: [f32; N],
    d_active: [f32; N],
) -> ([f32; N], [f32; N], [f32; N]) {
    let (mut d_gate, mut d_up, mut active) = ([0.0; N], [0.0; N], [0.0; N]);
    for lane in 0..N {
        let s = sigmoid(gate[lane]);
        let silu = gate[lane] * s;
        active[lane] = silu * up[lane];
        d_gate[lane] = d_active[lane] * up[lane] * (s + silu * (1.0 - s));
        d_up[lane] = d_active[lane] * silu;
    }
    (d_gate, d_up, active)
}
