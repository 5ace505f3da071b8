//! Logits of a group of rows, and the way back from their gradient to the rows.

use rayon::prelude::*;

use super::{
    CHUNK,
    gradient::{Gradient, packed_inputs, weight_gradients},
    norm,
};
use crate::cpu::{
    buffer::Buffer,
    gemm::{Factors, Into, Packed, pieces_of_columns, pieces_of_depth, product},
    matrix::{Matrix, MatrixMut, stride},
};

/// Values of the output matrix that are packed at a time (8 MB): enough that the rows, which are packed for each
/// of these pieces, cost little beside the product.
pub(crate) const TABLE_PIECE: usize = 1 << 21;

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

    /// The whole table as `[hidden, vocab_size]`.
    pub(super) fn packed(&self) -> Packed {
        Packed::side_by_side(self.factors, &[self.table().transposed()])
    }
}

/// Rows before the final norm, and what comes after it.
#[derive(Debug)]
pub(super) struct Logits<'a> {
    weights: HeadWeights<'a>,
    /// `[n, hidden]`.
    x: Buffer,
    /// One over the root mean square of each row.
    scales: Buffer,
    /// What the table is multiplied with, divided by the temperature, `[n, hidden]`.
    normed: Buffer,
    /// `[n, vocab_size]`, rows a [`stride`] apart.
    pub(super) values: Buffer,
}

impl<'a> Logits<'a> {
    /// Of some rows of `x`, on all threads.
    pub(super) fn new(x: &[f32], rows: &[usize], weights: HeadWeights<'a>) -> Self {
        let mut logits = Self::room(rows.len(), weights);
        let hidden = weights.hidden();
        logits
            .x
            .par_chunks_mut(CHUNK * hidden)
            .zip(logits.normed.par_chunks_mut(CHUNK * hidden))
            .zip(logits.scales.par_chunks_mut(CHUNK))
            .zip(rows.par_chunks(CHUNK))
            .for_each(|(((own, normed), scales), rows)| {
                norm_rows(x, rows, &weights, own, scales, normed);
            });
        let stride = stride(weights.vocab_size());
        for (columns, piece) in
            pieces_of_columns(weights.factors, weights.table().transposed(), TABLE_PIECE)
        {
            let chunks = logits.values.par_chunks_mut(CHUNK * stride);
            chunks.zip(logits.normed.par_chunks(CHUNK * hidden)).for_each(|(values, normed)| {
                let n = normed.len() / hidden;
                product(
                    MatrixMut::strided(&mut values[columns.start..], n, columns.len(), stride),
                    Into::Scaled(1.0),
                    Matrix::new(normed, n, hidden),
                    &piece,
                );
            });
        }
        logits
    }

    /// The same on this thread, with the whole table packed.
    pub(super) fn here(
        x: &[f32],
        rows: &[usize],
        weights: HeadWeights<'a>,
        table: &Packed,
    ) -> Self {
        let mut logits = Self::room(rows.len(), weights);
        norm_rows(x, rows, &weights, &mut logits.x, &mut logits.scales, &mut logits.normed);
        let (n, vocab_size) = (rows.len(), weights.vocab_size());
        product(
            MatrixMut::strided(&mut logits.values, n, vocab_size, stride(vocab_size)),
            Into::Scaled(1.0),
            Matrix::new(&logits.normed, n, weights.hidden()),
            table,
        );
        logits
    }

    /// Of values that have become their gradient that of the rows, `[n, hidden]`. The norm's target has a part
    /// for each chunk; what is in the table's is replaced or added to.
    pub(super) fn backward(
        &self,
        norm_parts: &mut [f32],
        table: Option<(&mut [f32], Into)>,
    ) -> Buffer {
        let weights = &self.weights;
        let (hidden, stride) = (weights.hidden(), stride(weights.vocab_size()));
        let mut d_normed = Buffer::stale(self.x.len());
        let scale = 1.0 / weights.temperature;
        for (range, piece) in pieces_of_depth(weights.factors, weights.table(), TABLE_PIECE) {
            let into = if range.start == 0 { Into::Scaled(scale) } else { Into::Sum(scale) };
            let chunks = d_normed.par_chunks_mut(CHUNK * hidden);
            chunks.zip(self.values.par_chunks(CHUNK * stride)).for_each(|(d_normed, values)| {
                let n = d_normed.len() / hidden;
                product(
                    MatrixMut::new(d_normed, n, hidden),
                    into,
                    Matrix::strided(&values[range.start..], n, range.len(), stride),
                    &piece,
                );
            });
        }
        let mut dx = Buffer::zeros(self.x.len());
        dx.par_chunks_mut(CHUNK * hidden)
            .zip(self.x.par_chunks(CHUNK * hidden))
            .zip(self.scales.par_chunks(CHUNK))
            .zip(d_normed.par_chunks(CHUNK * hidden))
            .zip(norm_parts.par_chunks_mut(hidden))
            .for_each(|((((dx, x), scales), d_normed), norm_part)| {
                norm::backward(x, weights.norm, scales, d_normed, dx, norm_part);
            });
        if let Some((table, into)) = table {
            let gradient = Gradient {
                dy: &self.values,
                dy_at: 0,
                dy_stride: stride,
                x: &packed_inputs(weights.factors, &self.normed, hidden),
                width: hidden,
            };
            weight_gradients(self.scales.len(), [gradient], [table], into);
        }
        dx
    }

    fn room(n: usize, weights: HeadWeights<'a>) -> Self {
        let hidden = weights.hidden();
        Self {
            weights,
            x: Buffer::stale(n * hidden),
            scales: Buffer::stale(n),
            normed: Buffer::stale(n * hidden),
            values: Buffer::stale(n * stride(weights.vocab_size())),
        }
    }
}

/// Gathers rows of `x` and brings them to what the table is multiplied with.
fn norm_rows(
    x: &[f32],
    rows: &[usize],
    weights: &HeadWeights<'_>,
    own: &mut [f32],
    scales: &mut [f32],
    normed: &mut [f32],
) {
    let hidden = weights.hidden();
    for (target, row) in own.chunks_exact_mut(hidden).zip(rows) {
        target.copy_from_slice(&x[row * hidden..][..hidden]);
    }
    norm::forward(own, weights.norm, weights.epsilon, scales, normed);
    if weights.temperature != 1.0 {
        let factor = 1.0 / weights.temperature;
        normed.iter_mut().for_each(|value| *value *= factor);
    }
}
