//! The end of the decoder: final norm, output matrix and cross-entropy in one.
//!
//! Only supervised positions are computed. Their logits are kept for the backward pass; without
//! one, they exist for a chunk at a time.

use rayon::prelude::*;

use super::{
    CHUNK,
    buffer::Buffer,
    gradient::{Gradient, sum_chunks, weight_gradients},
    matrix::{Matrix, MatrixMut, product, transpose},
    norm,
    vector::{exp, exp_sum, max, vectorized},
};

/// Weights as they lie in the tensors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeadWeights<'a> {
    pub(crate) norm: &'a [f32],
    /// `[vocab_size, hidden]`.
    pub(crate) table: &'a [f32],
}

/// What the operation needs to know besides tensors.
#[derive(Clone, Debug)]
pub(crate) struct HeadPlan {
    pub(crate) epsilon: f32,
    /// The rows of the input that carry loss.
    pub(crate) supervised: Vec<usize>,
    /// The target of each of them.
    pub(crate) targets: Vec<usize>,
    /// Where the loss of each of them goes in the output.
    pub(crate) places: Vec<usize>,
    /// Shape of the output.
    pub(crate) output: [usize; 2],
}

/// What the backward pass needs besides input and weights.
#[derive(Debug)]
pub(crate) struct HeadSaved {
    /// One over the root mean square of each supervised row.
    scales: Buffer,
    /// `[supervised, vocab_size]`.
    logits: Buffer,
    /// Logarithm of each softmax's denominator.
    log_sums: Buffer,
}

/// Gradients of the input and the weights.
#[derive(Debug)]
pub(crate) struct HeadGradients {
    pub(crate) x: Vec<f32>,
    pub(crate) norm: Vec<f32>,
    pub(crate) table: Vec<f32>,
}

impl HeadWeights<'_> {
    fn hidden(&self) -> usize {
        self.norm.len()
    }

    fn vocab_size(&self) -> usize {
        self.table.len() / self.norm.len()
    }

    /// The table as `[hidden, vocab_size]`.
    fn table_in(&self) -> Buffer {
        let mut table = Buffer::stale(self.table.len());
        transpose(self.table, self.vocab_size(), self.hidden(), &mut table);
        table
    }
}

/// The losses alone.
pub(crate) fn losses(x: &[f32], weights: &HeadWeights<'_>, plan: &HeadPlan) -> Vec<f32> {
    let vocab_size = weights.vocab_size();
    let pass = ForwardPass { x, weights, table_in: weights.table_in(), epsilon: plan.epsilon };
    let mut losses = Buffer::stale(plan.targets.len());
    let chunks = losses
        .par_chunks_mut(CHUNK)
        .zip(plan.supervised.par_chunks(CHUNK))
        .zip(plan.targets.par_chunks(CHUNK));
    chunks.for_each(|((losses, supervised), targets)| {
        let mut scales = Buffer::stale(losses.len());
        let mut logits = Buffer::stale(losses.len() * vocab_size);
        pass.chunk(supervised, &mut scales, &mut logits, losses);
        subtract_wanted(losses, &logits, targets);
    });
    place(&losses, plan)
}

/// The losses, and what the backward pass needs.
///
/// # Shapes
/// - x: `[n, hidden]`
/// - output: `plan.output`
pub(crate) fn forward(
    x: &[f32],
    weights: &HeadWeights<'_>,
    plan: &HeadPlan,
) -> (Vec<f32>, HeadSaved) {
    let vocab_size = weights.vocab_size();
    let n = plan.targets.len();
    let pass = ForwardPass { x, weights, table_in: weights.table_in(), epsilon: plan.epsilon };
    let mut saved = HeadSaved {
        scales: Buffer::stale(n),
        logits: Buffer::stale(n * vocab_size),
        log_sums: Buffer::stale(n),
    };
    let chunks = plan
        .supervised
        .par_chunks(CHUNK)
        .zip(saved.scales.par_chunks_mut(CHUNK))
        .zip(saved.logits.par_chunks_mut(CHUNK * vocab_size))
        .zip(saved.log_sums.par_chunks_mut(CHUNK));
    chunks.for_each(|(((supervised, scales), logits), log_sums)| {
        pass.chunk(supervised, scales, logits, log_sums);
    });
    let mut losses = saved.log_sums.to_vec();
    subtract_wanted(&mut losses, &saved.logits, &plan.targets);
    (place(&losses, plan), saved)
}

/// What every chunk of a forward pass reads.
struct ForwardPass<'a> {
    x: &'a [f32],
    weights: &'a HeadWeights<'a>,
    table_in: Buffer,
    epsilon: f32,
}

impl ForwardPass<'_> {
    /// Logits of the given rows, and the logarithms of their softmax's denominators.
    fn chunk(
        &self,
        supervised: &[usize],
        scales: &mut [f32],
        logits: &mut [f32],
        log_sums: &mut [f32],
    ) {
        let (hidden, vocab_size) = (self.weights.hidden(), self.weights.vocab_size());
        let rows = supervised.len();
        let x = gather(self.x, supervised, hidden);
        let mut normed = Buffer::stale(rows * hidden);
        norm::forward(&x, self.weights.norm, self.epsilon, scales, &mut normed);
        product(
            MatrixMut::new(logits, rows, vocab_size),
            1.0,
            Matrix::new(&normed, rows, hidden),
            Matrix::new(&self.table_in, hidden, vocab_size),
        );
        vectorized(
            #[inline(always)]
            || {
                for (logits, log_sum) in logits.chunks_exact(vocab_size).zip(log_sums) {
                    let largest = max(logits);
                    *log_sum = largest + exp_sum(logits, largest).ln();
                }
            },
        );
    }
}

/// Turns the logarithms of denominators into losses.
fn subtract_wanted(log_sums: &mut [f32], logits: &[f32], targets: &[usize]) {
    let vocab_size = logits.len() / targets.len();
    for ((log_sum, logits), target) in
        log_sums.iter_mut().zip(logits.chunks_exact(vocab_size)).zip(targets)
    {
        *log_sum -= logits[*target];
    }
}

/// # Shapes
/// - x: `[n, hidden]`
/// - d_losses: `plan.output`
pub(crate) fn backward(
    x: &[f32],
    d_losses: &[f32],
    weights: &HeadWeights<'_>,
    plan: &HeadPlan,
    mut saved: HeadSaved,
) -> HeadGradients {
    let (hidden, vocab_size, n) = (weights.hidden(), weights.vocab_size(), plan.targets.len());
    let mut normed = Buffer::stale(n * hidden);
    let mut dx_rows = Buffer::stale(n * hidden);
    dx_rows.fill(0.0);
    let mut norm_parts = Buffer::stale(n.div_ceil(CHUNK) * hidden);
    norm_parts.fill(0.0);
    let inputs = plan
        .supervised
        .par_chunks(CHUNK)
        .zip(plan.targets.par_chunks(CHUNK))
        .zip(plan.places.par_chunks(CHUNK))
        .zip(saved.scales.par_chunks(CHUNK))
        .zip(saved.log_sums.par_chunks(CHUNK));
    let outputs =
        saved.logits.par_chunks_mut(CHUNK * vocab_size).zip(normed.par_chunks_mut(CHUNK * hidden));
    let outputs =
        outputs.zip(dx_rows.par_chunks_mut(CHUNK * hidden)).zip(norm_parts.par_chunks_mut(hidden));
    inputs.zip(outputs).for_each(
        |(
            ((((supervised, targets), places), scales), log_sums),
            (((logits, normed), dx), norm_part),
        )| {
            let rows = targets.len();
            let each = targets.iter().zip(places).zip(log_sums);
            vectorized(
                #[inline(always)]
                || {
                    for (logits, ((target, place), log_sum)) in
                        logits.chunks_exact_mut(vocab_size).zip(each)
                    {
                        let d_loss = d_losses[*place];
                        for logit in logits.iter_mut() {
                            *logit = exp(*logit - log_sum) * d_loss;
                        }
                        logits[*target] -= d_loss;
                    }
                },
            );
            let x = gather(x, supervised, hidden);
            let mut d_normed = Buffer::stale(rows * hidden);
            product(
                MatrixMut::new(&mut d_normed, rows, hidden),
                1.0,
                Matrix::new(logits, rows, vocab_size),
                Matrix::new(weights.table, vocab_size, hidden),
            );
            norm::again(&x, weights.norm, scales, normed);
            norm::backward(&x, weights.norm, scales, &d_normed, dx, norm_part);
        },
    );
    let table = Gradient {
        dy: &saved.logits,
        dy_at: 0,
        dy_stride: vocab_size,
        out: vocab_size,
        x: &normed,
        width: hidden,
    };
    let [table] = weight_gradients(n, [table]);
    let mut dx = vec![0.0; x.len()];
    for (row, at) in dx_rows.chunks_exact(hidden).zip(&plan.supervised) {
        dx[at * hidden..][..hidden].copy_from_slice(row);
    }
    HeadGradients { x: dx, norm: sum_chunks(&norm_parts, hidden), table }
}

/// The given rows, one behind the other.
fn gather(x: &[f32], rows: &[usize], width: usize) -> Buffer {
    let mut gathered = Buffer::stale(rows.len() * width);
    for (target, row) in gathered.chunks_exact_mut(width).zip(rows) {
        target.copy_from_slice(&x[row * width..][..width]);
    }
    gathered
}

/// Losses at their places, 0 elsewhere.
fn place(losses: &[f32], plan: &HeadPlan) -> Vec<f32> {
    let mut placed = vec![0.0; plan.output[0] * plan.output[1]];
    for (loss, place) in losses.iter().zip(&plan.places) {
        placed[*place] = *loss;
    }
    placed
}
