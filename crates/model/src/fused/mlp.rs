//! The feed-forward half of a block, with its norm and its residual: `y = x + mlp(norm(x))`.

use rayon::prelude::*;

use super::{
    CHUNK,
    buffer::Buffer,
    gradient::{Gradient, sum_chunks, weight_gradients},
    matrix::{Matrix, MatrixMut, add_product, product, transpose},
    norm,
    vector::{sigmoid, vectorized},
};

/// Weights as they lie in the tensors, `[out, in]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MlpWeights<'a> {
    pub(crate) norm: &'a [f32],
    pub(crate) gate: &'a [f32],
    pub(crate) up: &'a [f32],
    pub(crate) down: &'a [f32],
    pub(crate) epsilon: f32,
}

/// What the backward pass needs besides input and weights.
#[derive(Debug)]
pub(crate) struct MlpSaved {
    /// One over the root mean square of each row.
    scales: Buffer,
    /// `[n, 2 × inner]`: gate and up before the activation.
    gate_up: Buffer,
}

/// Gradients of the input and the weights.
#[derive(Debug)]
pub(crate) struct MlpGradients {
    pub(crate) x: Vec<f32>,
    pub(crate) norm: Vec<f32>,
    pub(crate) gate: Vec<f32>,
    pub(crate) up: Vec<f32>,
    pub(crate) down: Vec<f32>,
}

impl MlpWeights<'_> {
    fn hidden(&self) -> usize {
        self.norm.len()
    }

    fn inner(&self) -> usize {
        self.gate.len() / self.norm.len()
    }

    /// Gate and up in one matrix, `[2 × inner, hidden]`.
    fn gate_up(&self) -> Buffer {
        let mut stacked = Buffer::stale(2 * self.gate.len());
        stacked[..self.gate.len()].copy_from_slice(self.gate);
        stacked[self.gate.len()..].copy_from_slice(self.up);
        stacked
    }
}

/// # Shapes
/// - x, output: `[n, hidden]`
pub(crate) fn forward(x: &[f32], weights: &MlpWeights<'_>) -> (Vec<f32>, MlpSaved) {
    let (hidden, inner) = (weights.hidden(), weights.inner());
    let n = x.len() / hidden;
    let mut gate_up_in = Buffer::stale(2 * inner * hidden);
    transpose(&weights.gate_up(), 2 * inner, hidden, &mut gate_up_in);
    let mut down_in = Buffer::stale(inner * hidden);
    transpose(weights.down, hidden, inner, &mut down_in);

    let mut saved = MlpSaved { scales: Buffer::stale(n), gate_up: Buffer::stale(n * 2 * inner) };
    let mut y = x.to_vec();
    let chunks = y.par_chunks_mut(CHUNK * hidden).zip(x.par_chunks(CHUNK * hidden));
    let chunks = chunks
        .zip(saved.scales.par_chunks_mut(CHUNK))
        .zip(saved.gate_up.par_chunks_mut(CHUNK * 2 * inner));
    chunks.for_each(|(((y, x), scales), gate_up)| {
        let rows = scales.len();
        let mut normed = Buffer::stale(x.len());
        norm::forward(x, weights.norm, weights.epsilon, scales, &mut normed);
        product(
            MatrixMut::new(gate_up, rows, 2 * inner),
            1.0,
            Matrix::new(&normed, rows, hidden),
            Matrix::new(&gate_up_in, hidden, 2 * inner),
        );
        let mut active = Buffer::stale(rows * inner);
        activate(gate_up, &mut active, inner);
        add_product(
            MatrixMut::new(y, rows, hidden),
            Matrix::new(&active, rows, inner),
            Matrix::new(&down_in, inner, hidden),
        );
    });
    (y, saved)
}

/// # Shapes
/// - x, dy: `[n, hidden]`
pub(crate) fn backward(
    x: &[f32],
    dy: &[f32],
    weights: &MlpWeights<'_>,
    mut saved: MlpSaved,
) -> MlpGradients {
    let (hidden, inner) = (weights.hidden(), weights.inner());
    let n = x.len() / hidden;
    let gate_up_out = weights.gate_up();
    let mut normed = Buffer::stale(n * hidden);
    let mut active = Buffer::stale(n * inner);
    let mut norm_parts = Buffer::stale(n.div_ceil(CHUNK) * hidden);
    norm_parts.fill(0.0);
    let mut dx = dy.to_vec();

    let inputs = x
        .par_chunks(CHUNK * hidden)
        .zip(dy.par_chunks(CHUNK * hidden))
        .zip(saved.scales.par_chunks(CHUNK));
    let outputs = dx.par_chunks_mut(CHUNK * hidden).zip(normed.par_chunks_mut(CHUNK * hidden));
    let outputs =
        outputs.zip(active.par_chunks_mut(CHUNK * inner)).zip(norm_parts.par_chunks_mut(hidden));
    inputs.zip(saved.gate_up.par_chunks_mut(CHUNK * 2 * inner)).zip(outputs).for_each(
        |((((x, dy), scales), gate_up), (((dx, normed), active), norm_part))| {
            let rows = scales.len();
            let mut d_active = Buffer::stale(rows * inner);
            product(
                MatrixMut::new(&mut d_active, rows, inner),
                1.0,
                Matrix::new(dy, rows, hidden),
                Matrix::new(weights.down, hidden, inner),
            );
            activate_backward(gate_up, &d_active, active, inner);
            let mut d_normed = Buffer::stale(rows * hidden);
            product(
                MatrixMut::new(&mut d_normed, rows, hidden),
                1.0,
                Matrix::new(gate_up, rows, 2 * inner),
                Matrix::new(&gate_up_out, 2 * inner, hidden),
            );
            norm::again(x, weights.norm, scales, normed);
            norm::backward(x, weights.norm, scales, &d_normed, dx, norm_part);
        },
    );

    let (d_gate_up, stride) = (&saved.gate_up[..], 2 * inner);
    let gate = Gradient {
        dy: d_gate_up,
        dy_at: 0,
        dy_stride: stride,
        out: inner,
        x: &normed,
        width: hidden,
    };
    let up = Gradient { dy_at: inner, ..gate };
    let down = Gradient { dy, dy_at: 0, dy_stride: hidden, out: hidden, x: &active, width: inner };
    let [gate, up, down] = weight_gradients(n, [gate, up, down]);
    MlpGradients { x: dx, norm: sum_chunks(&norm_parts, hidden), gate, up, down }
}

/// `active = silu(gate) · up`.
fn activate(gate_up: &[f32], active: &mut [f32], inner: usize) {
    vectorized(
        #[inline(always)]
        || {
            for (gate_up, active) in
                gate_up.chunks_exact(2 * inner).zip(active.chunks_exact_mut(inner))
            {
                let (gate, up) = gate_up.split_at(inner);
                for ((active, gate), up) in active.iter_mut().zip(gate).zip(up) {
                    *active = gate * sigmoid(*gate) * up;
                }
            }
        },
    );
}

/// Turns gate and up into their gradients, and computes the activation again.
fn activate_backward(gate_up: &mut [f32], d_active: &[f32], active: &mut [f32], inner: usize) {
    vectorized(
        #[inline(always)]
        || {
            let rows = gate_up
                .chunks_exact_mut(2 * inner)
                .zip(d_active.chunks_exact(inner))
                .zip(active.chunks_exact_mut(inner));
            for ((gate_up, d_active), active) in rows {
                let (gate, up) = gate_up.split_at_mut(inner);
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
