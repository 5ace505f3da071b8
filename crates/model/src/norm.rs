//! Root mean square norm (Zhang and Sennrich 2019, arXiv:1910.07467).

use burn::{
    module::{Module, Param},
    tensor::Tensor,
};

/// Divides by the root mean square over the last axis and scales each element.
#[derive(Module, Debug)]
pub(crate) struct Norm {
    /// `[width]`.
    pub(crate) weight: Param<Tensor<1>>,
    /// Added to the mean square.
    pub(crate) epsilon: f64,
    /// Added to the weight.
    pub(crate) offset: f64,
}

impl Norm {
    /// # Shapes
    /// - x, output: `[…, width]`
    pub(crate) fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let mean_square = x.clone().powi_scalar(2).mean_dim(D - 1);
        let scale = (mean_square + self.epsilon).sqrt().recip();
        let weight = self.weight.val();
        let weight = if self.offset == 0.0 { weight } else { weight + self.offset };
        x * scale * weight.unsqueeze()
    }
}
