//! A decoder's weights as slices that share the tensors' memory.

use burn::{
    backend::{Flex, flex::FlexTensor},
    module::Param,
    tensor::Tensor,
};

use crate::{Decoder, block::Block, linear, norm};

/// All weights.
#[derive(Debug)]
pub(crate) struct Weights {
    /// `[vocab_size, hidden_size]`.
    pub(crate) embedding: Values,
    pub(crate) layers: Vec<LayerWeights>,
    pub(crate) norm: NormWeights,
    /// `[vocab_size, hidden_size]`.
    pub(crate) head: Values,
}

/// The weights of a block.
#[derive(Debug)]
pub(crate) struct LayerWeights {
    pub(crate) attention_norm: Option<NormWeights>,
    pub(crate) query: LinearWeights,
    pub(crate) key: LinearWeights,
    pub(crate) value: LinearWeights,
    pub(crate) query_norm: Option<NormWeights>,
    pub(crate) key_norm: Option<NormWeights>,
    pub(crate) output: LinearWeights,
    pub(crate) attention_post_norm: Option<NormWeights>,
    pub(crate) mlp_norm: Option<NormWeights>,
    pub(crate) gate: LinearWeights,
    pub(crate) up: LinearWeights,
    pub(crate) down: LinearWeights,
    pub(crate) mlp_post_norm: Option<NormWeights>,
}

/// A projection.
#[derive(Debug)]
pub(crate) struct LinearWeights {
    /// `[out, in]`.
    pub(crate) weight: Values,
    /// `[out]`.
    pub(crate) bias: Option<Values>,
    /// `in`.
    pub(crate) width: usize,
}

/// A norm; the offset is added already.
#[derive(Debug)]
pub(crate) struct NormWeights {
    pub(crate) weight: Vec<f32>,
    pub(crate) epsilon: f32,
}

/// The values of a tensor on the CPU, in row-major order.
#[derive(Debug)]
pub(crate) struct Values(FlexTensor);

impl Weights {
    /// Those of a decoder on the CPU without autodiff.
    pub(crate) fn of(decoder: &Decoder) -> Self {
        Self {
            embedding: values(&decoder.embedding),
            layers: decoder.blocks.iter().map(LayerWeights::of).collect(),
            norm: NormWeights::of(&decoder.norm),
            head: values(decoder.head.as_ref().unwrap_or(&decoder.embedding)),
        }
    }
}

impl LayerWeights {
    fn of(block: &Block) -> Self {
        let norm = |norm: &Option<norm::Norm>| norm.as_ref().map(NormWeights::of);
        let (attention, mlp) = (&block.attention, &block.mlp);
        Self {
            attention_norm: norm(&block.attention_norm),
            query: LinearWeights::of(&attention.query),
            key: LinearWeights::of(&attention.key),
            value: LinearWeights::of(&attention.value),
            query_norm: norm(&attention.query_norm),
            key_norm: norm(&attention.key_norm),
            output: LinearWeights::of(&attention.output),
            attention_post_norm: norm(&block.attention_post_norm),
            mlp_norm: norm(&block.mlp_norm),
            gate: LinearWeights::of(&mlp.gate),
            up: LinearWeights::of(&mlp.up),
            down: LinearWeights::of(&mlp.down),
            mlp_post_norm: norm(&block.mlp_post_norm),
        }
    }
}

impl LinearWeights {
    fn of(linear: &linear::Linear) -> Self {
        let [_, width] = linear.weight.dims();
        Self { weight: values(&linear.weight), bias: linear.bias.as_ref().map(values), width }
    }
}

impl NormWeights {
    fn of(norm: &norm::Norm) -> Self {
        let weight =
            values(&norm.weight).iter().map(|weight| weight + norm.offset as f32).collect();
        Self { weight, epsilon: norm.epsilon as f32 }
    }
}

impl std::ops::Deref for Values {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        self.0.as_slice().expect("parameters are contiguous and f32")
    }
}

fn values<const D: usize>(param: &Param<Tensor<D>>) -> Values {
    let tensor = param.val().try_into_primitive::<Flex>();
    Values(tensor.expect("the decoder lies on the CPU, without autodiff").to_contiguous())
}
