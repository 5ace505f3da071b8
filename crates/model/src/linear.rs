//! A projection with or without a bias.

use burn::{
    module::{Module, Param},
    tensor::Tensor,
};

/// `x · weightᵀ + bias`.
#[derive(Module, Debug)]
pub(crate) struct Linear {
    /// `[out, in]`.
    pub(crate) weight: Param<Tensor<2>>,
    /// `[out]`.
    pub(crate) bias: Option<Param<Tensor<1>>>,
    /// What a part of the weight does not see, while a pass drops inputs.
    #[module(skip)]
    pub(crate) dropped: Option<Dropped>,
}

/// A part of the weight that is trained in its place, with dropout before it.
#[derive(Clone, Debug)]
pub(crate) struct Dropped {
    /// `[out, in]`.
    pub(crate) change: Tensor<2>,
    /// What its input is multiplied by, less one: `[batch, seq, in]`.
    pub(crate) mask: Tensor<3>,
}

impl Linear {
    /// # Shapes
    /// - x: `[batch, seq, in]`
    /// - output: `[batch, seq, out]`
    pub(crate) fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let y = x.clone().matmul(self.weight.val().transpose().unsqueeze());
        let y = match &self.dropped {
            Some(Dropped { change, mask }) => {
                y + (x * mask.clone()).matmul(change.clone().transpose().unsqueeze())
            }
            None => y,
        };
        match &self.bias {
            Some(bias) => y + bias.val().unsqueeze(),
            None => y,
        }
    }
}
