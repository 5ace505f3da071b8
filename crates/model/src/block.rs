//! One block of the decoder: attention, then feed-forward, each beside the residual stream.

use burn::{module::Module, tensor::Tensor};

use crate::{
    attention::{Attention, Surroundings},
    generate::LayerCache,
    mlp::Mlp,
    norm::Norm,
};

/// The parts of one block; norms stand before a part, behind it, or both.
#[derive(Module, Debug)]
pub(crate) struct Block {
    pub(crate) attention_norm: Option<Norm>,
    pub(crate) attention: Attention,
    pub(crate) attention_post_norm: Option<Norm>,
    pub(crate) mlp_norm: Option<Norm>,
    pub(crate) mlp: Mlp,
    pub(crate) mlp_post_norm: Option<Norm>,
}

impl Block {
    /// # Shapes
    /// - x, output: `[batch, seq, hidden_size]`
    pub(crate) fn forward(
        &self,
        x: Tensor<3>,
        around: &Surroundings,
        cache: Option<&mut LayerCache>,
    ) -> Tensor<3> {
        let y = self.attention.forward(normed(&self.attention_norm, x.clone()), around, cache);
        let x = x + normed(&self.attention_post_norm, y);
        let y = self.mlp.forward(normed(&self.mlp_norm, x.clone()));
        x + normed(&self.mlp_post_norm, y)
    }
}

fn normed(norm: &Option<Norm>, x: Tensor<3>) -> Tensor<3> {
    match norm {
        Some(norm) => norm.forward(x),
        None => x,
    }
}
