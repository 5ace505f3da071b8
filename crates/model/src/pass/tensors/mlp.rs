//! The feed-forward half of a block, with its norm and its residual: `y = x + mlp(norm(x))`.

use burn::tensor::{Tensor, activation::sigmoid};

use super::{norm::Normed, product::Products};
use crate::{block::Block, norm::Norm};

/// The operation with its weights as factors.
pub(super) struct Mlp {
    norm: Norm,
    gate: Tensor<2>,
    up: Tensor<2>,
    down: Tensor<2>,
    products: Products,
}

/// What the backward pass needs besides the input.
pub(super) struct MlpSaved {
    normed: Normed,
    /// `[n, inner]`, as a factor.
    gate: Tensor<2>,
    /// `[n, inner]`, as a factor.
    up: Tensor<2>,
}

impl Mlp {
    pub(super) fn new(block: &Block, products: Products) -> Self {
        let norm = block.mlp_norm.clone().expect("the norm stands before");
        let factor = |linear: &crate::linear::Linear| products.factor(linear.weight.val());
        let mlp = &block.mlp;
        let (gate, up, down) = (factor(&mlp.gate), factor(&mlp.up), factor(&mlp.down));
        Self { norm, gate, up, down, products }
    }

    /// # Shapes
    /// - x, output: `[n, hidden]`
    pub(super) fn forward(&self, x: Tensor<2>) -> (Tensor<2>, MlpSaved) {
        let products = self.products;
        let (y, normed) = Normed::forward(&self.norm, &x);
        let y = products.factor(y);
        let gate = products.forward(y.clone(), &self.gate);
        let up = products.forward(y, &self.up);
        let active = gate.clone() * sigmoid(gate.clone()) * up.clone();
        let y = x + products.forward(products.factor(active), &self.down);
        (y, MlpSaved { normed, gate: products.factor(gate), up: products.factor(up) })
    }

    /// The gradient of the input, and those of norm, gate, up and down, flat.
    ///
    /// # Shapes
    /// - x, dy: `[n, hidden]`
    pub(super) fn backward(
        &self,
        x: Tensor<2>,
        dy: Tensor<2>,
        saved: MlpSaved,
    ) -> (Tensor<2>, Vec<Tensor<1>>) {
        use burn::tensor::FloatDType::F32;
        let products = self.products;
        let MlpSaved { normed, gate, up } = saved;
        let (gate, up) = (gate.cast(F32), up.cast(F32));
        let dy_factor = products.factor(dy.clone());
        let d_active = products.product(dy_factor.clone(), self.down.clone());
        let s = sigmoid(gate.clone());
        let silu = gate * s.clone();
        let active = silu.clone() * up.clone();
        let d_up = products.factor(d_active.clone() * silu.clone());
        let d_silu = s.clone() + silu * (s.neg() + 1.0);
        let d_gate = products.factor(d_active * up * d_silu);
        let d_down = products.weight_gradient(products.factor(active), dy_factor);
        let y = products.factor(normed.again(&x));
        let of_gate = products.weight_gradient(y.clone(), d_gate.clone());
        let of_up = products.weight_gradient(y, d_up.clone());
        let d_normed =
            products.product(d_gate, self.gate.clone()) + products.product(d_up, self.up.clone());
        let (dx, of_norm) = normed.backward(x, d_normed);
        (dy + dx, vec![of_norm, of_gate, of_up, d_down])
    }
}
