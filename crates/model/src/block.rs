//! One block of the decoder: attention, then feed-forward, each behind a norm and beside the stream.

use burn::{
    module::Module,
    tensor::{Bool, Tensor},
};

use crate::{
    attention::Attention, generate::LayerCache, mlp::Mlp, norm::Norm, rope::RotationTensors,
};

/// The parts of one block.
#[derive(Module, Debug)]
pub(crate) struct Block {
    pub(crate) attention_norm: Norm,
    pub(crate) attention: Attention,
    pub(crate) mlp_norm: Norm,
    pub(crate) mlp: Mlp,
}

impl Block {
    /// # Shapes
    /// - x, output: `[batch, seq, hidden_size]`
    /// - hidden: `[batch, 1, seq, keys]`
    pub(crate) fn forward(
        &self,
        x: Tensor<3>,
        rotation: &RotationTensors,
        hidden: &Tensor<4, Bool>,
        cache: Option<&mut LayerCache>,
    ) -> Tensor<3> {
        let x = x.clone()
            + self.attention.forward(self.attention_norm.forward(x), rotation, hidden, cache);
        x.clone() + self.mlp.forward(self.mlp_norm.forward(x))
    }
}
