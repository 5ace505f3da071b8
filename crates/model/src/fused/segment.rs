//! Causal attention within one segment.

use super::{
    buffer::Buffer,
    matrix::{Matrix, MatrixMut, add_product, product},
    vector::{dot, exp, exp_in_place, max, vectorized},
};
use crate::rope::Rotation;

/// Queries whose scores exist at the same time.
const QUERIES: usize = 64;

/// How a projected row is cut into heads: queries, then keys, then values.
#[derive(Clone, Debug)]
pub(crate) struct Heads {
    pub(crate) n_heads: usize,
    pub(crate) n_kv_heads: usize,
    pub(crate) head_dim: usize,
    /// Angles for positions up to the longest segment.
    pub(crate) rotation: Rotation,
}

/// What the backward pass of a segment reads; all rows of the segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'a> {
    pub(crate) projected: &'a [f32],
    pub(crate) mixed: &'a [f32],
    pub(crate) log_sums: &'a [f32],
    pub(crate) d_mixed: &'a [f32],
}

impl Heads {
    /// Values in a projected row.
    pub(crate) fn width(&self) -> usize {
        (self.n_heads + 2 * self.n_kv_heads) * self.head_dim
    }

    /// Values in a row of the heads' outputs.
    pub(crate) fn mixed(&self) -> usize {
        self.n_heads * self.head_dim
    }

    /// Where the keys and the values that a query head uses begin in a row.
    fn key_value(&self, head: usize) -> (usize, usize) {
        let kv_head = head / (self.n_heads / self.n_kv_heads);
        let key = (self.n_heads + kv_head) * self.head_dim;
        (key, key + self.n_kv_heads * self.head_dim)
    }

    /// Turns queries and keys by their positions, which begin at 0.
    pub(crate) fn rotate(&self, projected: &mut [f32]) {
        self.turn(projected, 1.0);
    }

    /// The inverse of [`Heads::rotate`], which is also its transpose: what gradients need.
    pub(crate) fn rotate_back(&self, projected: &mut [f32]) {
        self.turn(projected, -1.0);
    }

    fn turn(&self, projected: &mut [f32], sign: f32) {
        let half = self.head_dim / 2;
        let turned = (self.n_heads + self.n_kv_heads) * self.head_dim;
        vectorized(
            #[inline(always)]
            || {
                let rows = projected.chunks_exact_mut(self.width());
                let tables =
                    self.rotation.cos.chunks_exact(half).zip(self.rotation.sin.chunks_exact(half));
                for (row, (cos, sin)) in rows.zip(tables) {
                    for head in row[..turned].chunks_exact_mut(self.head_dim) {
                        let (low, high) = head.split_at_mut(half);
                        for (((low, high), cos), sin) in low.iter_mut().zip(high).zip(cos).zip(sin)
                        {
                            let sin = sin * sign;
                            (*low, *high) = (*low * cos - *high * sin, *high * cos + *low * sin);
                        }
                    }
                }
            },
        );
    }
}

/// # Shapes
/// - projected: `[len, width]`, mixed: `[len, heads × head_dim]`, log_sums: `[len, heads]`
pub(crate) fn forward(heads: &Heads, projected: &[f32], mixed: &mut [f32], log_sums: &mut [f32]) {
    let (width, mixed_width, head_dim) = (heads.width(), heads.mixed(), heads.head_dim);
    let len = projected.len() / width;
    let scale = (head_dim as f32).powf(-0.5);
    let mut scores = Buffer::stale(QUERIES.min(len) * len);
    let mut inverses = [0.0; QUERIES];
    for head in 0..heads.n_heads {
        let (key, value) = heads.key_value(head);
        for first in (0..len).step_by(QUERIES) {
            let rows = QUERIES.min(len - first);
            let keys = first + rows;
            let scores = &mut scores[..rows * keys];
            let query = Matrix::strided(
                &projected[first * width + head * head_dim..],
                rows,
                head_dim,
                width,
            );
            let key = Matrix::strided(&projected[key..], keys, head_dim, width);
            let value = Matrix::strided(&projected[value..], keys, head_dim, width);
            product(MatrixMut::new(scores, rows, keys), scale, query, key.transposed());
            vectorized(
                #[inline(always)]
                || {
                    for (row, scores) in scores.chunks_exact_mut(keys).enumerate() {
                        let (seen, unseen) = scores.split_at_mut(first + row + 1);
                        let largest = max(seen);
                        let total = exp_in_place(seen, largest);
                        unseen.fill(0.0);
                        inverses[row] = 1.0 / total;
                        log_sums[(first + row) * heads.n_heads + head] = largest + total.ln();
                    }
                },
            );
            let mixed = &mut mixed[first * mixed_width + head * head_dim..];
            let target = MatrixMut::strided(mixed, rows, head_dim, mixed_width);
            product(target, 1.0, Matrix::new(scores, rows, keys), value);
            // A head's output is narrower than its scores: dividing here is less work.
            for (mixed, inverse) in mixed.chunks_mut(mixed_width).zip(&inverses[..rows]) {
                mixed[..head_dim].iter_mut().for_each(|x| *x *= inverse);
            }
        }
    }
}

/// Writes the gradients of the turned queries and keys, and of the values.
///
/// # Shapes
/// - d_projected: `[len, width]`
pub(crate) fn backward(heads: &Heads, seen: &Seen<'_>, d_projected: &mut [f32]) {
    let (width, mixed_width, head_dim) = (heads.width(), heads.mixed(), heads.head_dim);
    let len = seen.projected.len() / width;
    let scale = (head_dim as f32).powf(-0.5);
    let mut weights = Buffer::stale(QUERIES.min(len) * len);
    let mut d_scores = Buffer::stale(QUERIES.min(len) * len);
    // Keys and values collect from all queries and, in a group, from several heads, in order.
    d_projected.fill(0.0);
    for head in 0..heads.n_heads {
        let (key_at, value_at) = heads.key_value(head);
        for first in (0..len).step_by(QUERIES) {
            let rows = QUERIES.min(len - first);
            let keys = first + rows;
            let (weights, d_scores) = (&mut weights[..rows * keys], &mut d_scores[..rows * keys]);
            let mixed_at = first * mixed_width + head * head_dim;
            let query_at = first * width + head * head_dim;
            let query = Matrix::strided(&seen.projected[query_at..], rows, head_dim, width);
            let key = Matrix::strided(&seen.projected[key_at..], keys, head_dim, width);
            let value = Matrix::strided(&seen.projected[value_at..], keys, head_dim, width);
            let d_mixed = Matrix::strided(&seen.d_mixed[mixed_at..], rows, head_dim, mixed_width);
            product(MatrixMut::new(weights, rows, keys), scale, query, key.transposed());
            product(MatrixMut::new(d_scores, rows, keys), 1.0, d_mixed, value.transposed());
            vectorized(
                #[inline(always)]
                || {
                    for row in 0..rows {
                        let at = mixed_at + row * mixed_width;
                        let through =
                            dot(&seen.mixed[at..at + head_dim], &seen.d_mixed[at..at + head_dim]);
                        let log_sum = seen.log_sums[(first + row) * heads.n_heads + head];
                        let n_seen = first + row + 1;
                        let (weights, d_scores) = (
                            &mut weights[row * keys..][..keys],
                            &mut d_scores[row * keys..][..keys],
                        );
                        for (weight, d_score) in
                            weights[..n_seen].iter_mut().zip(&mut d_scores[..n_seen])
                        {
                            *weight = exp(*weight - log_sum);
                            *d_score = *weight * (*d_score - through) * scale;
                        }
                        weights[n_seen..].fill(0.0);
                        d_scores[n_seen..].fill(0.0);
                    }
                },
            );
            let (weights, d_scores) =
                (Matrix::new(weights, rows, keys), Matrix::new(d_scores, rows, keys));
            product(
                MatrixMut::strided(&mut d_projected[query_at..], rows, head_dim, width),
                1.0,
                d_scores,
                key,
            );
            add_product(
                MatrixMut::strided(&mut d_projected[key_at..], keys, head_dim, width),
                d_scores.transposed(),
                query,
            );
            add_product(
                MatrixMut::strided(&mut d_projected[value_at..], keys, head_dim, width),
                weights.transposed(),
                d_mixed,
            );
        }
    }
}
