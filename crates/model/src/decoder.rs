//! The whole decoder, and what a trainer needs of it.

use burn::{
    module::{Module, Param},
    tensor::{Bool, Device, Gradients, Int, Tensor, TensorData},
};

use crate::{
    Config, Error, PackedRows, Parameter,
    attention::{Attention, causal_mask, packed_mask},
    block::Block,
    fused,
    generate::LayerCache,
    loss,
    mlp::Mlp,
    names::{BlockField, Field, parameters},
    norm::Norm,
    rope::{Rotation, RotationTensors},
};

/// A Llama-family decoder.
///
/// Its tensors lie on one device. Made on `device.autodiff()` it can be trained; [`Module::valid`]
/// gives a copy for inference that shares the weights.
///
/// **Flat values.** A trainer sees the weights as one `&[f32]`: the tensors of
/// [`Decoder::parameters`] one behind the other, matrices as `[out, in]`. [`Decoder::values`],
/// [`Decoder::set_values`] and [`Decoder::gradients`] share that order, so that an optimizer is one
/// loop over flat slices. Each costs one copy of the weights.
#[derive(Module, Debug)]
pub struct Decoder {
    pub(crate) embedding: Param<Tensor<2>>,
    pub(crate) blocks: Vec<Block>,
    pub(crate) norm: Norm,
    pub(crate) head: Option<Param<Tensor<2>>>,
    #[module(skip)]
    pub(crate) config: Config,
}

/// A tensor of the decoder by its rank.
enum ParamRef<'a> {
    Vector(&'a Param<Tensor<1>>),
    Matrix(&'a Param<Tensor<2>>),
}

impl Decoder {
    /// Builds a decoder tensor by tensor; `values` is asked for each field in the fixed order.
    pub(crate) fn build(
        config: &Config,
        device: &Device,
        mut values: impl FnMut(Field) -> Result<Vec<f32>, Error>,
    ) -> Result<Self, Error> {
        let mut build = Builder { config, device, values: &mut values };
        let embedding = build.matrix(Field::Embedding)?;
        let blocks =
            (0..config.n_layers).map(|number| build.block(number)).collect::<Result<_, _>>()?;
        let norm = build.norm(Field::Norm)?;
        let head = (!config.tie_word_embeddings).then(|| build.matrix(Field::Head)).transpose()?;
        Ok(Self { embedding, blocks, norm, head, config: config.clone() })
    }

    /// The decoder's shape.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The device its tensors lie on, with its autodiff association.
    pub fn device(&self) -> Device {
        self.embedding.val().device()
    }

    /// Name and shape of every tensor, in the one fixed order of flat values.
    pub fn parameters(&self) -> Vec<Parameter> {
        parameters(&self.config)
    }

    /// Name, shape and values of every tensor in the fixed order, copied off the device one at a time.
    pub fn named_tensors(&self) -> impl Iterator<Item = (Parameter, Vec<f32>)> + '_ {
        self.parameters()
            .into_iter()
            .zip(Field::all(&self.config))
            .map(|(parameter, field)| (parameter, self.field_values(field)))
    }

    /// All weights, flat.
    pub fn values(&self) -> Vec<f32> {
        let mut flat = Vec::with_capacity(self.config.n_parameters());
        for field in Field::all(&self.config) {
            flat.extend_from_slice(&self.field_values(field));
        }
        flat
    }

    /// Replaces all weights by flat values.
    ///
    /// # Errors
    ///
    /// [`Error::ValueCount`] when there are too few or too many.
    pub fn set_values(&mut self, flat: &[f32]) -> Result<(), Error> {
        let expected = self.config.n_parameters();
        if flat.len() != expected {
            return Err(Error::ValueCount { found: flat.len(), expected });
        }
        let device = self.device();
        let mut rest = flat;
        *self = Self::build(&self.config.clone(), &device, |field| {
            let n: usize = field.shape(&self.config).iter().product();
            let (values, behind) = rest.split_at(n);
            rest = behind;
            Ok(values.to_vec())
        })?;
        Ok(())
    }

    /// Takes the gradients out of a backward pass into `flat`, overwriting it.
    ///
    /// A tensor that the loss does not depend on gets zeros.
    ///
    /// # Panics
    ///
    /// When `flat` is not as long as [`Decoder::values`].
    pub fn gradients(&self, gradients: &mut Gradients, flat: &mut [f32]) {
        let mut rest = flat;
        for field in Field::all(&self.config) {
            let n: usize = field.shape(&self.config).iter().product();
            let (target, behind) = rest.split_at_mut(n);
            rest = behind;
            let gradient = match self.param(field) {
                ParamRef::Vector(param) => {
                    param.val().grad_remove(gradients).map(Tensor::into_data)
                }
                ParamRef::Matrix(param) => {
                    param.val().grad_remove(gradients).map(Tensor::into_data)
                }
            };
            match gradient {
                Some(data) => target.copy_from_slice(data.as_slice().expect("weights are f32")),
                None => target.fill(0.0),
            }
        }
        assert!(rest.is_empty(), "flat gradients are longer than the weights");
    }

    /// The loss of each position in nats, 0 where the mask is off; differentiable.
    ///
    /// On the CPU the work is done by fused operations that skip padding and cost the sum of
    /// squared segment lengths in attention; elsewhere by burn's operations on whole rows.
    ///
    /// # Shapes
    /// - output: `[n_rows, length]`
    ///
    /// # Panics
    ///
    /// When the rows are malformed or have an id outside the vocabulary: both are defects of the
    /// caller, who checked its data when it was read.
    pub fn token_losses(&self, rows: &PackedRows) -> Tensor<2> {
        rows.assert_valid(self.config.vocab_size);
        if fused::runs_on(&self.device()) {
            fused::token_losses(self, rows)
        } else {
            self.composed_token_losses(rows)
        }
    }

    /// [`Decoder::token_losses`] in burn's operations, on any device.
    pub(crate) fn composed_token_losses(&self, rows: &PackedRows) -> Tensor<2> {
        let device = self.device();
        let mut positions = vec![0; rows.n_rows * rows.length];
        for span in rows.spans() {
            for (position, at) in positions[span.start..][..span.len].iter_mut().enumerate() {
                *at = position;
            }
        }
        let rotation =
            Rotation::at(&self.config, positions.into_iter()).to_tensors(rows.n_rows, &device);
        let ids = ids_tensor(&rows.inputs, &device);
        let x = self.embed(ids, rows.n_rows);
        let x = self.hidden(x, &rotation, &packed_mask(rows, &device), None);
        loss::token_losses(self.project(x), rows)
    }

    /// Logits after each token of one text.
    ///
    /// # Shapes
    /// - output: `[ids.len(), vocab_size]`
    ///
    /// # Errors
    ///
    /// [`Error::TokenId`] for an id outside the vocabulary.
    pub fn logits(&self, ids: &[u32]) -> Result<Tensor<2>, Error> {
        let logits = self.extend(ids, 0, None)?;
        let [_, seq, vocab_size] = logits.dims();
        Ok(logits.reshape([seq, vocab_size]))
    }

    /// Logits of `ids` behind the `past` tokens whose keys and values the caches hold: `[1, ids, vocab_size]`.
    pub(crate) fn extend(
        &self,
        ids: &[u32],
        past: usize,
        caches: Option<&mut [LayerCache]>,
    ) -> Result<Tensor<3>, Error> {
        let vocab_size = self.config.vocab_size;
        if let Some(&found) = ids.iter().find(|id| **id as usize >= vocab_size) {
            return Err(Error::TokenId { found, vocab_size });
        }
        let device = self.device();
        let rotation = Rotation::at(&self.config, past..past + ids.len()).to_tensors(1, &device);
        let x = self.embed(ids_tensor(ids, &device), 1);
        let x = self.hidden(x, &rotation, &causal_mask(past, ids.len(), &device), caches);
        Ok(self.project(x))
    }

    /// The output matrix, `[vocab_size, hidden_size]`.
    pub(crate) fn output_matrix(&self) -> Tensor<2> {
        self.head.as_ref().unwrap_or(&self.embedding).val()
    }

    fn embed(&self, ids: Tensor<1, Int>, batch: usize) -> Tensor<3> {
        let seq = ids.dims()[0] / batch;
        self.embedding.val().select(0, ids).reshape([batch, seq, self.config.hidden_size])
    }

    fn hidden(
        &self,
        x: Tensor<3>,
        rotation: &RotationTensors,
        mask: &Tensor<4, Bool>,
        caches: Option<&mut [LayerCache]>,
    ) -> Tensor<3> {
        let mut caches = caches.map(|caches| caches.iter_mut());
        let x = self.blocks.iter().fold(x, |x, block| {
            let cache = caches.as_mut().and_then(Iterator::next);
            block.forward(x, rotation, mask, cache)
        });
        self.norm.forward(x)
    }

    fn project(&self, x: Tensor<3>) -> Tensor<3> {
        x.matmul(self.output_matrix().transpose().unsqueeze())
    }

    fn field_values(&self, field: Field) -> Vec<f32> {
        let data = match self.param(field) {
            ParamRef::Vector(param) => param.val().into_data(),
            ParamRef::Matrix(param) => param.val().into_data(),
        };
        data.try_into_vec().expect("weights are f32")
    }

    fn param(&self, field: Field) -> ParamRef<'_> {
        let (number, field) = match field {
            Field::Embedding => return ParamRef::Matrix(&self.embedding),
            Field::Norm => return ParamRef::Vector(&self.norm.weight),
            Field::Head => {
                return ParamRef::Matrix(self.head.as_ref().expect("an untied decoder has a head"));
            }
            Field::Block(number, field) => (number, field),
        };
        let block = &self.blocks[number];
        match field {
            BlockField::AttentionNorm => ParamRef::Vector(&block.attention_norm.weight),
            BlockField::Query => ParamRef::Matrix(&block.attention.query),
            BlockField::Key => ParamRef::Matrix(&block.attention.key),
            BlockField::Value => ParamRef::Matrix(&block.attention.value),
            BlockField::Output => ParamRef::Matrix(&block.attention.output),
            BlockField::MlpNorm => ParamRef::Vector(&block.mlp_norm.weight),
            BlockField::Gate => ParamRef::Matrix(&block.mlp.gate),
            BlockField::Up => ParamRef::Matrix(&block.mlp.up),
            BlockField::Down => ParamRef::Matrix(&block.mlp.down),
        }
    }
}

/// Asks for values field by field and makes parameters of them.
struct Builder<'a> {
    config: &'a Config,
    device: &'a Device,
    values: &'a mut dyn FnMut(Field) -> Result<Vec<f32>, Error>,
}

impl Builder<'_> {
    fn block(&mut self, number: usize) -> Result<Block, Error> {
        let of = |field| Field::Block(number, field);
        Ok(Block {
            attention_norm: self.norm(of(BlockField::AttentionNorm))?,
            attention: Attention {
                query: self.matrix(of(BlockField::Query))?,
                key: self.matrix(of(BlockField::Key))?,
                value: self.matrix(of(BlockField::Value))?,
                output: self.matrix(of(BlockField::Output))?,
                head_dim: self.config.head_dim,
            },
            mlp_norm: self.norm(of(BlockField::MlpNorm))?,
            mlp: Mlp {
                gate: self.matrix(of(BlockField::Gate))?,
                up: self.matrix(of(BlockField::Up))?,
                down: self.matrix(of(BlockField::Down))?,
            },
        })
    }

    fn norm(&mut self, field: Field) -> Result<Norm, Error> {
        Ok(Norm { weight: self.tensor(field)?, epsilon: self.config.rms_norm_eps })
    }

    fn matrix(&mut self, field: Field) -> Result<Param<Tensor<2>>, Error> {
        self.tensor(field)
    }

    fn tensor<const D: usize>(&mut self, field: Field) -> Result<Param<Tensor<D>>, Error> {
        let data = TensorData::new((self.values)(field)?, field.shape(self.config));
        Ok(Param::from_tensor(Tensor::from_data(data, self.device)))
    }
}

fn ids_tensor(ids: &[u32], device: &Device) -> Tensor<1, Int> {
    let ids: Vec<i32> = ids
        .iter()
        .map(|&id| i32::try_from(id).expect("ids lie below the vocabulary's size"))
        .collect();
    let n = ids.len();
    Tensor::from_data(TensorData::new(ids, [n]), device)
}

#[cfg(test)]
mod tests;
