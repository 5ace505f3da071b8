//! Products of matrices over plain slices (Goto and van de Geijn 2008, doi:10.1145/1356052.1356053).
//!
//! ```text
//!            n                      right: panels of `Tile::columns`, packed once, used by all threads
//!        ┌──┬──┬──┐
//!        │  │  │  │ k               left: panels of `Tile::rows`, packed by the thread that uses them
//!   k    └──┴──┴──┘
//!  ┌──┐  ┌──┬──┬──┐
//! m├──┤  │  │▓▓│  │                 ▓ one call of the kernel: a tile of the target in registers
//!  └──┘  └──┴──┴──┘
//! ```
//!
//! A weight is the right factor of many products in a pass, which is why it is packed apart from
//! them. One thread for each product: the callers split the work into pieces whose borders depend on
//! shapes alone. An element is one sum over k in order, in blocks of [`Tile::depth`], so that it has the same
//! bits whatever the pieces are.

mod factors;
mod kernel;
mod left;
mod pack;
mod pieces;
mod turn;

pub(crate) use factors::Factors;
pub(crate) use pack::Packed;
pub(crate) use pieces::{pieces_of_columns, pieces_of_depth};

use super::matrix::{Layout, Matrix, MatrixMut};
use kernel::{Store, Tile};
use left::pack_left;

/// Rows of the left factor that are packed together: they stay in the second-level cache.
const ROWS: usize = 264;

/// What a product does with its target.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Into {
    /// It becomes the product, times this factor.
    Scaled(f32),
    /// The product, times this factor, is added to it.
    Sum(f32),
}

/// `target = left · right`, or what `into` says. The right factor may have more rows and columns than
/// the product needs; its first ones are used.
pub(crate) fn product(target: MatrixMut<'_>, into: Into, left: Matrix<'_>, right: &Packed) {
    let Layout { rows, cols, .. } = target.layout;
    let depth = left.layout.cols;
    assert!(
        rows == left.layout.rows && cols <= right.columns() && depth <= right.depth() && depth > 0,
        "shapes of a product do not fit: {rows} × {cols} from {} × {depth} and {} × {}",
        left.layout.rows,
        right.depth(),
        right.columns()
    );
    let tile = Tile::of_processor();
    let (stride, values) = (target.layout.row_stride, target.data);
    for first in (0..rows).step_by(ROWS) {
        let n = ROWS.min(rows - first);
        let values = &mut values[first * stride..];
        for (number, block) in right.blocks(depth).enumerate() {
            let steps = block.steps.clone();
            let packed = pack_left(right.factors(), left, first..first + n, steps, tile.rows);
            let store = match into {
                Into::Sum(factor) => Store::Sum(factor),
                Into::Scaled(factor) if number == 0 => Store::Replace(factor),
                Into::Scaled(factor) => Store::Sum(factor),
            };
            kernel::block(values, stride, [n, cols], &packed, &block, store);
        }
    }
}

/// [`product`] with a right factor that is used once.
pub(crate) fn product_once(
    target: MatrixMut<'_>,
    into: Into,
    factors: Factors,
    left: Matrix<'_>,
    right: Matrix<'_>,
) {
    product(target, into, left, &Packed::new(factors, right));
}

#[cfg(test)]
mod tests;
