//! The gated feed-forward part (Shazeer 2020, arXiv:2002.05202).

use burn::{
    module::Module,
    tensor::{Tensor, activation::silu},
};

use crate::{config::Activation, linear::Linear};

/// Three projections, and what the gate goes through.
#[derive(Module, Debug)]
pub(crate) struct Mlp {
    /// `hidden_size` to `intermediate_size`.
    pub(crate) gate: Linear,
    /// `hidden_size` to `intermediate_size`.
    pub(crate) up: Linear,
    /// `intermediate_size` to `hidden_size`.
    pub(crate) down: Linear,
    #[module(skip)]
    pub(crate) activation: Activation,
}

impl Mlp {
    /// # Shapes
    /// - x, output: `[batch, seq, hidden_size]`
    pub(crate) fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let gate = self.gate.forward(x.clone());
        let gate = match self.activation {
            Activation::Silu => silu(gate),
            Activation::GeluTanh => gelu_tanh(gate),
        };
        self.down.forward(gate * self.up.forward(x))
    }
}

/// `x/2 · (1 + tanh(√(2/π) · (x + 0.044715·x³)))`.
fn gelu_tanh(x: Tensor<3>) -> Tensor<3> {
    let inner =
        (x.clone().powi_scalar(3) * 0.044_715 + x.clone()) * (2.0 / std::f64::consts::PI).sqrt();
    x * 0.5 * (inner.tanh() + 1.0)
}
