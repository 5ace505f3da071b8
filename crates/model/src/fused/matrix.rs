//! Matrix products over plain slices, through the `gemm` crate.
//!
//! One thread each: the callers split the work into pieces whose borders depend on shapes alone, so
//! that a result never depends on how many threads there are.

/// A matrix within a slice, with any distance between rows and columns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matrix<'a> {
    data: &'a [f32],
    layout: Layout,
}

/// A matrix within a slice that can be written.
#[derive(Debug)]
pub(crate) struct MatrixMut<'a> {
    data: &'a mut [f32],
    layout: Layout,
}

#[derive(Clone, Copy, Debug)]
struct Layout {
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
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

/// `target = scale · left · right`.
pub(crate) fn product(target: MatrixMut<'_>, scale: f32, left: Matrix<'_>, right: Matrix<'_>) {
    multiply(target, false, scale, left, right);
}

/// `target += left · right`.
pub(crate) fn add_product(target: MatrixMut<'_>, left: Matrix<'_>, right: Matrix<'_>) {
    multiply(target, true, 1.0, left, right);
}

fn multiply(
    target: MatrixMut<'_>,
    accumulate: bool,
    scale: f32,
    left: Matrix<'_>,
    right: Matrix<'_>,
) {
    let (t, l, r) = (target.layout, left.layout, right.layout);
    assert_eq!(
        (t.rows, t.cols, l.cols),
        (l.rows, r.cols, r.rows),
        "shapes of a product do not fit"
    );
    let stride = |stride: usize| stride as isize;
    // SAFETY: `Layout::new` checked that each matrix lies within its slice, and transposing keeps it
    // there; the target's slice is borrowed mutably, so it overlaps with neither factor.
    #[allow(unsafe_code)]
    unsafe {
        gemm::gemm(
            t.rows,
            t.cols,
            l.cols,
            target.data.as_mut_ptr(),
            stride(t.col_stride),
            stride(t.row_stride),
            accumulate,
            left.data.as_ptr(),
            stride(l.col_stride),
            stride(l.row_stride),
            right.data.as_ptr(),
            stride(r.col_stride),
            stride(r.row_stride),
            1.0_f32,
            scale,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// The transpose of a row-major matrix, written out.
///
/// A product reads its right factor fastest along rows; weights are `[out, in]` and used as
/// `[in, out]`, so they are turned once per pass rather than in every product.
pub(crate) fn transpose(source: &[f32], rows: usize, cols: usize, target: &mut [f32]) {
    const TILE: usize = 16;
    for row_0 in (0..rows).step_by(TILE) {
        for col_0 in (0..cols).step_by(TILE) {
            for row in row_0..rows.min(row_0 + TILE) {
                for col in col_0..cols.min(col_0 + TILE) {
                    target[col * rows + row] = source[row * cols + col];
                }
            }
        }
    }
}
