//! Products of matrices whose rows lie next to each other, `x · wᵀ`, for few rows of `x`.
//!
//! A general product first rearranges its right factor; with few rows of `x` that costs more than
//! the product. Here every weight is read once, as it lies. Each result is the same sum in the same
//! order however many rows there are, so a sequence does not depend on its neighbours.

use pulp::{Simd, WithSimd};

/// Rows of `w` and of `x` whose products are summed at the same time: sixteen sums and eight
/// operands fit the registers.
const W_TILE: usize = 4;
const X_TILE: usize = 4;
/// With a single row of `x`, more rows of `w` hide the latency of the additions.
const W_TILE_SINGLE: usize = 8;

/// Writes the product of each row of `x` with each row of `w`.
///
/// # Shapes
/// - x: `[n, width]`, w: `[rows, width]`; the product of `w`'s row r and `x`'s row t goes to
///   `out[r · r_stride + t · t_stride]`.
#[derive(Debug)]
pub(super) struct Dots<'a> {
    pub(super) x: &'a [f32],
    pub(super) w: &'a [f32],
    pub(super) width: usize,
    pub(super) out: &'a mut [f32],
    pub(super) r_stride: usize,
    pub(super) t_stride: usize,
}

impl Dots<'_> {
    /// Runs with the best instruction set of this processor.
    pub(super) fn run(self) {
        pulp::Arch::new().dispatch(self);
    }
}

impl WithSimd for Dots<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { x, w, width, out, r_stride, t_stride } = self;
        let (n, rows) = (x.len() / width, w.len() / width);
        let x_row = |t: usize| &x[t * width..(t + 1) * width];
        let w_row = |r: usize| &w[r * width..(r + 1) * width];
        let mut put = |r: usize, t: usize, value: f32| out[r * r_stride + t * t_stride] = value;
        let mut r = 0;
        if n == 1 {
            while r + W_TILE_SINGLE <= rows {
                let sums = tile::<S, W_TILE_SINGLE, 1>(
                    simd,
                    std::array::from_fn(|i| w_row(r + i)),
                    [x_row(0)],
                );
                sums.iter().enumerate().for_each(|(i, [sum])| put(r + i, 0, *sum));
                r += W_TILE_SINGLE;
            }
        }
        while r + W_TILE <= rows {
            let w_tile: [&[f32]; W_TILE] = std::array::from_fn(|i| w_row(r + i));
            let mut t = 0;
            while t + X_TILE <= n {
                let x_tile: [&[f32]; X_TILE] = std::array::from_fn(|j| x_row(t + j));
                let sums = tile::<S, W_TILE, X_TILE>(simd, w_tile, x_tile);
                for (i, sums) in sums.iter().enumerate() {
                    for (j, sum) in sums.iter().enumerate() {
                        put(r + i, t + j, *sum);
                    }
                }
                t += X_TILE;
            }
            while t < n {
                let sums = tile::<S, W_TILE, 1>(simd, w_tile, [x_row(t)]);
                sums.iter().enumerate().for_each(|(i, [sum])| put(r + i, t, *sum));
                t += 1;
            }
            r += W_TILE;
        }
        while r < rows {
            for t in 0..n {
                let [[sum]] = tile::<S, 1, 1>(simd, [w_row(r)], [x_row(t)]);
                put(r, t, sum);
            }
            r += 1;
        }
    }
}

/// The products of `R` rows with `T` rows.
#[inline(always)]
fn tile<S: Simd, const R: usize, const T: usize>(
    simd: S,
    w: [&[f32]; R],
    x: [&[f32]; T],
) -> [[f32; T]; R] {
    let w = w.map(S::as_simd_f32s);
    let x = x.map(S::as_simd_f32s);
    let n = x[0].0.len();
    let (w_body, x_body) = (w.map(|(body, _)| &body[..n]), x.map(|(body, _)| &body[..n]));
    let mut sums = [[simd.splat_f32s(0.0); T]; R];
    for k in 0..n {
        let values: [S::f32s; T] = std::array::from_fn(|t| x_body[t][k]);
        for r in 0..R {
            let weight = w_body[r][k];
            for t in 0..T {
                sums[r][t] = simd.mul_add_e_f32s(weight, values[t], sums[r][t]);
            }
        }
    }
    if !x[0].1.is_empty() {
        for r in 0..R {
            let weight = simd.partial_load_f32s(w[r].1);
            for t in 0..T {
                let value = simd.partial_load_f32s(x[t].1);
                sums[r][t] = simd.mul_add_e_f32s(weight, value, sums[r][t]);
            }
        }
    }
    sums.map(|sums| sums.map(|sum| simd.reduce_sum_f32s(sum)))
}

#[cfg(test)]
mod tests;
