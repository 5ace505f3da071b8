//! Matrices within slices.

use std::ops::Range;

/// A matrix within a slice, with any distance between rows and columns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matrix<'a> {
    pub(super) data: &'a [f32],
    pub(super) layout: Layout,
}

/// A matrix within a slice that can be written.
#[derive(Debug)]
pub(crate) struct MatrixMut<'a> {
    pub(super) data: &'a mut [f32],
    pub(super) layout: Layout,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    pub(super) rows: usize,
    pub(super) cols: usize,
    pub(super) row_stride: usize,
    pub(super) col_stride: usize,
}

impl Layout {
    fn new(n_data: usize, rows: usize, cols: usize, row_stride: usize) -> Self {
        assert!(
            rows == 0 || cols == 0 || (rows - 1) * row_stride + cols <= n_data,
            "matrix of {rows} × {cols} with row stride {row_stride} exceeds its {n_data} values"
        );
        Self { rows, cols, row_stride, col_stride: 1 }
    }
}

impl<'a> Matrix<'a> {
    /// A row-major matrix whose rows lie `stride` values apart.
    pub(crate) fn strided(data: &'a [f32], rows: usize, cols: usize, stride: usize) -> Self {
        Self { data, layout: Layout::new(data.len(), rows, cols, stride) }
    }

    /// A row-major matrix whose rows follow each other.
    pub(crate) fn new(data: &'a [f32], rows: usize, cols: usize) -> Self {
        Self::strided(data, rows, cols, cols)
    }

    /// These rows and columns of it.
    pub(crate) fn part(self, rows: Range<usize>, cols: Range<usize>) -> Self {
        let Layout { row_stride, col_stride, .. } = self.layout;
        let layout = Layout { rows: rows.len(), cols: cols.len(), ..self.layout };
        Self { data: &self.data[rows.start * row_stride + cols.start * col_stride..], layout }
    }

    /// The transpose, without moving anything.
    pub(crate) fn transposed(self) -> Self {
        let Layout { rows, cols, row_stride, col_stride } = self.layout;
        Self {
            data: self.data,
            layout: Layout {
                rows: cols,
                cols: rows,
                row_stride: col_stride,
                col_stride: row_stride,
            },
        }
    }
}

impl<'a> MatrixMut<'a> {
    /// As [`Matrix::strided`].
    pub(crate) fn strided(data: &'a mut [f32], rows: usize, cols: usize, stride: usize) -> Self {
        let layout = Layout::new(data.len(), rows, cols, stride);
        Self { data, layout }
    }

    /// As [`Matrix::new`].
    pub(crate) fn new(data: &'a mut [f32], rows: usize, cols: usize) -> Self {
        Self::strided(data, rows, cols, cols)
    }
}

/// How far apart the rows of a matrix of this width should lie.
///
/// At a multiple of a page all rows of a tile fall on the same few lines of the cache; one line more
/// made a product into 2,048 columns a fifth faster.
pub(crate) fn stride(width: usize) -> usize {
    if width.is_multiple_of(512) { width + 16 } else { width }
}
