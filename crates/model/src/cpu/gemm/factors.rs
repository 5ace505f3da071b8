//! How the factors of a product are held: 32-bit floats, or bfloat16.

use std::ops::Range;

use crate::{
    cpu::{
        buffer::Buffer,
        matrix::{Layout, Matrix},
        vector::vectorized,
    },
    pass::Precision,
};

/// How the factors of a product are held. Sums are 32-bit floats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Factors {
    /// 32-bit floats.
    Single,
    /// Rounded to bfloat16 and multiplied as 32-bit floats, which hold such products exactly: for
    /// processors without instructions for bfloat16.
    Rounded,
    /// Two steps of k as bfloat16 in the bits of one value, the earlier one below, as the instruction
    /// that multiplies and adds them wants it (AVX512-BF16).
    Pairs,
}

impl Factors {
    /// What this processor does best for a precision.
    pub(crate) fn of(precision: Precision) -> Self {
        match precision {
            Precision::F32 => Self::Single,
            Precision::Bf16 if super::kernel::has_pairs() => Self::Pairs,
            Precision::Bf16 => Self::Rounded,
        }
    }

    /// Steps of the kernel for as many steps of k.
    pub(super) fn steps(self, depth: usize) -> usize {
        match self {
            Self::Single | Self::Rounded => depth,
            Self::Pairs => depth.div_ceil(2),
        }
    }

    /// The k that steps of the kernel stand for.
    pub(super) fn k(self, steps: &Range<usize>, depth: usize) -> Range<usize> {
        match self {
            Self::Single | Self::Rounded => steps.clone(),
            Self::Pairs => 2 * steps.start..depth.min(2 * steps.end),
        }
    }

    /// Brings packed values to what they are multiplied as.
    pub(super) fn finish(self, packed: &mut [f32]) {
        if self == Self::Rounded {
            vectorized(
                #[inline(always)]
                || packed.iter_mut().for_each(|value| *value = f32::from_bits(bf16(*value))),
            );
        }
    }
}

/// Part of a factor in pairs.
pub(super) struct Paired {
    values: Buffer,
    layout: Layout,
}

impl Paired {
    /// Rows of a factor `[k, n]` two by two; a last one without a partner is paired with zeros.
    pub(super) fn new(factor: Matrix<'_>, k: &Range<usize>, columns: &Range<usize>) -> Self {
        let Layout { row_stride, col_stride, .. } = factor.layout;
        let (rows, cols) = (k.len().div_ceil(2), columns.len());
        let data = &factor.data[k.start * row_stride + columns.start * col_stride..];
        let mut values = Buffer::stale(rows * cols);
        let by_columns = row_stride == 1 && col_stride != 1;
        vectorized(
            #[inline(always)]
            || match (by_columns, col_stride) {
                (true, _) => pair_within(data, col_stride, k.len(), &mut values),
                (false, 1) => pair_rows(data, row_stride, k.len(), cols, &mut values),
                (false, _) => pair_any(data, factor.layout, k.len(), cols, &mut values),
            },
        );
        let (row_stride, col_stride) = if by_columns { (1, rows) } else { (cols, 1) };
        Self { values, layout: Layout { rows, cols, row_stride, col_stride } }
    }

    /// `[pairs, n]`.
    pub(super) fn matrix(&self) -> Matrix<'_> {
        Matrix { data: &self.values, layout: self.layout }
    }
}

/// Columns lie `stride` apart, the steps of k of each next to each other.
#[inline(always)]
fn pair_within(data: &[f32], stride: usize, depth: usize, target: &mut [f32]) {
    for (column, target) in target.chunks_exact_mut(depth.div_ceil(2)).enumerate() {
        let (pairs, rest) = data[column * stride..][..depth].as_chunks::<2>();
        for (target, [first, second]) in target.iter_mut().zip(pairs) {
            *target = pair(*first, *second);
        }
        if let ([first], Some(target)) = (rest, target.last_mut()) {
            *target = pair(*first, 0.0);
        }
    }
}

/// Steps of k lie `stride` apart, the columns of each next to each other.
#[inline(always)]
fn pair_rows(data: &[f32], stride: usize, depth: usize, columns: usize, target: &mut [f32]) {
    for (number, target) in target.chunks_exact_mut(columns).enumerate() {
        let first = &data[2 * number * stride..][..columns];
        if 2 * number + 1 < depth {
            let second = &data[(2 * number + 1) * stride..][..columns];
            for ((target, first), second) in target.iter_mut().zip(first).zip(second) {
                *target = pair(*first, *second);
            }
        } else {
            target.iter_mut().zip(first).for_each(|(target, first)| *target = pair(*first, 0.0));
        }
    }
}

#[inline(always)]
fn pair_any(data: &[f32], layout: Layout, depth: usize, columns: usize, target: &mut [f32]) {
    let at = |k: usize, column: usize| data[k * layout.row_stride + column * layout.col_stride];
    for (number, target) in target.chunks_exact_mut(columns).enumerate() {
        for (column, target) in target.iter_mut().enumerate() {
            let k = 2 * number;
            let second = if k + 1 < depth { at(k + 1, column) } else { 0.0 };
            *target = pair(at(k, column), second);
        }
    }
}

#[inline(always)]
fn pair(first: f32, second: f32) -> f32 {
    f32::from_bits(bf16(first) >> 16 | bf16(second))
}

/// The bits of the nearest bfloat16, ties to even, as those of a 32-bit float; NaN stays NaN.
#[inline(always)]
fn bf16(value: f32) -> u32 {
    const QUIET: u32 = 0x0040_0000;
    let bits = value.to_bits();
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1));
    (if value.is_nan() { bits | QUIET } else { rounded }) & 0xffff_0000
}

#[cfg(test)]
mod tests {
    use half::bf16 as Reference;

    use super::*;

    #[test]
    fn rounds_as_the_type_does() {
        let edges = [0.0, -0.0, f32::MAX, f32::MIN_POSITIVE, 1e-40, f32::INFINITY, -f32::INFINITY];
        let many = (0..100_000_u32).map(|at| f32::from_bits(at.wrapping_mul(2_654_435_761)));
        for value in edges.into_iter().chain([f32::from_bits(0x7f80_0001)]).chain(many) {
            let (found, expected) = (f32::from_bits(bf16(value)), Reference::from_f32(value));
            assert!(
                found.to_bits() == expected.to_f32().to_bits()
                    || found.is_nan() && expected.is_nan(),
                "{value}: {found}, expected {expected}"
            );
        }
    }

    #[test]
    fn single_precision_is_left_alone() {
        let values = [1.000_001, -3.3];
        for (factors, expected) in
            [(Factors::Single, values), (Factors::Rounded, [1.0, -3.296_875])]
        {
            let mut packed = values;
            factors.finish(&mut packed);
            assert_eq!(packed, expected);
        }
    }

    /// However a factor lies, a pair has the earlier step in its lower half.
    #[test]
    fn pairs_are_the_same_however_a_factor_lies() {
        let data: Vec<f32> = (0..60).map(|x| x as f32).collect();
        let across = Matrix::strided(&data, 5, 4, 6);
        let mut turned = vec![0.0; 60];
        let mut spread = vec![0.0; 120];
        for (k, column) in (0..5).flat_map(|k| (0..4).map(move |column| (k, column))) {
            turned[column * 7 + k] = data[k * 6 + column];
            spread[k * 20 + column * 3] = data[k * 6 + column];
        }
        let layout = Layout { rows: 5, cols: 4, row_stride: 20, col_stride: 3 };
        let spread = Matrix { data: &spread, layout };
        for factor in [across, Matrix::strided(&turned, 4, 5, 7).transposed(), spread] {
            let paired = Paired::new(factor, &(1..4), &(1..3));
            let Matrix { data, layout: Layout { rows, cols, row_stride, col_stride } } =
                paired.matrix();
            assert_eq!([rows, cols], [2, 2]);
            let halves = |bits: u32| [bits << 16, bits & 0xffff_0000].map(f32::from_bits);
            let at = |row: usize, col: usize| {
                halves(data[row * row_stride + col * col_stride].to_bits())
            };
            assert_eq!([at(0, 0), at(0, 1)], [[7.0, 13.0], [8.0, 14.0]]);
            assert_eq!([at(1, 0), at(1, 1)], [[19.0, 0.0], [20.0, 0.0]]);
        }
    }
}
