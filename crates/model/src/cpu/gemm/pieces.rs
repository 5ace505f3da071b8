//! A right factor in pieces that are packed one after the other.
//!
//! A packed output matrix takes as much memory as its weights. Of its pieces there is one at a time, and the
//! products with all of them have the bits of one product with the whole.

use std::ops::Range;

use super::{Factors, Packed, kernel::Tile, pack::block_steps};
use crate::cpu::matrix::Matrix;

/// Some columns of a factor at a time, each with their range: about `n_values`, or as few as can be cut off.
pub(crate) fn pieces_of_columns(
    factors: Factors,
    right: Matrix<'_>,
    n_values: usize,
) -> impl Iterator<Item = (Range<usize>, Packed)> {
    let (depth, columns) = (right.layout.rows, right.layout.cols);
    let tile = Tile::of_processor().columns;
    let width = (n_values / depth.max(1) / tile).max(1) * tile;
    (0..columns).step_by(width).map(move |first| {
        let range = first..columns.min(first + width);
        let part = right.part(0..depth, range.clone());
        (range, Packed::side_by_side(factors, &[part]))
    })
}

/// Some k of a factor at a time, each with their range: about `n_values`, or as few as can be cut off. Products
/// with the pieces are to be added in this order.
pub(crate) fn pieces_of_depth(
    factors: Factors,
    right: Matrix<'_>,
    n_values: usize,
) -> impl Iterator<Item = (Range<usize>, Packed)> {
    let (depth, columns) = (right.layout.rows, right.layout.cols);
    let steps = factors.steps(depth);
    // Whole blocks, so that sums are cut where they are for the whole factor.
    let block = block_steps(steps);
    let size = (n_values / columns.max(1) / block).max(1) * block;
    (0..steps).step_by(size).map(move |first| {
        let range = factors.k(&(first..steps.min(first + size)), depth);
        let part = right.part(range.clone(), 0..columns);
        (range, Packed::in_blocks(factors, &[part], block))
    })
}
