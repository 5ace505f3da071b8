//! Root mean square norm (Zhang and Sennrich 2019, arXiv:1910.07467).

use burn::{
    module::{Module, Param},
    tensor::Tensor,
};

/// Divides by the root mean square over the last axis and scales each element.
#[derive(Module, Debug)]
pub(crate) struct Norm {
    /// `[hidden_size]`.
    pub(crate) weight: Param<Tensor<1>>,
    pub(crate) epsilon: f64,
}

impl Norm {
    /// # Shapes
    /// - x, output: `[batch, seq, hidden_size]`
    pub(crate) fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let mean_square = x.clone().powi_scalar(2).mean_dim(2);
        let scale = (mean_square + self.epsilon).sqrt().recip();
        x * scale * self.weight.val().unsqueeze()
    }
}
