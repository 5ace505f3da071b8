//! The end of the decoder: final norm, output matrix and cross-entropy in one.
//!
//! Only supervised positions are computed, a group of them at a time. A group's logits turn into
//! their gradient where they lie and are gone before the next group's, so that a pass never holds
//! all logits, whatever the vocabulary.

use rayon::prelude::*;

use super::{
    CHUNK,
    gradient::{Gradient, packed_inputs, sum_chunks, weight_gradients},
    norm,
    pull::Pull,
};
use crate::cpu::{
    buffer::Buffer,
    gemm::{Factors, Into, Packed, product},
    matrix::{Matrix, MatrixMut, stride},
    vector::{exp_in_place, max, vectorized},
};

/// Weights as they lie in the tensors.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeadWeights<'a> {
    pub(super) norm: &'a [f32],
    /// `[vocab_size, hidden]`.
    pub(super) table: &'a [f32],
    pub(super) epsilon: f32,
    pub(super) factors: Factors,
    /// By which logits are divided.
    pub(super) temperature: f32,
}

/// The rows that carry loss.
#[derive(Clone, Copy, Debug)]
pub(super) struct Supervised<'a> {
    /// Their numbers.
    pub(super) rows: &'a [usize],
    /// The target of each of them.
    pub(super) targets: &'a [usize],
}

/// Where the gradients of the weights go.
#[derive(Debug)]
pub(super) struct HeadTargets<'a> {
    pub(super) norm: &'a mut [f32],
    /// None where nobody wants it.
    pub(super) table: Option<&'a mut [f32]>,
}

impl HeadWeights<'_> {
    pub(super) fn hidden(&self) -> usize {
        self.norm.len()
    }

    pub(super) fn vocab_size(&self) -> usize {
        self.table.len() / self.norm.len()
    }

    fn table(&self) -> Matrix<'_> {
        Matrix::new(self.table, self.vocab_size(), self.hidden())
    }
}

/// The head over a given input.
#[derive(Debug)]
pub(super) struct Head<'a> {
    x: &'a [f32],
    pub(super) weights: HeadWeights<'a>,
    supervised: Supervised<'a>,
    /// The table as `[hidden, vocab_size]`.
    table_in: Packed,
    /// Rows whose logits exist at the same time.
    group_rows: usize,
}

impl<'a> Head<'a> {
    /// At most `most_logits` logits exist at a time, but those of one chunk of rows always do.
    ///
    /// # Shapes
    /// - x: `[n, hidden]`
    pub(super) fn new(
        x: &'a [f32],
        weights: HeadWeights<'a>,
        supervised: Supervised<'a>,
        most_logits: usize,
    ) -> Self {
        let table_in = Packed::side_by_side(weights.factors, &[weights.table().transposed()]);
        let group_rows = (most_logits / weights.vocab_size() / CHUNK).max(1) * CHUNK;
        Self { x, weights, supervised, table_in, group_rows }
    }

    /// The loss of each supervised row.
    pub(super) fn losses(&self) -> Vec<f32> {
        let mut losses = vec![0.0; self.supervised.rows.len()];
        let groups = losses
            .chunks_mut(self.group_rows)
            .zip(self.supervised.rows.chunks(self.group_rows))
            .zip(self.supervised.targets.chunks(self.group_rows));
        for ((losses, rows), targets) in groups {
            let chunks = losses
                .par_chunks_mut(CHUNK)
                .zip(rows.par_chunks(CHUNK))
                .zip(targets.par_chunks(CHUNK));
            chunks.for_each(|((losses, rows), targets)| {
                let n = rows.len();
                let mut scales = Buffer::stale(n);
                let mut normed = Buffer::stale(n * self.weights.hidden());
                let mut logits = Buffer::stale(n * stride(self.weights.vocab_size()));
                self.logits(rows, &mut scales, &mut normed, &mut logits);
                self.exponentials(&mut logits, targets, losses);
            });
        }
        losses
    }

    /// The loss of each supervised row and its divergence, 0 where it does not count, and the gradient of the
    /// input; `d_losses` has the gradient with respect to each loss.
    ///
    /// # Shapes
    /// - third output: `[n, hidden]`
    pub(super) fn gradients(
        &self,
        d_losses: &[f32],
        pull: Option<&Pull<'_>>,
        mut targets: HeadTargets<'_>,
    ) -> (Vec<f32>, Vec<f32>, Buffer) {
        let hidden = self.weights.hidden();
        let n = self.supervised.rows.len();
        let table_out = Packed::side_by_side(self.weights.factors, &[self.weights.table()]);
        let (mut losses, mut divergences) = (vec![0.0; n], vec![0.0; n]);
        let mut dx = Buffer::stale(self.x.len());
        dx.fill(0.0);
        let mut norm_parts = Buffer::stale(n.div_ceil(CHUNK) * hidden);
        norm_parts.fill(0.0);
        let groups = losses
            .chunks_mut(self.group_rows)
            .zip(divergences.chunks_mut(self.group_rows))
            .zip(norm_parts.chunks_mut(self.group_rows / CHUNK * hidden))
            .zip(self.supervised.rows.chunks(self.group_rows))
            .zip(self.supervised.targets.chunks(self.group_rows))
            .zip(d_losses.chunks(self.group_rows));
        for (number, (((((losses, divergences), norm_parts), rows), wanted), d_losses)) in
            groups.enumerate()
        {
            let supervised = Supervised { rows, targets: wanted };
            let first = number * self.group_rows;
            let pull = pull.map(|pull| pull.of(first..first + rows.len()));
            let (table, norm) = (targets.table.as_deref_mut(), norm_parts);
            let targets = HeadTargets { norm, table };
            let into = if number == 0 { Into::Scaled(1.0) } else { Into::Sum };
            let found = (losses, divergences);
            let d_rows = self.group(supervised, (d_losses, pull), &table_out, found, targets, into);
            for (d_row, row) in d_rows.chunks_exact(hidden).zip(rows) {
                dx[row * hidden..][..hidden].copy_from_slice(d_row);
            }
        }
        sum_chunks(&norm_parts, targets.norm);
        (losses, divergences, dx)
    }

    /// One group: its losses, divergences and the gradient of its rows. The norm's target has a part for each
    /// chunk; what is in the table's is replaced or added to.
    fn group(
        &self,
        supervised: Supervised<'_>,
        (d_losses, pull): (&[f32], Option<Pull<'_>>),
        table_out: &Packed,
        (losses, divergences): (&mut [f32], &mut [f32]),
        targets: HeadTargets<'_>,
        into: Into,
    ) -> Buffer {
        let (hidden, vocab_size) = (self.weights.hidden(), self.weights.vocab_size());
        let n = losses.len();
        let stride = stride(vocab_size);
        let mut logits = Buffer::stale(n * stride);
        let mut normed = Buffer::stale(n * hidden);
        let mut dx = Buffer::stale(n * hidden);
        dx.fill(0.0);
        let inputs = supervised
            .rows
            .par_chunks(CHUNK)
            .zip(supervised.targets.par_chunks(CHUNK))
            .zip(d_losses.par_chunks(CHUNK));
        let outputs = losses
            .par_chunks_mut(CHUNK)
            .zip(divergences.par_chunks_mut(CHUNK))
            .zip(logits.par_chunks_mut(CHUNK * stride))
            .zip(normed.par_chunks_mut(CHUNK * hidden))
            .zip(dx.par_chunks_mut(CHUNK * hidden))
            .zip(targets.norm.par_chunks_mut(hidden));
        inputs.zip(outputs).enumerate().for_each(|(chunk, (inputs, outputs))| {
            let ((rows, targets), d_losses) = inputs;
            let ((((found, logits), normed), dx), norm_part) = outputs;
            let (losses, divergences) = found;
            let n = rows.len();
            let mut scales = Buffer::stale(n);
            let x = self.logits(rows, &mut scales, normed, logits);
            let at = chunk * CHUNK..chunk * CHUNK + n;
            let pulled = pull.as_ref().and_then(|pull| pull.of(at).meet(logits));
            let totals = self.exponentials(logits, targets, losses);
            let factors = pulled.as_ref().map_or_else(|| vec![0.0; n], |it| it.factors(n));
            let each = logits.chunks_exact_mut(stride).zip(targets).zip(d_losses);
            let each = each.zip(&factors).zip(totals.iter());
            vectorized(
                #[inline(always)]
                || {
                    for ((((logits, target), d_loss), factor), total) in each {
                        let scale = (d_loss + factor) / total;
                        let logits = &mut logits[..vocab_size];
                        logits.iter_mut().for_each(|logit| *logit *= scale);
                        logits[*target] -= d_loss;
                    }
                },
            );
            if let Some(pulled) = pulled {
                pulled.take(logits, &totals, divergences);
            }
            let mut d_normed = Buffer::stale(n * hidden);
            product(
                MatrixMut::new(&mut d_normed, n, hidden),
                Into::Scaled(1.0 / self.weights.temperature),
                Matrix::strided(logits, n, vocab_size, stride),
                table_out,
            );
            norm::backward(&x, self.weights.norm, &scales, &d_normed, dx, norm_part);
        });
        if let Some(table) = targets.table {
            let gradient = Gradient {
                dy: &logits,
                dy_at: 0,
                dy_stride: stride,
                x: &packed_inputs(self.weights.factors, &normed, hidden),
                width: hidden,
            };
            weight_gradients(n, [gradient], [table], into);
        }
        dx
    }

    /// Logits of the given rows, and the rows of the input that they come from. What the table is multiplied
    /// with, `normed`, is divided by the temperature.
    pub(super) fn logits(
        &self,
        rows: &[usize],
        scales: &mut [f32],
        normed: &mut [f32],
        logits: &mut [f32],
    ) -> Buffer {
        let (hidden, vocab_size) = (self.weights.hidden(), self.weights.vocab_size());
        let n = rows.len();
        let mut x = Buffer::stale(n * hidden);
        for (target, row) in x.chunks_exact_mut(hidden).zip(rows) {
            target.copy_from_slice(&self.x[row * hidden..][..hidden]);
        }
        norm::forward(&x, self.weights.norm, self.weights.epsilon, scales, normed);
        if self.weights.temperature != 1.0 {
            let factor = 1.0 / self.weights.temperature;
            normed.iter_mut().for_each(|value| *value *= factor);
        }
        product(
            MatrixMut::strided(logits, n, vocab_size, stride(vocab_size)),
            Into::Scaled(1.0),
            Matrix::new(normed, n, hidden),
            &self.table_in,
        );
        x
    }

    /// Writes the losses and turns each row of logits into `e^(logit − largest)`; gives their sums.
    fn exponentials(&self, logits: &mut [f32], targets: &[usize], losses: &mut [f32]) -> Buffer {
        let vocab_size = self.weights.vocab_size();
        let mut totals = Buffer::stale(targets.len());
        let rows = logits.chunks_exact_mut(stride(vocab_size)).zip(targets);
        vectorized(
            #[inline(always)]
            || {
                for (((logits, target), loss), total) in rows.zip(losses).zip(totals.iter_mut()) {
                    let logits = &mut logits[..vocab_size];
                    let wanted = logits[*target];
                    let largest = max(logits);
                    *total = exp_in_place(logits, largest);
                    *loss = largest + total.ln() - wanted;
                }
            },
        );
        totals
    }
}
