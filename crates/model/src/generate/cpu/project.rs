//! Projections of few or many rows, cut into pieces for threads.
//!
//! A piece is some rows of the weights, all rows of `x`: each weight is read once. Where the pieces
//! are cut has no influence on any result.

use rayon::prelude::*;

use super::dots::Dots;
use crate::{
    config::Activation,
    cpu::{
        vector::{sigmoid, vectorized},
        weights::{LayerWeights, LinearWeights},
    },
};

/// Rows of the weights in a piece.
const PIECE: usize = 32;

/// Some rows of a projection, and where their products go.
struct Piece<'a> {
    /// `[rows, width]`.
    weight: &'a [f32],
    /// `[rows]`.
    bias: Option<&'a [f32]>,
    /// For each row of `x` the results.
    out: Vec<&'a mut [f32]>,
}

impl Piece<'_> {
    fn compute(&mut self, x: &[f32], width: usize) {
        let out = &mut self.out;
        Dots { x, w: self.weight, width }.run(|r, t, value| out[t][r] = value);
        if let Some(bias) = self.bias {
            for out in out {
                out.iter_mut().zip(bias).for_each(|(out, bias)| *out += bias);
            }
        }
    }
}

/// `x · weightᵀ`, `[n, rows]`.
pub(super) fn products(x: &[f32], weight: &[f32], width: usize) -> Vec<f32> {
    let rows = weight.len() / width;
    let mut out = vec![0.0; x.len() / width * rows];
    let mut pieces = cut(weight, None, width, &mut out);
    pieces.par_iter_mut().for_each(|piece| piece.compute(x, width));
    out
}

/// `x · weightᵀ + bias`.
pub(super) fn linear(x: &[f32], weights: &LinearWeights) -> Vec<f32> {
    let [out] = linears(x, [weights]);
    out
}

/// [`linear`] of the same rows with several weights.
pub(super) fn linears<const N: usize>(x: &[f32], weights: [&LinearWeights; N]) -> [Vec<f32>; N] {
    let width = weights[0].width;
    let n = x.len() / width;
    let mut outs = weights.map(|weights| vec![0.0; n * (weights.weight.len() / width)]);
    let mut pieces = Vec::new();
    for (weights, out) in weights.iter().zip(&mut outs) {
        pieces.extend(cut(&weights.weight, weights.bias.as_deref(), width, out));
    }
    pieces.par_iter_mut().for_each(|piece| piece.compute(x, width));
    outs
}

/// The feed-forward part up to its last projection: `activation(gate(x)) · up(x)`.
pub(super) fn gated(x: &[f32], layer: &LayerWeights, activation: Activation) -> Vec<f32> {
    let width = layer.gate.width;
    let n = x.len() / width;
    let inner = layer.gate.weight.len() / width;
    let mut out = vec![0.0; n * inner];
    let gates = cut(&layer.gate.weight, layer.gate.bias.as_deref(), width, &mut out);
    let up_biases = layer.up.bias.as_deref();
    let work = gates.into_par_iter().enumerate().zip(layer.up.weight.par_chunks(PIECE * width));
    work.for_each(|((number, mut gate), weight)| {
        gate.compute(x, width);
        let rows = weight.len() / width;
        let mut values = vec![0.0; n * rows];
        let bias = up_biases.map(|bias| &bias[number * PIECE..][..rows]);
        Piece { weight, bias, out: values.chunks_mut(rows).collect() }.compute(x, width);
        for (gate, up) in gate.out.iter_mut().zip(values.chunks(rows)) {
            multiply(gate, up, activation);
        }
    });
    out
}

/// `gate = activation(gate) · up`.
fn multiply(gate: &mut [f32], up: &[f32], activation: Activation) {
    vectorized(
        #[inline(always)]
        || {
            let pairs = gate.iter_mut().zip(up);
            match activation {
                Activation::Silu => pairs.for_each(|(gate, up)| *gate *= sigmoid(*gate) * up),
                Activation::GeluTanh => pairs.for_each(|(gate, up)| *gate = gelu(*gate) * up),
            }
        },
    );
}

/// `x/2 · (1 + tanh(√(2/π) · (x + 0.044715·x³)))`, in which `(1 + tanh(u)) / 2 = sigmoid(2u)`.
#[inline(always)]
fn gelu(x: f32) -> f32 {
    const TWICE_ROOT: f32 =
        2.0 * std::f32::consts::FRAC_2_SQRT_PI * std::f32::consts::FRAC_1_SQRT_2;
    x * sigmoid(TWICE_ROOT * (x + 0.044_715 * x * x * x))
}

/// Cuts the rows of the weights, and the columns of `out` that belong to them.
fn cut<'a>(
    weight: &'a [f32],
    bias: Option<&'a [f32]>,
    width: usize,
    out: &'a mut [f32],
) -> Vec<Piece<'a>> {
    let rows = weight.len() / width;
    let n = out.len() / rows;
    let mut biases = bias.into_iter().flat_map(|bias| bias.chunks(PIECE));
    let weights = weight.chunks(PIECE * width);
    let mut pieces: Vec<Piece<'a>> = weights
        .map(|weight| Piece { weight, bias: biases.next(), out: Vec::with_capacity(n) })
        .collect();
    for row in out.chunks_mut(rows) {
        for (piece, out) in pieces.iter_mut().zip(row.chunks_mut(PIECE)) {
            piece.out.push(out);
        }
    }
    pieces
}
