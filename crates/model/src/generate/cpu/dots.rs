//! Products of matrices whose rows lie next to each other, `x · wᵀ`.
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
/// Rows of `x` that stay in the first caches while `w` passes by.
const X_BLOCK: usize = 64;

/// The product of each row of `x` with each row of `w`.
///
/// # Shapes
/// - x: `[n, width]`, w: `[rows, width]`
#[derive(Clone, Copy, Debug)]
pub(super) struct Dots<'a> {
    pub(super) x: &'a [f32],
    pub(super) w: &'a [f32],
    pub(super) width: usize,
}

impl Dots<'_> {
    /// Hands row of `w`, row of `x` and their product to `put`, by the best instruction set of this
    /// processor.
    pub(super) fn run(self, put: impl FnMut(usize, usize, f32)) {
        pulp::Arch::new().dispatch(Run { dots: self, put });
    }
}

struct Run<'a, F> {
    dots: Dots<'a>,
    put: F,
}

impl<F: FnMut(usize, usize, f32)> WithSimd for Run<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { dots: Dots { x, w, width }, mut put } = self;
        for (block, x) in x.chunks(X_BLOCK * width).enumerate() {
            let mut put = |r, t, value| put(r, block * X_BLOCK + t, value);
            if x.len() == width {
                tiles::<S, W_TILE_SINGLE>(simd, x, w, width, &mut put);
            } else {
                tiles::<S, W_TILE>(simd, x, w, width, &mut put);
            }
        }
    }
}

#[inline(always)]
fn tiles<S: Simd, const R: usize>(
    simd: S,
    x: &[f32],
    w: &[f32],
    width: usize,
    put: &mut impl FnMut(usize, usize, f32),
) {
    let (n, rows) = (x.len() / width, w.len() / width);
    let x_row = |t: usize| &x[t * width..(t + 1) * width];
    let w_row = |r: usize| &w[r * width..(r + 1) * width];
    let mut r = 0;
    while r + R <= rows {
        let w_tile: [&[f32]; R] = std::array::from_fn(|i| w_row(r + i));
        let mut t = 0;
        while t + X_TILE <= n {
            let x_tile: [&[f32]; X_TILE] = std::array::from_fn(|j| x_row(t + j));
            // Each tile of `x` asks for one row of the next tile of `w`.
            let ahead = w.as_ptr().wrapping_add((r + R + t / X_TILE) * width);
            let sums = tile::<S, R, X_TILE>(simd, w_tile, x_tile, Some(ahead));
            for (i, sums) in sums.iter().enumerate() {
                sums.iter().enumerate().for_each(|(j, sum)| put(r + i, t + j, *sum));
            }
            t += X_TILE;
        }
        while t < n {
            let sums = tile::<S, R, 1>(simd, w_tile, [x_row(t)], None);
            sums.iter().enumerate().for_each(|(i, [sum])| put(r + i, t, *sum));
            t += 1;
        }
        r += R;
    }
    while r < rows {
        for t in 0..n {
            let [[sum]] = tile::<S, 1, 1>(simd, [w_row(r)], [x_row(t)], None);
            put(r, t, sum);
        }
        r += 1;
    }
}

/// The products of `R` rows with `T` rows.
///
/// Loops rather than `array::map`: what that calls is compiled for the baseline.
#[inline(always)]
fn tile<S: Simd, const R: usize, const T: usize>(
    simd: S,
    w: [&[f32]; R],
    x: [&[f32]; T],
    ahead: Option<*const f32>,
) -> [[f32; T]; R] {
    let n = S::as_simd_f32s(x[0]).0.len();
    let (mut w_body, mut w_rest) = ([&[][..]; R], [&[][..]; R]);
    for r in 0..R {
        let (body, rest) = S::as_simd_f32s(w[r]);
        (w_body[r], w_rest[r]) = (&body[..n], rest);
    }
    let (mut x_body, mut x_rest) = ([&[][..]; T], [&[][..]; T]);
    for t in 0..T {
        let (body, rest) = S::as_simd_f32s(x[t]);
        (x_body[t], x_rest[t]) = (&body[..n], rest);
    }
    let mut sums = [[simd.splat_f32s(0.0); T]; R];
    for k in 0..n {
        if let Some(ahead) = ahead {
            prefetch(ahead.wrapping_add(k * S::F32_LANES));
        }
        let mut values = [simd.splat_f32s(0.0); T];
        for t in 0..T {
            values[t] = x_body[t][k];
        }
        for r in 0..R {
            let weight = w_body[r][k];
            for t in 0..T {
                sums[r][t] = simd.mul_add_e_f32s(weight, values[t], sums[r][t]);
            }
        }
    }
    if !x_rest[0].is_empty() {
        for r in 0..R {
            let weight = simd.partial_load_f32s(w_rest[r]);
            for t in 0..T {
                let value = simd.partial_load_f32s(x_rest[t]);
                sums[r][t] = simd.mul_add_e_f32s(weight, value, sums[r][t]);
            }
        }
    }
    let mut products = [[0.0; T]; R];
    for r in 0..R {
        for t in 0..T {
            products[r][t] = simd.reduce_sum_f32s(sums[r][t]);
        }
    }
    products
}

/// Asks for the cache line at an address, which need not be one of this program.
#[inline(always)]
fn prefetch(address: *const f32) {
    #[cfg(target_arch = "x86_64")]
    #[allow(unsafe_code)]
    // SAFETY: a prefetch changes no value and never faults, whatever the address.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

#[cfg(test)]
mod tests;
