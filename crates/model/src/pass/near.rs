//! Holding what a model says near what another one said.
//!
//! Of a position with next-token distributions p₀ (of the starting model) and p the forward divergence
//! KL(p₀ ‖ p) = Σ p₀ (log p₀ − log p), over the whole vocabulary. With logits z it is
//! Σ p₀ (z₀ − z) − log Z₀ + log Z, and its gradient with respect to z is p − p₀: the head adds both where the
//! logits of a group of positions exist already.

use crate::{Decoder, PackedRows};

/// A starting model, and how much the divergence from it counts at each position.
#[derive(Clone, Copy, Debug)]
pub struct Near<'a> {
    /// Of the same shape, on the same device.
    pub starting: &'a Decoder,
    /// `[n_rows × length]`, 0 or more; where no loss is carried it does not count.
    pub factors: &'a [f32],
}

impl Near<'_> {
    /// The rows of which a position counts, which are all that the starting model has to read, and their
    /// numbers.
    pub(crate) fn rows(&self, rows: &PackedRows) -> (PackedRows, Vec<usize>) {
        let length = rows.length;
        let counts = |row: &usize| {
            let at = row * length..(row + 1) * length;
            let mut pairs = self.factors[at.clone()].iter().zip(&rows.loss_mask[at]);
            pairs.any(|(factor, carries)| *factor > 0.0 && *carries)
        };
        let numbers: Vec<usize> = (0..rows.n_rows).filter(counts).collect();
        let ids = |all: &[u32]| -> Vec<u32> {
            numbers.iter().flat_map(|row| &all[row * length..][..length]).copied().collect()
        };
        let carries = numbers.iter().flat_map(|row| &rows.loss_mask[row * length..][..length]);
        let chosen = PackedRows {
            n_rows: numbers.len(),
            length,
            inputs: ids(&rows.inputs),
            targets: ids(&rows.targets),
            loss_mask: carries.copied().collect(),
            segments: numbers.iter().map(|row| rows.segments[*row].clone()).collect(),
        };
        (chosen, numbers)
    }
}
