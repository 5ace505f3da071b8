//! The end of the decoder: final norm, output matrix and cross-entropy in one.
//!
//! Only supervised positions are computed. Their logits exist once, as probabilities, for the
//! backward pass; without one, only for a chunk at a time.

use rayon::prelude::*;

use super::{
    CHUNK,
    buffer::Buffer,
    gradient::{Gradient, sum_chunks, weight_gradients},
    matrix::{Matrix, MatrixMut, product, transpose},
    norm,
    vector::{exp, max, sum, vectorized},
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
    probabilities: Buffer,
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
    let table_in = weights.table_in();
    let mut losses = Buffer::stale(plan.targets.len());
    let chunks = losses
        .par_chunks_mut(CHUNK)
        .zip(plan.supervised.par_chunks(CHUNK))
        .zip(plan.targets.par_chunks(CHUNK));
    chunks.for_each(|((losses, supervised), targets)| {
        let mut scales = Buffer::stale(losses.len());
        let mut probabilities = Buffer::stale(losses.len() * weights.vocab_size());
        chunk_forward(
            x,
            weights,
            plan.epsilon,
            &table_in,
            supervised,
            targets,
            losses,
            &mut scales,
            &mut probabilities,
        );
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
    let table_in = weights.table_in();
    let n = plan.targets.len();
    let mut losses = Buffer::stale(n);
    let mut saved =
        HeadSaved { scales: Buffer::stale(n), probabilities: Buffer::stale(n * vocab_size) };
    let chunks = losses
        .par_chunks_mut(CHUNK)
        .zip(plan.supervised.par_chunks(CHUNK))
        .zip(plan.targets.par_chunks(CHUNK));
    let chunks = chunks
        .zip(saved.scales.par_chunks_mut(CHUNK))
        .zip(saved.probabilities.par_chunks_mut(CHUNK * vocab_size));
    chunks.for_each(|((((losses, supervised), targets), scales), probabilities)| {
        chunk_forward(
            x,
            weights,
            plan.epsilon,
            &table_in,
            supervised,
            targets,
            losses,
            scales,
            probabilities,
        );
    });
    (place(&losses, plan), saved)
}

#[allow(
    clippy::too_many_arguments,
    reason = "one chunk of seven slices; a struct of them would be made twice and read once"
)]
fn chunk_forward(
    x: &[f32],
    weights: &HeadWeights<'_>,
    epsilon: f32,
    table_in: &[f32],
    supervised: &[usize],
    targets: &[usize],
    losses: &mut [f32],
    scales: &mut [f32],
    probabilities: &mut [f32],
) {
    let (hidden, vocab_size, rows) = (weights.hidden(), weights.vocab_size(), targets.len());
    let x = gather(x, supervised, hidden);
    let mut normed = Buffer::stale(rows * hidden);
    norm::forward(&x, weights.norm, epsilon, scales, &mut normed);
    product(
        MatrixMut::new(probabilities, rows, vocab_size),
        1.0,
        Matrix::new(&normed, rows, hidden),
        Matrix::new(table_in, hidden, vocab_size),
    );
    vectorized(
        #[inline(always)]
        || {
            for ((logits, target), loss) in
                probabilities.chunks_exact_mut(vocab_size).zip(targets).zip(losses)
            {
                let largest = max(logits);
                let wanted = logits[*target];
                for logit in logits.iter_mut() {
                    *logit = exp(*logit - largest);
                }
                let total = sum(logits);
                *loss = largest + total.ln() - wanted;
                let inverse = 1.0 / total;
                for logit in logits.iter_mut() {
                    *logit *= inverse;
                }
            }
        },
    );
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
        .zip(saved.scales.par_chunks(CHUNK));
    let outputs = saved
        .probabilities
        .par_chunks_mut(CHUNK * vocab_size)
        .zip(normed.par_chunks_mut(CHUNK * hidden));
    let outputs =
        outputs.zip(dx_rows.par_chunks_mut(CHUNK * hidden)).zip(norm_parts.par_chunks_mut(hidden));
    inputs.zip(outputs).for_each(
        |((((supervised, targets), places), scales), (((d_logits, normed), dx), norm_part))| {
            let rows = targets.len();
            vectorized(
                #[inline(always)]
                || {
                    for ((logits, target), place) in
                        d_logits.chunks_exact_mut(vocab_size).zip(targets).zip(places)
                    {
                        let d_loss = d_losses[*place];
                        for logit in logits.iter_mut() {
                            *logit *= d_loss;
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
                Matrix::new(d_logits, rows, vocab_size),
                Matrix::new(weights.table, vocab_size, hidden),
            );
            norm::again(&x, weights.norm, scales, normed);
            norm::backward(&x, weights.norm, scales, &d_normed, dx, norm_part);
        },
    );
    let table = Gradient {
        dy: &saved.probabilities,
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
