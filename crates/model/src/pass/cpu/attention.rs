//! The attention half of a block, with its norm and its residual: `y = x + attention(norm(x))`.
//!
//! Positions lie segment after segment without padding. Scores exist for one head and a few queries
//! at a time, and only against keys of the same segment: the cost is the sum of squared segment
//! lengths. The backward pass computes them again (Dao et al. 2022, arXiv:2205.14135).

use rayon::prelude::*;

use super::{
    CHUNK, bias,
    gradient::{Gradient, packed_inputs, packed_once, sum_chunks, weight_gradients},
    head_norm::{self, Unnormed},
    norm,
    segment::{self, Heads},
};
use crate::cpu::{
    buffer::Buffer,
    gemm::{Factors, Into, Packed, product},
    matrix::{Matrix, MatrixMut},
};

/// Weights as they lie in the tensors, `[out, in]`.
#[derive(Clone, Copy, Debug)]
pub(super) struct AttentionWeights<'a> {
    pub(super) norm: &'a [f32],
    pub(super) query: &'a [f32],
    pub(super) key: &'a [f32],
    pub(super) value: &'a [f32],
    pub(super) output: &'a [f32],
    /// Of queries, keys and values.
    pub(super) biases: Option<[&'a [f32]; 3]>,
    /// Over each head of queries, and of keys.
    pub(super) head_norms: Option<[&'a [f32]; 2]>,
}

/// What the operation needs to know besides tensors.
#[derive(Clone, Debug)]
pub(super) struct AttentionPlan {
    pub(super) epsilon: f32,
    pub(super) factors: Factors,
    pub(super) heads: Heads,
    /// Lengths of the segments, in order.
    pub(super) segments: Vec<usize>,
}

/// What the backward pass needs besides input and weights.
#[derive(Debug)]
pub(super) struct AttentionSaved {
    /// One over the root mean square of each row.
    scales: Buffer,
    /// `[n, heads.width()]`: turned queries and keys, and values.
    projected: Buffer,
    /// Queries and keys before their norm, where there is one.
    unnormed: Option<Unnormed>,
    /// `[n, heads.mixed()]`: the heads' outputs.
    mixed: Buffer,
    /// `[n, heads]`: logarithm of each softmax's denominator.
    log_sums: Buffer,
}

/// Where the gradients of the weights go.
#[derive(Debug)]
pub(super) struct AttentionTargets<'a> {
    pub(super) norm: &'a mut [f32],
    pub(super) query: &'a mut [f32],
    pub(super) key: &'a mut [f32],
    pub(super) value: &'a mut [f32],
    pub(super) output: &'a mut [f32],
    pub(super) biases: Option<[&'a mut [f32]; 3]>,
    pub(super) head_norms: Option<[&'a mut [f32]; 2]>,
}

impl AttentionWeights<'_> {
    /// The three input projections, `[out, hidden]`.
    fn projections(&self) -> [Matrix<'_>; 3] {
        let hidden = self.norm.len();
        [self.query, self.key, self.value]
            .map(|weight| Matrix::new(weight, weight.len() / hidden, hidden))
    }

    /// `[hidden, heads.mixed()]`.
    fn output(&self) -> Matrix<'_> {
        let hidden = self.norm.len();
        Matrix::new(self.output, hidden, self.output.len() / hidden)
    }
}

/// # Shapes
/// - x, output: `[n, hidden]`
pub(super) fn forward(
    x: &[f32],
    weights: &AttentionWeights<'_>,
    plan: &AttentionPlan,
) -> (Buffer, AttentionSaved) {
    let hidden = weights.norm.len();
    let n = x.len() / hidden;
    let (width, mixed_width) = (plan.heads.width(), plan.heads.mixed());
    let factors = plan.factors;
    let projections = Packed::side_by_side(factors, &weights.projections().map(Matrix::transposed));
    let output = Packed::side_by_side(factors, &[weights.output().transposed()]);

    let mut saved = AttentionSaved {
        scales: Buffer::stale(n),
        projected: Buffer::stale(n * width),
        unnormed: None,
        mixed: Buffer::stale(n * mixed_width),
        log_sums: Buffer::stale(n * plan.heads.n_heads),
    };
    let chunks = x
        .par_chunks(CHUNK * hidden)
        .zip(saved.scales.par_chunks_mut(CHUNK))
        .zip(saved.projected.par_chunks_mut(CHUNK * width));
    chunks.for_each(|((x, scales), projected)| {
        let rows = scales.len();
        let mut normed = Buffer::stale(x.len());
        norm::forward(x, weights.norm, plan.epsilon, scales, &mut normed);
        product(
            MatrixMut::new(projected, rows, width),
            Into::Scaled(1.0),
            Matrix::new(&normed, rows, hidden),
            &projections,
        );
    });

    if let Some(biases) = weights.biases {
        bias::forward(&mut saved.projected, biases);
    }
    saved.unnormed = weights
        .head_norms
        .map(|norms| head_norm::forward(&plan.heads, norms, plan.epsilon, &mut saved.projected));

    let projected = split(&mut saved.projected, &plan.segments, width);
    let mixed = split(&mut saved.mixed, &plan.segments, mixed_width);
    let log_sums = split(&mut saved.log_sums, &plan.segments, plan.heads.n_heads);
    projected.into_par_iter().zip(mixed).zip(log_sums).for_each(
        |((projected, mixed), log_sums)| {
            plan.heads.rotate(projected);
            segment::forward(&plan.heads, factors, projected, mixed, log_sums);
        },
    );

    let mut y = Buffer::copy_of(x);
    y.par_chunks_mut(CHUNK * hidden).zip(saved.mixed.par_chunks(CHUNK * mixed_width)).for_each(
        |(y, mixed)| {
            let rows = y.len() / hidden;
            product(
                MatrixMut::new(y, rows, hidden),
                Into::Sum(1.0),
                Matrix::new(mixed, rows, mixed_width),
                &output,
            );
        },
    );
    (y, saved)
}

/// Gives the gradient of the input.
///
/// # Shapes
/// - x, dy, output: `[n, hidden]`
pub(super) fn backward(
    x: &[f32],
    dy: &[f32],
    weights: &AttentionWeights<'_>,
    plan: &AttentionPlan,
    saved: &AttentionSaved,
    targets: AttentionTargets<'_>,
) -> Buffer {
    let hidden = weights.norm.len();
    let n = x.len() / hidden;
    let (width, mixed_width) = (plan.heads.width(), plan.heads.mixed());
    let factors = plan.factors;
    let output = Packed::side_by_side(factors, &[weights.output()]);

    let mut d_mixed = Buffer::stale(n * mixed_width);
    d_mixed.par_chunks_mut(CHUNK * mixed_width).zip(dy.par_chunks(CHUNK * hidden)).for_each(
        |(d_mixed, dy)| {
            let rows = dy.len() / hidden;
            product(
                MatrixMut::new(d_mixed, rows, mixed_width),
                Into::Scaled(1.0),
                Matrix::new(dy, rows, hidden),
                &output,
            );
        },
    );

    let mut d_projected = Buffer::stale(n * width);
    let starts = plan.segments.iter().scan(0, |end, len| Some(std::mem::replace(end, *end + len)));
    let parts = split(&mut d_projected, &plan.segments, width);
    let segments: Vec<_> = parts.into_iter().zip(starts).zip(&plan.segments).collect();
    segments.into_par_iter().for_each(|((d_projected, start), len)| {
        let of = |width: usize| start * width..(start + len) * width;
        let seen = segment::Seen {
            projected: &saved.projected[of(width)],
            mixed: &saved.mixed[of(mixed_width)],
            log_sums: &saved.log_sums[of(plan.heads.n_heads)],
            d_mixed: &d_mixed[of(mixed_width)],
        };
        segment::backward(&plan.heads, factors, &seen, d_projected);
        plan.heads.rotate_back(d_projected);
    });
    let head_norms = weights.head_norms.zip(saved.unnormed.as_ref()).zip(targets.head_norms);
    if let Some(((norms, unnormed), targets)) = head_norms {
        head_norm::backward(&plan.heads, norms, unnormed, &mut d_projected, targets);
    }
    if let Some(targets) = targets.biases {
        bias::backward(&d_projected, targets);
    }

    let projections = Packed::stacked(factors, &weights.projections());
    let mut normed = Buffer::stale(n * hidden);
    let mut norm_parts = Buffer::zeros(n.div_ceil(CHUNK) * hidden);
    let mut dx = Buffer::copy_of(dy);
    let inputs = x
        .par_chunks(CHUNK * hidden)
        .zip(saved.scales.par_chunks(CHUNK))
        .zip(d_projected.par_chunks(CHUNK * width));
    let outputs = dx
        .par_chunks_mut(CHUNK * hidden)
        .zip(normed.par_chunks_mut(CHUNK * hidden))
        .zip(norm_parts.par_chunks_mut(hidden));
    inputs.zip(outputs).for_each(|(((x, scales), d_projected), ((dx, normed), norm_part))| {
        let rows = scales.len();
        let mut d_normed = Buffer::stale(x.len());
        product(
            MatrixMut::new(&mut d_normed, rows, hidden),
            Into::Scaled(1.0),
            Matrix::new(d_projected, rows, width),
            &projections,
        );
        norm::again(x, weights.norm, scales, normed);
        norm::backward(x, weights.norm, scales, &d_normed, dx, norm_part);
    });

    let normed = packed_once(factors, normed, hidden);
    let mixed = packed_inputs(factors, &saved.mixed, mixed_width);
    let keys = plan.heads.n_kv_heads * plan.heads.head_dim;
    let query =
        Gradient { dy: &d_projected, dy_at: 0, dy_stride: width, x: &normed, width: hidden };
    let key = Gradient { dy_at: mixed_width, ..query };
    let value = Gradient { dy_at: mixed_width + keys, ..key };
    let output = Gradient { dy, dy_at: 0, dy_stride: hidden, x: &mixed, width: mixed_width };
    weight_gradients(
        n,
        [query, key, value, output],
        [targets.query, targets.key, targets.value, targets.output],
        Into::Scaled(1.0),
    );
    sum_chunks(&norm_parts, targets.norm);
    dx
}

/// Cuts `[n, width]` into the rows of each segment.
fn split<'a>(values: &'a mut [f32], segments: &[usize], width: usize) -> Vec<&'a mut [f32]> {
    let mut rest = values;
    let mut parts = Vec::with_capacity(segments.len());
    for len in segments {
        let (part, behind) = rest.split_at_mut(len * width);
        parts.push(part);
        rest = behind;
    }
    parts
}
