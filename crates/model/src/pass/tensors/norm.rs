//! RMSNorm over rows, and back.

use burn::tensor::Tensor;

use crate::norm::Norm;

/// A norm's weight, and one over the root mean square of each row.
#[derive(Clone, Debug)]
pub(super) struct Normed {
    /// `[1, width]`.
    weight: Tensor<2>,
    /// `[n, 1]`.
    scale: Tensor<2>,
}

impl Normed {
    /// The rows of `x`, normed, and what the way back needs.
    ///
    /// # Shapes
    /// - x, first output: `[n, width]`
    pub(super) fn forward(norm: &Norm, x: &Tensor<2>) -> (Tensor<2>, Self) {
        let mean_square = x.clone().powi_scalar(2).mean_dim(1);
        let scale = (mean_square + norm.epsilon).sqrt().recip();
        let normed = Self { weight: norm.weight.val().unsqueeze(), scale };
        (normed.again(x), normed)
    }

    /// The normed rows once more.
    pub(super) fn again(&self, x: &Tensor<2>) -> Tensor<2> {
        x.clone() * self.scale.clone() * self.weight.clone()
    }

    /// The gradients of input and weight.
    ///
    /// With y = x · s · w and s the scale: dx = s·(dy·w) − x·s³·mean(dy·w·x), dw = Σ dy·x·s.
    pub(super) fn backward(&self, x: Tensor<2>, dy: Tensor<2>) -> (Tensor<2>, Tensor<1>) {
        let unit = x * self.scale.clone();
        let d_weight = (dy.clone() * unit.clone()).sum_dim(0).squeeze_dim(0);
        let d_unit = dy * self.weight.clone();
        let along = (d_unit.clone() * unit.clone()).mean_dim(1);
        ((d_unit - unit * along) * self.scale.clone(), d_weight)
    }
}
