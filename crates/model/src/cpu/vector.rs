//! Elementwise loops and sums over slices, compiled for the instruction set found at run time.
//!
//! A sum is taken in [`LANES`] interleaved parts which are then added in order: the compiler can use
//! vectors, and the order is the same on every machine.

/// Independent parts of a sum.
const LANES: usize = 16;

/// Runs a loop compiled for the best instruction set of this processor.
///
/// What the closure calls has to be `#[inline(always)]`, or it is compiled for the baseline.
#[inline(always)]
pub(crate) fn vectorized<R>(work: impl FnOnce() -> R) -> R {
    struct Work<F>(F);
    impl<R, F: FnOnce() -> R> pulp::NullaryFnOnce for Work<F> {
        type Output = R;
        #[inline(always)]
        fn call(self) -> R {
            (self.0)()
        }
    }
    pulp::Arch::new().dispatch(Work(work))
}

/// Folds `f` over pairs of elements.
#[inline(always)]
fn reduce(
    a: &[f32],
    b: &[f32],
    start: f32,
    f: impl Fn(f32, f32, f32) -> f32,
    join: impl Fn(f32, f32) -> f32,
) -> f32 {
    let n = a.len();
    let b = &b[..n];
    let mut parts = [start; LANES];
    let (a_blocks, a_rest) = a.as_chunks::<LANES>();
    let (b_blocks, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        for lane in 0..LANES {
            parts[lane] = f(parts[lane], a[lane], b[lane]);
        }
    }
    for lane in 0..a_rest.len() {
        parts[lane] = f(parts[lane], a_rest[lane], b_rest[lane]);
    }
    parts.into_iter().fold(start, join)
}

/// The sum of products.
#[inline(always)]
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    reduce(a, b, 0.0, |sum, a, b| sum + a * b, |a, b| a + b)
}

/// The largest element.
#[inline(always)]
pub(crate) fn max(a: &[f32]) -> f32 {
    let larger = |a: f32, b: f32| if b > a { b } else { a };
    reduce(a, a, f32::NEG_INFINITY, |max, a, _| larger(max, a), larger)
}

/// `e^x` within 2 units in the last place, 0 below −87.3 and infinite above 88.3; NaN stays NaN.
///
/// Written without branches, calls and conversions so that it becomes vector code: x = n·ln 2 + r
/// with |r| ≤ ln 2 / 2, a polynomial for e^r (Cephes' coefficients), and 2^n from its bits.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    // 1.5 · 2^23: adding it rounds to an integer, which then stands in the lowest bits.
    const SHIFT: f32 = 12_582_912.0;
    let clamped = x.clamp(-87.3, 88.3);
    let shifted = clamped * std::f32::consts::LOG2_E + SHIFT;
    let n = shifted - SHIFT;
    let r = clamped - n * 0.693_359_4 - n * -2.121_944_4e-4;
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_199_9e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 5e-1;
    let y = p * r * r + r + 1.0;
    // n is −126 to 127. The bits of SHIFT that wrap over the top are zeros.
    let power = f32::from_bits(shifted.to_bits().wrapping_add(127) << 23);
    let y = y * power;
    let y = if x < -87.3 { 0.0 } else { y };
    if x > 88.3 { f32::INFINITY } else { y }
}

/// Replaces each element by `e^(element − shift)` and gives the sum of the results.
#[inline(always)]
pub(crate) fn exp_in_place(values: &mut [f32], shift: f32) -> f32 {
    let mut parts = [0.0; LANES];
    let (blocks, rest) = values.as_chunks_mut::<LANES>();
    for block in blocks {
        for lane in 0..LANES {
            block[lane] = exp(block[lane] - shift);
            parts[lane] += block[lane];
        }
    }
    for (lane, value) in rest.iter_mut().enumerate() {
        *value = exp(*value - shift);
        parts[lane] += *value;
    }
    parts.into_iter().sum()
}

/// The sum of `e^(element − shift)`.
#[inline(always)]
pub(crate) fn exp_sum(values: &[f32], shift: f32) -> f32 {
    reduce(values, values, 0.0, |sum, x, _| sum + exp(x - shift), |a, b| a + b)
}

/// `1 / (1 + e^−x)`.
#[inline(always)]
pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// The hyperbolic tangent, within 2 · 10⁻⁷ absolutely.
#[inline(always)]
pub(crate) fn tanh(x: f32) -> f32 {
    2.0 * sigmoid(2.0 * x) - 1.0
}

#[cfg(test)]
mod tests;
