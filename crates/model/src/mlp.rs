//! The gated feed-forward part, SwiGLU (Shazeer 2020, arXiv:2002.05202).

use burn::{
    module::{Module, Param},
    tensor::{Tensor, activation::silu},
};

/// Three projections; matrices are `[out, in]`.
#[derive(Module, Debug)]
pub(crate) struct Mlp {
    /// `[intermediate_size, hidden_size]`.
    pub(crate) gate: Param<Tensor<2>>,
    /// `[intermediate_size, hidden_size]`.
    pub(crate) up: Param<Tensor<2>>,
    /// `[hidden_size, intermediate_size]`.
    pub(crate) down: Param<Tensor<2>>,
}

impl Mlp {
    /// # Shapes
    /// - x, output: `[batch, seq, hidden_size]`
    pub(crate) fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let gate = x.clone().matmul(self.gate.val().transpose().unsqueeze());
        let up = x.matmul(self.up.val().transpose().unsqueeze());
        (silu(gate) * up).matmul(self.down.val().transpose().unsqueeze())
    }
}
