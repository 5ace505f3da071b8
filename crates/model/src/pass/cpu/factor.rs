//! Factors of products in the precision that was asked for.
//!
//! bfloat16 is rounded to and computed with as 32-bit floats, which hold its products exactly: the
//! same numbers as on hardware that multiplies bfloat16 and adds in 32 bits, up to the order of sums.

use std::ops::Deref;

use crate::{
    cpu::{buffer::Buffer, gemm::Packed, vector::vectorized},
    pass::Precision,
};

/// Values as a factor of products: those given, or a rounded copy.
pub(super) enum Factor<'a> {
    Given(&'a [f32]),
    Rounded(Buffer),
}

impl Deref for Factor<'_> {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        match self {
            Self::Given(values) => values,
            Self::Rounded(values) => values,
        }
    }
}

impl Precision {
    /// Values that must stay as they are, as a factor.
    pub(super) fn factor(self, values: &[f32]) -> Factor<'_> {
        match self {
            Self::F32 => Factor::Given(values),
            Self::Bf16 => {
                let mut rounded = Buffer::copy_of(values);
                self.round(&mut rounded);
                Factor::Rounded(rounded)
            }
        }
    }

    /// A packed factor.
    pub(super) fn packed(self, mut packed: Packed) -> Packed {
        self.round(packed.values_mut());
        packed
    }

    /// Values that are needed as a factor only.
    pub(super) fn round(self, values: &mut [f32]) {
        if self == Self::F32 {
            return;
        }
        vectorized(
            #[inline(always)]
            || values.iter_mut().for_each(|value| *value = bf16(*value)),
        );
    }
}

/// The nearest bfloat16, ties to even; NaN stays NaN.
#[inline(always)]
fn bf16(value: f32) -> f32 {
    let bits = value.to_bits();
    let rounded = bits.wrapping_add(0x7fff + (bits >> 16 & 1)) & 0xffff_0000;
    if value.is_nan() { value } else { f32::from_bits(rounded) }
}

#[cfg(test)]
mod tests {
    use half::bf16 as Reference;

    use super::*;

    #[test]
    fn rounds_as_the_type_does() {
        let edges = [0.0, -0.0, f32::MAX, f32::MIN_POSITIVE, 1e-40, f32::INFINITY, -f32::INFINITY];
        let many = (0..100_000_u32).map(|at| f32::from_bits(at.wrapping_mul(2_654_435_761)));
        for value in edges.into_iter().chain(many) {
            let (found, expected) = (bf16(value), Reference::from_f32(value).to_f32());
            assert!(
                found.to_bits() == expected.to_bits() || found.is_nan() && expected.is_nan(),
                "{value}: {found}, expected {expected}"
            );
        }
    }

    #[test]
    fn single_precision_is_left_alone() {
        let mut values = [1.000_001, -3.3];
        Precision::F32.round(&mut values);
        assert_eq!(values, [1.000_001, -3.3]);
        Precision::Bf16.round(&mut values);
        assert_eq!(values, [1.0, -3.296_875]);
    }
}
