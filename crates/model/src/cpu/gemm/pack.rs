//! Right factors in the order in which the kernel reads them, with zeros over the border.

use std::ops::Range;

use rayon::prelude::*;

use super::{
    factors::{Factors, Paired},
    kernel::Tile,
    turn::turn_rows,
};
use crate::cpu::{
    buffer::Buffer,
    matrix::{Layout, Matrix},
};

/// A right factor `[k, n]`, packed: for each block of steps panels of [`Tile::columns`] columns.
#[derive(Debug)]
pub(crate) struct Packed {
    values: Buffer,
    factors: Factors,
    depth: usize,
    columns: usize,
    /// Columns with those over the border.
    padded: usize,
    /// Steps in a block.
    block: usize,
}

/// Some steps of a right factor.
pub(super) struct Block<'a> {
    pub(super) factors: Factors,
    pub(super) steps: Range<usize>,
    /// Panel behind panel.
    pub(super) panels: &'a [f32],
    /// Values from one panel to the next; a product that needs fewer steps reads the first ones.
    pub(super) panel_stride: usize,
}

impl Packed {
    /// A factor without values.
    pub(crate) fn none() -> Self {
        Self::room(Factors::Single, 0, 0)
    }

    /// Packs a factor on this thread.
    pub(crate) fn new(factors: Factors, right: Matrix<'_>) -> Self {
        let mut packed = Self::room(factors, right.layout.rows, right.layout.cols);
        for (extent, panel) in packed.panels_mut() {
            fill_steps(factors, panel, extent.width, 0, right, &extent.steps, &extent.columns);
            finish(factors, panel, &extent);
        }
        packed
    }

    /// Packs a factor on all threads: a weight, or several whose columns stand side by side.
    pub(crate) fn side_by_side(factors: Factors, rights: &[Matrix<'_>]) -> Self {
        let depth = rights.first().map_or(0, |right| right.layout.rows);
        Self::in_blocks(factors, rights, block_steps(factors.steps(depth)))
    }

    /// [`Packed::side_by_side`] with this many steps in a block.
    pub(super) fn in_blocks(factors: Factors, rights: &[Matrix<'_>], block: usize) -> Self {
        let depth = rights.first().map_or(0, |right| right.layout.rows);
        let columns = rights.iter().map(|right| right.layout.cols).sum();
        let mut packed = Self { block, ..Self::room(factors, depth, columns) };
        let panels: Vec<_> = packed.panels_mut().collect();
        panels.into_par_iter().for_each(|(extent, panel)| {
            let mut start = 0;
            for right in rights {
                let end = start + right.layout.cols;
                let columns = extent.columns.start.max(start)..extent.columns.end.min(end);
                if !columns.is_empty() {
                    let at = columns.start - extent.columns.start;
                    let columns = columns.start - start..columns.end - start;
                    let width = extent.width;
                    fill_steps(factors, panel, width, at, *right, &extent.steps, &columns);
                }
                start = end;
            }
            finish(factors, panel, &extent);
        });
        packed
    }

    /// Packs factors whose rows stand one below the other, on all threads.
    pub(crate) fn stacked(factors: Factors, rights: &[Matrix<'_>]) -> Self {
        let columns = rights.first().map_or(0, |right| right.layout.cols);
        let depth = rights.iter().map(|right| right.layout.rows).sum();
        // A pair across two factors would have to be put together from both.
        let whole = rights.iter().all(|right| right.layout.rows.is_multiple_of(2));
        let factors = if factors == Factors::Pairs && !whole { Factors::Rounded } else { factors };
        let mut packed = Self::room(factors, depth, columns);
        let panels: Vec<_> = packed.panels_mut().collect();
        panels.into_par_iter().for_each(|(extent, panel)| {
            let mut start = 0;
            for right in rights {
                let end = start + factors.steps(right.layout.rows);
                let steps = extent.steps.start.max(start)..extent.steps.end.min(end);
                if !steps.is_empty() {
                    let rows = (steps.start - extent.steps.start) * extent.width
                        ..(steps.end - extent.steps.start) * extent.width;
                    let panel = &mut panel[rows];
                    let steps = steps.start - start..steps.end - start;
                    fill_steps(factors, panel, extent.width, 0, *right, &steps, &extent.columns);
                }
                start = end;
            }
            finish(factors, panel, &extent);
        });
        packed
    }

    /// Rows, k.
    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    pub(super) fn factors(&self) -> Factors {
        self.factors
    }

    /// The blocks of the first `depth` steps of k.
    pub(super) fn blocks(&self, depth: usize) -> impl Iterator<Item = Block<'_>> {
        let (all, steps) = (self.factors.steps(self.depth), self.factors.steps(depth));
        let (size, width) = (self.block, Tile::of_processor().columns);
        (0..steps).step_by(size).map(move |first| {
            let whole = first..all.min(first + size);
            Block {
                factors: self.factors,
                steps: first..whole.end.min(steps),
                panels: &self.values[whole.start * self.padded..whole.end * self.padded],
                panel_stride: whole.len() * width,
            }
        })
    }

    fn room(factors: Factors, depth: usize, columns: usize) -> Self {
        let padded = columns.next_multiple_of(Tile::of_processor().columns);
        let steps = factors.steps(depth);
        let (values, block) = (Buffer::stale(steps * padded), block_steps(steps));
        Self { values, factors, depth, columns, padded, block }
    }

    fn panels_mut(&mut self) -> impl Iterator<Item = (Extent, &mut [f32])> {
        let width = Tile::of_processor().columns;
        let (all, columns, padded) = (self.factors.steps(self.depth), self.columns, self.padded);
        let size = self.block;
        let blocks = self.values.chunks_mut(size * padded.max(1)).enumerate();
        blocks.flat_map(move |(block, values)| {
            let steps = block * size..all.min((block + 1) * size);
            values.chunks_mut(steps.len() * width).enumerate().map(move |(panel, values)| {
                let columns = panel * width..columns.min((panel + 1) * width);
                (Extent { steps: steps.clone(), columns, width }, values)
            })
        })
    }
}

/// Steps in a block: all blocks about alike, none above [`Tile::depth`].
pub(super) fn block_steps(steps: usize) -> usize {
    steps.div_ceil(steps.div_ceil(Tile::of_processor().depth).max(1)).max(1)
}

/// What a panel of a right factor holds.
struct Extent {
    steps: Range<usize>,
    columns: Range<usize>,
    /// Columns with those over the border.
    width: usize,
}

/// [`fill`] with what a step of the kernel multiplies.
fn fill_steps(
    factors: Factors,
    panel: &mut [f32],
    width: usize,
    at: usize,
    right: Matrix<'_>,
    steps: &Range<usize>,
    columns: &Range<usize>,
) {
    if factors == Factors::Pairs {
        let paired = Paired::new(right, &factors.k(steps, right.layout.rows), columns);
        fill(panel, width, at, paired.matrix(), &(0..steps.len()), &(0..columns.len()));
    } else {
        fill(panel, width, at, right, steps, columns);
    }
}

/// Writes part of a factor behind the first `at` columns of a panel's rows.
fn fill(
    panel: &mut [f32],
    width: usize,
    at: usize,
    right: Matrix<'_>,
    k: &Range<usize>,
    columns: &Range<usize>,
) {
    let Layout { row_stride, col_stride, .. } = right.layout;
    if col_stride == 1 && columns.len() == width {
        // The width as a constant: a few values are copied without a call.
        match width {
            48 => copy_rows::<48>(panel, right, k, columns.start),
            16 => copy_rows::<16>(panel, right, k, columns.start),
            _ => copy_rows::<4>(panel, right, k, columns.start),
        }
    } else if col_stride == 1 {
        for (target, k) in panel.chunks_exact_mut(width).zip(k.clone()) {
            let source = &right.data[k * row_stride + columns.start..][..columns.len()];
            target[at..at + columns.len()].copy_from_slice(source);
        }
    } else if row_stride == 1 && columns.len() == width {
        let source = &right.data[columns.start * col_stride + k.start..];
        match width {
            48 => turn_rows::<48>(source, col_stride, panel),
            16 => turn_rows::<16>(source, col_stride, panel),
            _ => turn_rows::<4>(source, col_stride, panel),
        }
    } else {
        for (column, at) in columns.clone().zip(at..) {
            let source = right.data[column * col_stride + k.start * row_stride..].iter();
            let targets = panel[at..].iter_mut().step_by(width).take(k.len());
            targets.zip(source.step_by(row_stride)).for_each(|(target, value)| *target = *value);
        }
    }
}

fn copy_rows<const WIDTH: usize>(
    panel: &mut [f32],
    right: Matrix<'_>,
    k: &Range<usize>,
    first: usize,
) {
    let (targets, _) = panel.as_chunks_mut::<WIDTH>();
    for (target, k) in targets.iter_mut().zip(k.clone()) {
        let source = &right.data[k * right.layout.row_stride + first..];
        *target = *source.first_chunk().expect("a whole row of the panel lies in the factor");
    }
}

/// What lies over the border must not be something that is no number.
fn finish(factors: Factors, panel: &mut [f32], extent: &Extent) {
    factors.finish(panel);
    if extent.columns.len() < extent.width {
        for row in panel.chunks_exact_mut(extent.width) {
            row[extent.columns.len()..].fill(0.0);
        }
    }
}
