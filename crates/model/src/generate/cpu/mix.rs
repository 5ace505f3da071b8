//! Weighted sums of rows: what attention takes from the values.

use pulp::{Simd, WithSimd};

/// Rows of weights, and vectors of a row of values, whose sums are taken at the same time.
const ROW_TILE: usize = 4;
const VECTORS: usize = 2;

/// Adds to each row of `mixed` the rows of `values`, one after the other, by the row's weights.
///
/// # Shapes
/// - values: `[n, width]`, mixed: `[rows, width]`; the weights of row r begin at `weights[r · stride]`
#[derive(Debug)]
pub(super) struct Mix<'a> {
    pub(super) weights: &'a [f32],
    pub(super) stride: usize,
    pub(super) values: &'a [f32],
    pub(super) width: usize,
    pub(super) mixed: &'a mut [f32],
}

impl Mix<'_> {
    /// Runs with the best instruction set of this processor.
    pub(super) fn run(self) {
        pulp::Arch::new().dispatch(self);
    }
}

impl WithSimd for Mix<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { weights, stride, values, width, mixed } = self;
        let (n, rows) = (values.len() / width, mixed.len() / width);
        let weights = |row: usize| &weights[row * stride..][..n];
        let whole = rows - rows % ROW_TILE;
        let (tiles, rest) = mixed.split_at_mut(whole * width);
        for (tile, mixed) in tiles.chunks_exact_mut(ROW_TILE * width).enumerate() {
            let mut of_tile = [&[][..]; ROW_TILE];
            for (row, of_row) in of_tile.iter_mut().enumerate() {
                *of_row = weights(tile * ROW_TILE + row);
            }
            add::<S, ROW_TILE>(simd, of_tile, values, width, mixed);
        }
        for (row, mixed) in rest.chunks_exact_mut(width).enumerate() {
            add::<S, 1>(simd, [weights(whole + row)], values, width, mixed);
        }
    }
}

/// `R` rows.
#[inline(always)]
fn add<S: Simd, const R: usize>(
    simd: S,
    weights: [&[f32]; R],
    values: &[f32],
    width: usize,
    mixed: &mut [f32],
) {
    let step = VECTORS * S::F32_LANES;
    let whole = width - width % step;
    for column in (0..whole).step_by(step) {
        let mut sums = [[simd.splat_f32s(0.0); VECTORS]; R];
        for r in 0..R {
            let (old, _) = S::as_simd_f32s(&mixed[r * width + column..][..step]);
            sums[r].copy_from_slice(&old[..VECTORS]);
        }
        for (key, value) in values.chunks_exact(width).enumerate() {
            let (value, _) = S::as_simd_f32s(&value[column..][..step]);
            for r in 0..R {
                let weight = simd.splat_f32s(weights[r][key]);
                for v in 0..VECTORS {
                    sums[r][v] = simd.mul_add_e_f32s(weight, value[v], sums[r][v]);
                }
            }
        }
        for r in 0..R {
            let (new, _) = S::as_mut_simd_f32s(&mut mixed[r * width + column..][..step]);
            new[..VECTORS].copy_from_slice(&sums[r]);
        }
    }
    if whole == width {
        return;
    }
    for r in 0..R {
        let mixed = &mut mixed[r * width + whole..(r + 1) * width];
        for (weight, value) in weights[r].iter().zip(values.chunks_exact(width)) {
            mixed
                .iter_mut()
                .zip(&value[whole..])
                .for_each(|(mixed, value)| *mixed += weight * value);
        }
    }
}

#[cfg(test)]
mod tests;
