//! Causal attention within one segment.

use crate::{
    cpu::{
        buffer::Buffer,
        gemm::{Factors, Into, Packed, product, product_once},
        matrix::{Matrix, MatrixMut},
        vector::{dot, exp, exp_in_place, max, vectorized},
    },
    rope::Rotation,
};

/// Queries whose scores exist at the same time.
const QUERIES: usize = 64;

/// How a projected row is cut into heads: queries, then keys, then values.
#[derive(Clone, Debug)]
pub(super) struct Heads {
    pub(super) n_heads: usize,
    pub(super) n_kv_heads: usize,
    pub(super) head_dim: usize,
    /// Angles for positions up to the longest segment.
    pub(super) rotation: Rotation,
}

/// What the backward pass of a segment reads; all rows of the segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen<'a> {
    pub(super) projected: &'a [f32],
    pub(super) mixed: &'a [f32],
    pub(super) log_sums: &'a [f32],
    pub(super) d_mixed: &'a [f32],
}

impl Heads {
    /// Values in a projected row.
    pub(super) fn width(&self) -> usize {
        (self.n_heads + 2 * self.n_kv_heads) * self.head_dim
    }

    /// Values of queries and keys in a projected row, which are turned by their position.
    pub(super) fn turned(&self) -> usize {
        (self.n_heads + self.n_kv_heads) * self.head_dim
    }

    /// Values in a row of the heads' outputs.
    pub(super) fn mixed(&self) -> usize {
        self.n_heads * self.head_dim
    }

    /// Where the keys and the values that a query head uses begin in a row.
    fn key_value(&self, head: usize) -> (usize, usize) {
        let kv_head = head / (self.n_heads / self.n_kv_heads);
        let key = (self.n_heads + kv_head) * self.head_dim;
        (key, key + self.n_kv_heads * self.head_dim)
    }

    /// Whether a query head is the first one that uses its key head.
    fn begins_group(&self, head: usize) -> bool {
        head.is_multiple_of(self.n_heads / self.n_kv_heads)
    }

    /// Turns queries and keys by their positions, which begin at 0.
    pub(super) fn rotate(&self, projected: &mut [f32]) {
        self.turn(projected, 1.0);
    }

    /// The inverse of [`Heads::rotate`], which is also its transpose: what gradients need.
    pub(super) fn rotate_back(&self, projected: &mut [f32]) {
        self.turn(projected, -1.0);
    }

    fn turn(&self, projected: &mut [f32], sign: f32) {
        let half = self.head_dim / 2;
        let turned = self.turned();
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
pub(super) fn forward(
    heads: &Heads,
    factors: Factors,
    projected: &[f32],
    mixed: &mut [f32],
    log_sums: &mut [f32],
) {
    let (width, mixed_width, head_dim) = (heads.width(), heads.mixed(), heads.head_dim);
    let len = projected.len() / width;
    let scale = (head_dim as f32).powf(-0.5);
    let mut scores = Buffer::stale(QUERIES.min(len) * len);
    let mut inverses = [0.0; QUERIES];
    // Packed once for a group of heads; a block of queries sees the first ones.
    let (mut key, mut value) = (Packed::none(), Packed::none());
    for head in 0..heads.n_heads {
        if heads.begins_group(head) {
            let (key_at, value_at) = heads.key_value(head);
            let of = |at: usize| Matrix::strided(&projected[at..], len, head_dim, width);
            key = Packed::new(factors, of(key_at).transposed());
            value = Packed::new(factors, of(value_at));
        }
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
            product(MatrixMut::new(scores, rows, keys), Into::Scaled(scale), query, &key);
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
            product(target, Into::Scaled(1.0), Matrix::new(scores, rows, keys), &value);
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
pub(super) fn backward(heads: &Heads, factors: Factors, seen: &Seen<'_>, d_projected: &mut [f32]) {
    let (width, mixed_width, head_dim) = (heads.width(), heads.mixed(), heads.head_dim);
    let len = seen.projected.len() / width;
    let scale = (head_dim as f32).powf(-0.5);
    let mut weights = Buffer::stale(QUERIES.min(len) * len);
    let mut d_scores = Buffer::stale(QUERIES.min(len) * len);
    let (mut key_in, mut value_in, mut key_out) = (Packed::none(), Packed::none(), Packed::none());
    // Keys and values collect from all queries and, in a group, from several heads, in order.
    d_projected.fill(0.0);
    for head in 0..heads.n_heads {
        let (key_at, value_at) = heads.key_value(head);
        if heads.begins_group(head) {
            let of = |at: usize| Matrix::strided(&seen.projected[at..], len, head_dim, width);
            key_in = Packed::new(factors, of(key_at).transposed());
            value_in = Packed::new(factors, of(value_at).transposed());
            key_out = Packed::new(factors, of(key_at));
        }
        for first in (0..len).step_by(QUERIES) {
            let rows = QUERIES.min(len - first);
            let keys = first + rows;
            let (weights, d_scores) = (&mut weights[..rows * keys], &mut d_scores[..rows * keys]);
            let mixed_at = first * mixed_width + head * head_dim;
            let query_at = first * width + head * head_dim;
            let query = Matrix::strided(&seen.projected[query_at..], rows, head_dim, width);
            let d_mixed = Matrix::strided(&seen.d_mixed[mixed_at..], rows, head_dim, mixed_width);
            product(MatrixMut::new(weights, rows, keys), Into::Scaled(scale), query, &key_in);
            product(MatrixMut::new(d_scores, rows, keys), Into::Scaled(1.0), d_mixed, &value_in);
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
                Into::Scaled(1.0),
                d_scores,
                &key_out,
            );
            product_once(
                MatrixMut::strided(&mut d_projected[key_at..], keys, head_dim, width),
                Into::Sum(1.0),
                factors,
                d_scores.transposed(),
                query,
            );
            product_once(
                MatrixMut::strided(&mut d_projected[value_at..], keys, head_dim, width),
                Into::Sum(1.0),
                factors,
                weights.transposed(),
                d_mixed,
            );
        }
    }
}
