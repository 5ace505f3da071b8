//! Factors in the order in which the kernel reads them, with zeros over the border.

use std::ops::Range;

use rayon::prelude::*;

use super::{DEPTH, kernel::Tile};
use crate::cpu::{
    buffer::Buffer,
    matrix::{Layout, Matrix},
    vector::vectorized,
};

/// A right factor `[k, n]`, packed: for each block of k panels of [`Tile::columns`] columns.
#[derive(Debug)]
pub(crate) struct Packed {
    values: Buffer,
    depth: usize,
    columns: usize,
    /// Columns with those over the border.
    padded: usize,
}

/// Some steps of k of a right factor.
pub(super) struct Block<'a> {
    pub(super) k: Range<usize>,
    /// Panel behind panel.
    pub(super) panels: &'a [f32],
    /// Values from one panel to the next; a product that needs fewer steps reads the first ones.
    pub(super) panel_stride: usize,
}

impl Packed {
    /// A factor without values.
    pub(crate) fn none() -> Self {
        Self::room(0, 0)
    }

    /// Packs a factor on this thread.
    pub(crate) fn new(right: Matrix<'_>) -> Self {
        let mut packed = Self::room(right.layout.rows, right.layout.cols);
        for (number, panel) in packed.panels_mut() {
            pack_panel(panel, right, &number);
        }
        packed
    }

    /// Packs a factor on all threads: a weight, or several whose columns stand side by side.
    pub(crate) fn side_by_side(rights: &[Matrix<'_>]) -> Self {
        let depth = rights.first().map_or(0, |right| right.layout.rows);
        let columns = rights.iter().map(|right| right.layout.cols).sum();
        let mut packed = Self::room(depth, columns);
        let panels: Vec<_> = packed.panels_mut().collect();
        panels.into_par_iter().for_each(|(place, panel)| {
            let mut start = 0;
            for right in rights {
                let end = start + right.layout.cols;
                let columns = place.columns.start.max(start)..place.columns.end.min(end);
                if !columns.is_empty() {
                    let at = columns.start - place.columns.start;
                    let columns = columns.start - start..columns.end - start;
                    let width = place.width;
                    fill(panel, width, at, *right, &place.k, &columns);
                }
                start = end;
            }
            clear_border(panel, &place);
        });
        packed
    }

    /// Packs factors whose rows stand one below the other, on all threads.
    pub(crate) fn stacked(rights: &[Matrix<'_>]) -> Self {
        let columns = rights.first().map_or(0, |right| right.layout.cols);
        let depth = rights.iter().map(|right| right.layout.rows).sum();
        let mut packed = Self::room(depth, columns);
        let panels: Vec<_> = packed.panels_mut().collect();
        panels.into_par_iter().for_each(|(place, panel)| {
            let mut start = 0;
            for right in rights {
                let end = start + right.layout.rows;
                let k = place.k.start.max(start)..place.k.end.min(end);
                if !k.is_empty() {
                    let rows = (k.start - place.k.start) * place.width
                        ..(k.end - place.k.start) * place.width;
                    let of_right = k.start - start..k.end - start;
                    fill(&mut panel[rows], place.width, 0, *right, &of_right, &place.columns);
                }
                start = end;
            }
            clear_border(panel, &place);
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

    /// The packed values, which a caller may round.
    pub(crate) fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }

    /// The blocks of the first `depth` steps.
    pub(super) fn blocks(&self, depth: usize) -> impl Iterator<Item = Block<'_>> {
        let size = block_depth(self.depth);
        let width = Tile::of_processor().columns;
        (0..depth).step_by(size).map(move |first| {
            let whole = first..self.depth.min(first + size);
            let panels = &self.values[whole.start * self.padded..whole.end * self.padded];
            Block { k: first..whole.end.min(depth), panels, panel_stride: whole.len() * width }
        })
    }

    fn room(depth: usize, columns: usize) -> Self {
        let padded = columns.next_multiple_of(Tile::of_processor().columns);
        Self { values: Buffer::stale(depth * padded), depth, columns, padded }
    }

    fn panels_mut(&mut self) -> impl Iterator<Item = (Place, &mut [f32])> {
        let width = Tile::of_processor().columns;
        let (depth, columns, padded) = (self.depth, self.columns, self.padded);
        let size = block_depth(depth);
        let blocks = self.values.chunks_mut(size * padded.max(1)).enumerate();
        blocks.flat_map(move |(block, values)| {
            let k = block * size..depth.min((block + 1) * size);
            values.chunks_mut(k.len() * width).enumerate().map(move |(panel, values)| {
                let columns = panel * width..columns.min((panel + 1) * width);
                (Place { k: k.clone(), columns, width }, values)
            })
        })
    }
}

/// Steps of k in a block: all blocks about alike, none above [`DEPTH`].
fn block_depth(depth: usize) -> usize {
    depth.div_ceil(depth.div_ceil(DEPTH).max(1)).max(1)
}

/// What a panel of a right factor holds.
struct Place {
    k: Range<usize>,
    columns: Range<usize>,
    /// Columns with those over the border.
    width: usize,
}

fn pack_panel(panel: &mut [f32], right: Matrix<'_>, place: &Place) {
    fill(panel, place.width, 0, right, &place.k, &place.columns);
    clear_border(panel, place);
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
            32 => copy_rows::<32>(panel, right, k, columns.start),
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
            32 => turn_rows::<32>(source, col_stride, panel),
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
fn clear_border(panel: &mut [f32], place: &Place) {
    if place.columns.len() < place.width {
        for row in panel.chunks_exact_mut(place.width) {
            row[place.columns.len()..].fill(0.0);
        }
    }
}

/// Some rows and steps of k of a left factor: panels of `height` rows, column by column.
pub(super) fn pack_left(
    left: Matrix<'_>,
    rows: Range<usize>,
    k: Range<usize>,
    height: usize,
) -> Buffer {
    let mut packed = Buffer::stale(rows.len().next_multiple_of(height) * k.len());
    // The height as a constant: a few values are copied without a call.
    match height {
        12 => pack_rows::<12>(left, rows, k, &mut packed),
        6 => pack_rows::<6>(left, rows, k, &mut packed),
        4 => pack_rows::<4>(left, rows, k, &mut packed),
        _ => unreachable!("tiles have 4, 6 or 12 rows"),
    }
    packed
}

fn pack_rows<const HEIGHT: usize>(
    left: Matrix<'_>,
    rows: Range<usize>,
    k: Range<usize>,
    packed: &mut [f32],
) {
    let Layout { row_stride, col_stride, .. } = left.layout;
    for (first, panel) in rows.clone().step_by(HEIGHT).zip(packed.chunks_mut(HEIGHT * k.len())) {
        let n = HEIGHT.min(rows.end - first);
        if row_stride == 1 && n == HEIGHT {
            let (columns, _) = panel.as_chunks_mut::<HEIGHT>();
            for (target, k) in columns.iter_mut().zip(k.clone()) {
                let source = &left.data[first + k * col_stride..];
                *target = *source.first_chunk().expect("a whole column lies in the factor");
            }
        } else if col_stride == 1 && n == HEIGHT {
            turn_rows::<HEIGHT>(&left.data[first * row_stride + k.start..], row_stride, panel);
        } else {
            let (columns, _) = panel.as_chunks_mut::<HEIGHT>();
            for row in 0..HEIGHT {
                if row >= n {
                    columns.iter_mut().for_each(|column| column[row] = 0.0);
                    continue;
                }
                let source = &left.data[(first + row) * row_stride + k.start * col_stride..];
                for (column, value) in columns.iter_mut().zip(source.iter().step_by(col_stride)) {
                    column[row] = *value;
                }
            }
        }
    }
}

/// [`turn`] for the instruction set of this processor.
fn turn_rows<const HEIGHT: usize>(source: &[f32], stride: usize, panel: &mut [f32]) {
    let (columns, _) = panel.as_chunks_mut::<HEIGHT>();
    vectorized(
        #[inline(always)]
        || turn::<HEIGHT>(source, stride, columns),
    );
}

/// Rows that lie `stride` apart become columns, a few of them in registers at a time.
#[inline(always)]
fn turn<const HEIGHT: usize>(source: &[f32], stride: usize, columns: &mut [[f32; HEIGHT]]) {
    const WIDTH: usize = 8;
    let rows: [&[f32]; HEIGHT] =
        std::array::from_fn(|row| &source[row * stride..][..columns.len()]);
    let (blocks, rest) = columns.as_chunks_mut::<WIDTH>();
    let n_whole = blocks.len() * WIDTH;
    for (block, at) in blocks.iter_mut().zip((0..).step_by(WIDTH)) {
        let values: [[f32; WIDTH]; HEIGHT] =
            std::array::from_fn(|row| *rows[row][at..].first_chunk().expect("a whole block"));
        for column in 0..WIDTH {
            for row in 0..HEIGHT {
                block[column][row] = values[row][column];
            }
        }
    }
    for (column, at) in rest.iter_mut().zip(n_whole..) {
        *column = std::array::from_fn(|row| rows[row][at]);
    }
}
