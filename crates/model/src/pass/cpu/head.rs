//! The end of the decoder: final norm, output matrix and cross-entropy in one.
//!
//! Only supervised positions are computed, a group of them at a time. A group's logits turn into
//! their gradient where they lie and are gone before the next group's, so that a pass never holds
//! all logits, whatever the vocabulary.

use rayon::prelude::*;

use super::{
    CHUNK,
    gradient::sum_chunks,
    logits::{HeadWeights, Logits},
    pull::Pull,
};
use crate::cpu::{
    buffer::Buffer,
    gemm::Into,
    matrix::stride,
    vector::{exp_in_place, max, vectorized},
};

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

/// The head over a given input.
#[derive(Debug)]
pub(super) struct Head<'a> {
    pub(super) x: &'a [f32],
    pub(super) weights: HeadWeights<'a>,
    supervised: Supervised<'a>,
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
        let group_rows = (most_logits / weights.vocab_size() / CHUNK).max(1) * CHUNK;
        Self { x, weights, supervised, group_rows }
    }

    /// The loss of each supervised row.
    pub(super) fn losses(&self) -> Vec<f32> {
        let mut losses = vec![0.0; self.supervised.rows.len()];
        let groups = losses
            .chunks_mut(self.group_rows)
            .zip(self.supervised.rows.chunks(self.group_rows))
            .zip(self.supervised.targets.chunks(self.group_rows));
        for ((losses, rows), targets) in groups {
            let mut logits = Logits::new(self.x, rows, self.weights);
            let chunks = logits.values.par_chunks_mut(CHUNK * stride(self.weights.vocab_size()));
            chunks.zip(losses.par_chunks_mut(CHUNK)).zip(targets.par_chunks(CHUNK)).for_each(
                |((logits, losses), targets)| {
                    self.exponentials(logits, targets, losses);
                },
            );
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
        let (mut losses, mut divergences) = (vec![0.0; n], vec![0.0; n]);
        let mut dx = Buffer::zeros(self.x.len());
        let mut norm_parts = Buffer::zeros(n.div_ceil(CHUNK) * hidden);
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
            let first = number * self.group_rows;
            let pull = pull.map(|pull| pull.of(first..first + rows.len()));
            let mut logits = Logits::new(self.x, rows, self.weights);
            self.turn(&mut logits.values, wanted, (d_losses, pull), (losses, divergences));
            let into = if number == 0 { Into::Scaled(1.0) } else { Into::Sum(1.0) };
            let table = targets.table.as_deref_mut().map(|table| (table, into));
            let d_rows = logits.backward(norm_parts, table);
            for (d_row, row) in d_rows.chunks_exact(hidden).zip(rows) {
                dx[row * hidden..][..hidden].copy_from_slice(d_row);
            }
        }
        sum_chunks(&norm_parts, targets.norm);
        (losses, divergences, dx)
    }

    /// Turns the logits of a group into their gradient, and writes its losses and divergences.
    fn turn(
        &self,
        logits: &mut [f32],
        targets: &[usize],
        (d_losses, pull): (&[f32], Option<Pull<'_>>),
        (losses, divergences): (&mut [f32], &mut [f32]),
    ) {
        let vocab_size = self.weights.vocab_size();
        let stride = stride(vocab_size);
        let inputs = targets.par_chunks(CHUNK).zip(d_losses.par_chunks(CHUNK));
        let outputs = losses
            .par_chunks_mut(CHUNK)
            .zip(divergences.par_chunks_mut(CHUNK))
            .zip(logits.par_chunks_mut(CHUNK * stride));
        inputs.zip(outputs).enumerate().for_each(|(chunk, (inputs, outputs))| {
            let (targets, d_losses) = inputs;
            let ((losses, divergences), logits) = outputs;
            let n = targets.len();
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
        });
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
