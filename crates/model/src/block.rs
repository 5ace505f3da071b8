//! One block of the decoder: attention, then feed-forward, each beside the residual stream.

use burn::{module::Module, tensor::Tensor};

use crate::{
    attention::{Attention, Surroundings},
    decoder::ParamRef,
    generate::LayerCache,
    linear::Linear,
    mlp::Mlp,
    names::BlockField,
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

impl Block {
    /// One of its tensors, if it has it.
    pub(crate) fn param<'a>(&'a self, field: BlockField) -> Option<ParamRef<'a>> {
        use BlockField as B;
        let (attention, mlp) = (&self.attention, &self.mlp);
        let norm =
            |norm: &'a Option<Norm>| norm.as_ref().map(|norm| ParamRef::Vector(&norm.weight));
        let weight = |linear: &'a Linear| Some(ParamRef::Matrix(&linear.weight));
        let bias = |linear: &'a Linear| linear.bias.as_ref().map(ParamRef::Vector);
        match field {
            B::AttentionNorm => norm(&self.attention_norm),
            B::Query => weight(&attention.query),
            B::QueryBias => bias(&attention.query),
            B::Key => weight(&attention.key),
            B::KeyBias => bias(&attention.key),
            B::Value => weight(&attention.value),
            B::ValueBias => bias(&attention.value),
            B::QueryNorm => norm(&attention.query_norm),
            B::KeyNorm => norm(&attention.key_norm),
            B::Output => weight(&attention.output),
            B::OutputBias => bias(&attention.output),
            B::AttentionPostNorm => norm(&self.attention_post_norm),
            B::MlpNorm => norm(&self.mlp_norm),
            B::Gate => weight(&mlp.gate),
            B::GateBias => bias(&mlp.gate),
            B::Up => weight(&mlp.up),
            B::UpBias => bias(&mlp.up),
            B::Down => weight(&mlp.down),
            B::DownBias => bias(&mlp.down),
            B::MlpPostNorm => norm(&self.mlp_post_norm),
        }
    }
}

fn normed(norm: &Option<Norm>, x: Tensor<3>) -> Tensor<3> {
    match norm {
        Some(norm) => norm.forward(x),
        None => x,
    }
}
