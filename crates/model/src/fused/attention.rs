//! The attention half of a block, with its norm and its residual: `y = x + attention(norm(x))`.
//!
//! Positions lie segment after segment without padding. Scores exist for one head and a few queries
//! at a time, and only against keys of the same segment: the cost is the sum of squared segment
//! lengths. The backward pass computes them again (Dao et al. 2022, arXiv:2205.14135).

use rayon::prelude::*;

use super::{
    CHUNK,
    buffer::Buffer,
    gradient::{Gradient, sum_chunks, weight_gradients},
    matrix::{Matrix, MatrixMut, add_product, product, transpose},
    norm,
    segment::{self, Heads},
};

/// Weights as they lie in the tensors, `[out, in]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AttentionWeights<'a> {
    pub(crate) norm: &'a [f32],
    pub(crate) query: &'a [f32],
    pub(crate) key: &'a [f32],
    pub(crate) value: &'a [f32],
    pub(crate) output: &'a [f32],
}

/// What the operation needs to know besides tensors.
#[derive(Clone, Debug)]
pub(crate) struct AttentionPlan {
    pub(crate) epsilon: f32,
    pub(crate) heads: Heads,
    /// Lengths of the segments, in order.
    pub(crate) segments: Vec<usize>,
}

/// What the backward pass needs besides input and weights.
#[derive(Debug)]
pub(crate) struct AttentionSaved {
    /// One over the root mean square of each row.
    scales: Buffer,
    /// `[n, heads.width()]`: turned queries and keys, and values.
    projected: Buffer,
    /// `[n, heads.mixed()]`: the heads' outputs.
    mixed: Buffer,
    /// `[n, heads]`: logarithm of each softmax's denominator.
    log_sums: Buffer,
}

/// Gradients of the input and the weights.
#[derive(Debug)]
pub(crate) struct AttentionGradients {
    pub(crate) x: Vec<f32>,
    pub(crate) norm: Vec<f32>,
    pub(crate) query: Vec<f32>,
    pub(crate) key: Vec<f32>,
    pub(crate) value: Vec<f32>,
    pub(crate) output: Vec<f32>,
}

impl AttentionWeights<'_> {
    /// The three input projections in one matrix, `[heads.width(), hidden]`.
    fn projections(&self) -> Buffer {
        let mut stacked = Buffer::stale(self.query.len() + self.key.len() + self.value.len());
        let (query, rest) = stacked.split_at_mut(self.query.len());
        let (key, value) = rest.split_at_mut(self.key.len());
        query.copy_from_slice(self.query);
        key.copy_from_slice(self.key);
        value.copy_from_slice(self.value);
        stacked
    }
}

/// # Shapes
/// - x, output: `[n, hidden]`
pub(crate) fn forward(
    x: &[f32],
    weights: &AttentionWeights<'_>,
    plan: &AttentionPlan,
) -> (Vec<f32>, AttentionSaved) {
    let hidden = weights.norm.len();
    let n = x.len() / hidden;
    let (width, mixed_width) = (plan.heads.width(), plan.heads.mixed());
    let mut projections_in = Buffer::stale(width * hidden);
    transpose(&weights.projections(), width, hidden, &mut projections_in);
    let mut output_in = Buffer::stale(weights.output.len());
    transpose(weights.output, hidden, mixed_width, &mut output_in);

    let mut saved = AttentionSaved {
        scales: Buffer::stale(n),
        projected: Buffer::stale(n * width),
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
            1.0,
            Matrix::new(&normed, rows, hidden),
            Matrix::new(&projections_in, hidden, width),
        );
    });

    let projected = split(&mut saved.projected, &plan.segments, width);
    let mixed = split(&mut saved.mixed, &plan.segments, mixed_width);
    let log_sums = split(&mut saved.log_sums, &plan.segments, plan.heads.n_heads);
    projected.into_par_iter().zip(mixed).zip(log_sums).for_each(
        |((projected, mixed), log_sums)| {
            plan.heads.rotate(projected);
            segment::forward(&plan.heads, projected, mixed, log_sums);
        },
    );

    let mut y = x.to_vec();
    y.par_chunks_mut(CHUNK * hidden).zip(saved.mixed.par_chunks(CHUNK * mixed_width)).for_each(
        |(y, mixed)| {
            let rows = y.len() / hidden;
            add_product(
                MatrixMut::new(y, rows, hidden),
                Matrix::new(mixed, rows, mixed_width),
                Matrix::new(&output_in, mixed_width, hidden),
            );
        },
    );
    (y, saved)
}

/// # Shapes
/// - x, dy: `[n, hidden]`
pub(crate) fn backward(
    x: &[f32],
    dy: &[f32],
    weights: &AttentionWeights<'_>,
    plan: &AttentionPlan,
    saved: AttentionSaved,
) -> AttentionGradients {
    let hidden = weights.norm.len();
    let n = x.len() / hidden;
    let (width, mixed_width) = (plan.heads.width(), plan.heads.mixed());

    let mut d_mixed = Buffer::stale(n * mixed_width);
    d_mixed.par_chunks_mut(CHUNK * mixed_width).zip(dy.par_chunks(CHUNK * hidden)).for_each(
        |(d_mixed, dy)| {
            let rows = dy.len() / hidden;
            product(
                MatrixMut::new(d_mixed, rows, mixed_width),
                1.0,
                Matrix::new(dy, rows, hidden),
                Matrix::new(weights.output, hidden, mixed_width),
            );
        },
    );

    let mut d_projected = Buffer::stale(n * width);
    let starts = plan.segments.iter().scan(0, |end, len| Some(std::mem::replace(end, *end + len)));
    let targets = split(&mut d_projected, &plan.segments, width);
    let segments: Vec<_> = targets.into_iter().zip(starts).zip(&plan.segments).collect();
    segments.into_par_iter().for_each(|((d_projected, start), len)| {
        let of = |width: usize| start * width..(start + len) * width;
        let seen = segment::Seen {
            projected: &saved.projected[of(width)],
            mixed: &saved.mixed[of(mixed_width)],
            log_sums: &saved.log_sums[of(plan.heads.n_heads)],
            d_mixed: &d_mixed[of(mixed_width)],
        };
        segment::backward(&plan.heads, &seen, d_projected);
        plan.heads.rotate_back(d_projected);
    });

    let projections = weights.projections();
    let mut normed = Buffer::stale(n * hidden);
    let mut norm_parts = Buffer::stale(n.div_ceil(CHUNK) * hidden);
    norm_parts.fill(0.0);
    let mut dx = dy.to_vec();
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
            1.0,
            Matrix::new(d_projected, rows, width),
            Matrix::new(&projections, width, hidden),
        );
        norm::again(x, weights.norm, scales, normed);
        norm::backward(x, weights.norm, scales, &d_normed, dx, norm_part);
    });

    let keys = plan.heads.n_kv_heads * plan.heads.head_dim;
    let query = Gradient {
        dy: &d_projected,
        dy_at: 0,
        dy_stride: width,
        out: mixed_width,
        x: &normed,
        width: hidden,
    };
    let key = Gradient { dy_at: mixed_width, out: keys, ..query };
    let value = Gradient { dy_at: mixed_width + keys, ..key };
    let output = Gradient {
        dy,
        dy_at: 0,
        dy_stride: hidden,
        out: hidden,
        x: &saved.mixed,
        width: mixed_width,
    };
    let [query, key, value, output] = weight_gradients(n, [query, key, value, output]);
    AttentionGradients { x: dx, norm: sum_chunks(&norm_parts, hidden), query, key, value, output }
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
