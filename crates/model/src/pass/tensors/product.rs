//! Products of matrices in the type that the precision says, sums in 32-bit floats.

use burn::tensor::{FloatDType, Tensor};

use crate::pass::Precision;

/// How products are computed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Products {
    dtype: FloatDType,
}

impl Products {
    pub(super) fn new(precision: Precision) -> Self {
        let dtype = match precision {
            Precision::F32 => FloatDType::F32,
            Precision::Bf16 => FloatDType::BF16,
        };
        Self { dtype }
    }

    /// A factor of products.
    pub(super) fn factor<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        x.cast(self.dtype)
    }

    /// `left · right`, both factors; a 32-bit float again.
    pub(super) fn product<const D: usize>(self, left: Tensor<D>, right: Tensor<D>) -> Tensor<D> {
        left.matmul(right).cast(FloatDType::F32)
    }

    /// `x · weightᵀ` for a weight `[out, in]`.
    pub(super) fn forward(self, x: Tensor<2>, weight: &Tensor<2>) -> Tensor<2> {
        self.product(x, weight.clone().transpose())
    }

    /// The gradient of [`Products::forward`]'s weight, flat.
    pub(super) fn weight_gradient(self, x: Tensor<2>, dy: Tensor<2>) -> Tensor<1> {
        super::flat(self.product(dy.transpose(), x))
    }
}
