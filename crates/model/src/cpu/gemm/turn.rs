//! Rows that become columns.

use crate::cpu::vector::vectorized;

/// [`turn`] for the instruction set of this processor.
pub(super) fn turn_rows<const HEIGHT: usize>(source: &[f32], stride: usize, panel: &mut [f32]) {
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
