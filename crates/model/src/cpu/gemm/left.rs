//! Left factors in the order in which the kernel reads them, with zeros over the border.

use std::ops::Range;

use super::{
    factors::{Factors, Paired},
    turn::turn_rows,
};
use crate::cpu::{
    buffer::Buffer,
    matrix::{Layout, Matrix},
};

/// Some rows and steps of a left factor: panels of `height` rows, column by column.
pub(super) fn pack_left(
    factors: Factors,
    left: Matrix<'_>,
    rows: Range<usize>,
    steps: Range<usize>,
    height: usize,
) -> Buffer {
    if factors == Factors::Pairs {
        let k = factors.k(&steps, left.layout.cols);
        let paired = Paired::new(left.transposed(), &k, &rows);
        let (rows, steps) = (0..rows.len(), 0..steps.len());
        return pack_left(Factors::Single, paired.matrix().transposed(), rows, steps, height);
    }
    let mut packed = Buffer::stale(rows.len().next_multiple_of(height) * steps.len());
    let k = steps;
    // The height as a constant: a few values are copied without a call.
    match height {
        8 => pack_rows::<8>(left, rows, k, &mut packed),
        6 => pack_rows::<6>(left, rows, k, &mut packed),
        4 => pack_rows::<4>(left, rows, k, &mut packed),
        _ => unreachable!("tiles have 4, 6 or 8 rows"),
    }
    factors.finish(&mut packed);
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
