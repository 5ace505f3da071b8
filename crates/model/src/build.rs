//! Putting a decoder together from its tensors.

use std::collections::BTreeMap;

use burn::{
    module::Param,
    tensor::{Device, Tensor, TensorData},
};

use crate::{
    Config, Decoder, Error,
    attention::{Attention, AttentionShape},
    block::Block,
    linear::Linear,
    mlp::Mlp,
    names::{BlockField as B, Field, fields},
    norm::Norm,
};

impl Decoder {
    /// Builds a decoder tensor by tensor; `values` is asked for each field in the fixed order.
    pub(crate) fn build(
        config: &Config,
        device: &Device,
        mut values: impl FnMut(Field) -> Result<Vec<f32>, Error>,
    ) -> Result<Self, Error> {
        let mut parts = Parts { config, vectors: BTreeMap::new(), matrices: BTreeMap::new() };
        for field in fields(config) {
            let shape = field.shape(config);
            let is_matrix = shape.len() == 2;
            let data = TensorData::new(values(field)?, shape);
            if is_matrix {
                let tensor = Param::from_tensor(Tensor::from_data(data, device));
                parts.matrices.insert(field, tensor);
            } else {
                let tensor = Param::from_tensor(Tensor::from_data(data, device));
                parts.vectors.insert(field, tensor);
            }
        }
        let blocks = (0..config.n_layers()).map(|number| parts.block(number)).collect();
        Ok(Self {
            embedding: parts.matrix(Field::Embedding),
            blocks,
            norm: parts.norm(Field::Norm).expect("every decoder has a last norm"),
            head: parts.matrices.remove(&Field::Head),
            config: config.clone(),
        })
    }
}

/// Tensors that have no place yet.
struct Parts<'a> {
    config: &'a Config,
    vectors: BTreeMap<Field, Param<Tensor<1>>>,
    matrices: BTreeMap<Field, Param<Tensor<2>>>,
}

impl Parts<'_> {
    fn block(&mut self, number: usize) -> Block {
        let of = |field| Field::Block(number, field);
        Block {
            attention_norm: self.norm(of(B::AttentionNorm)),
            attention: Attention {
                query: self.linear(of(B::Query), of(B::QueryBias)),
                key: self.linear(of(B::Key), of(B::KeyBias)),
                value: self.linear(of(B::Value), of(B::ValueBias)),
                output: self.linear(of(B::Output), of(B::OutputBias)),
                query_norm: self.norm(of(B::QueryNorm)),
                key_norm: self.norm(of(B::KeyNorm)),
                shape: AttentionShape {
                    head_dim: self.config.head_dim,
                    qk_norm: self.config.qk_norm,
                    scale: self.config.attention_scale,
                    soft_cap: self.config.attention_soft_cap,
                    layer: self.config.layers[number],
                },
            },
            attention_post_norm: self.norm(of(B::AttentionPostNorm)),
            mlp_norm: self.norm(of(B::MlpNorm)),
            mlp: Mlp {
                gate: self.linear(of(B::Gate), of(B::GateBias)),
                up: self.linear(of(B::Up), of(B::UpBias)),
                down: self.linear(of(B::Down), of(B::DownBias)),
                activation: self.config.activation,
            },
            mlp_post_norm: self.norm(of(B::MlpPostNorm)),
        }
    }

    fn matrix(&mut self, field: Field) -> Param<Tensor<2>> {
        self.matrices.remove(&field).expect("the tables have every projection")
    }

    fn linear(&mut self, weight: Field, bias: Field) -> Linear {
        Linear { weight: self.matrix(weight), bias: self.vectors.remove(&bias), dropped: None }
    }

    fn norm(&mut self, field: Field) -> Option<Norm> {
        let weight = self.vectors.remove(&field)?;
        Some(Norm { weight, epsilon: self.config.norm_epsilon, offset: self.config.norm_offset })
    }
}
