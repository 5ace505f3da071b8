//! Drawing logits towards those of a starting model, where they turn into their gradient.

use std::ops::Range;

use super::{head::Head, logits::Logits};
use crate::cpu::{
    buffer::Buffer,
    gemm::Packed,
    matrix::stride,
    vector::{dot, exp_in_place, max, vectorized},
};

/// The starting model's head, and which rows it counts for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pull<'a> {
    pub(super) head: &'a Head<'a>,
    /// Its table, whole: rows that count stand apart from each other, and each chunk has others.
    pub(super) table: &'a Packed,
    /// For each supervised row its row in that head's input, and how much its divergence counts.
    pub(super) counted: &'a [(usize, f32)],
}

/// The starting model's side of some rows.
#[derive(Debug)]
pub(super) struct Pulled {
    /// `e^(logit − largest)`, `[rows, stride]`.
    exponentials: Buffer,
    rows: Vec<PulledRow>,
    vocab_size: usize,
}

#[derive(Clone, Copy, Debug)]
struct PulledRow {
    /// Its number.
    at: usize,
    factor: f32,
    /// The sum of its exponentials.
    total: f32,
    /// The largest of the other model's logits.
    largest: f32,
    /// The divergence without the logarithm of the other model's sum of exponentials.
    partial: f32,
}

impl<'a> Pull<'a> {
    /// Of some of the rows.
    pub(super) fn of(&self, rows: Range<usize>) -> Self {
        Self { counted: &self.counted[rows], ..*self }
    }

    /// Computes the starting model's logits of the rows that count beside `logits`, those of the model that is
    /// trained, which are still as they were; `None` where no row counts.
    ///
    /// # Shapes
    /// - logits: `[rows, stride]`
    pub(super) fn meet(&self, logits: &[f32]) -> Option<Pulled> {
        let counts = self.counted.iter().enumerate().filter(|(_, (_, factor))| *factor > 0.0);
        let (at, rows): (Vec<usize>, Vec<usize>) = counts.map(|(at, (row, _))| (at, *row)).unzip();
        if at.is_empty() {
            return None;
        }
        let Head { x, weights, .. } = *self.head;
        let vocab_size = weights.vocab_size();
        let stride = stride(vocab_size);
        let mut exponentials = Logits::here(x, &rows, weights, self.table).values;
        let mut apart = Buffer::stale(vocab_size);
        let each = exponentials.chunks_exact_mut(stride).zip(at);
        let rows = each.map(|(starting, at)| {
            let (starting, now) =
                (&mut starting[..vocab_size], &logits[at * stride..][..vocab_size]);
            let apart = &mut *apart;
            vectorized(
                #[inline(always)]
                || {
                    for ((apart, starting), now) in apart.iter_mut().zip(&*starting).zip(now) {
                        *apart = starting - now;
                    }
                    let first = max(starting);
                    let total = exp_in_place(starting, first);
                    let mean = dot(starting, apart) / total;
                    PulledRow {
                        at,
                        factor: self.counted[at].1,
                        total,
                        largest: max(now),
                        partial: mean - (first + total.ln()),
                    }
                },
            )
        });
        let rows = rows.collect();
        Some(Pulled { exponentials, rows, vocab_size })
    }
}

impl Pulled {
    /// How much the divergence of each of `n` rows counts.
    pub(super) fn factors(&self, n: usize) -> Vec<f32> {
        let mut factors = vec![0.0; n];
        self.rows.iter().for_each(|row| factors[row.at] = row.factor);
        factors
    }

    /// Takes the starting model's probabilities, each times the factor of its row, out of the gradient; writes
    /// the divergences.
    ///
    /// # Shapes
    /// - gradient: `[rows, stride]`
    /// - totals: the sums of `e^(logit − largest)` of the model that is trained, `[rows]`
    pub(super) fn take(&self, gradient: &mut [f32], totals: &[f32], divergences: &mut [f32]) {
        let stride = stride(self.vocab_size);
        for (row, starting) in self.rows.iter().zip(self.exponentials.chunks_exact(stride)) {
            divergences[row.at] = row.partial + (row.largest + totals[row.at].ln());
            let scale = row.factor / row.total;
            let gradient = &mut gradient[row.at * stride..][..self.vocab_size];
            vectorized(
                #[inline(always)]
                || {
                    for (gradient, starting) in gradient.iter_mut().zip(starting) {
                        *gradient -= scale * starting;
                    }
                },
            );
        }
    }
}
