//! The whole decoder, and what a trainer needs of it.

use burn::{
    module::{Module, Param},
    tensor::{Device, Int, Tensor, TensorData},
};

use crate::{
    Config, Error, PackedRows, Parameter,
    attention::{Surroundings, causal_mask, packed_mask},
    block::Block,
    generate::LayerCache,
    names::{Field, fields, parameters},
    norm::Norm,
    rope::{Rotation, Stretch},
};

/// Values that are taken from a matrix at a time (4 MB): each is a transfer where weights lie on a GPU.
const PIECE: usize = 1 << 20;

/// The decoder that a [`Config`] describes.
///
/// Its tensors lie on one device, without autodiff: passes have their own way back.
///
/// **Flat values.** A trainer sees the weights as one `&[f32]`: the tensors of
/// [`Decoder::parameters`] one behind the other, matrices as `[out, in]`. [`Decoder::values`],
/// [`Decoder::set_values`] and flat gradients share that order, and cost one copy of the weights;
/// [`Decoder::update_values`] changes them where they lie.
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
pub(crate) enum ParamRef<'a> {
    Vector(&'a Param<Tensor<1>>),
    Matrix(&'a Param<Tensor<2>>),
}

impl Decoder {
    /// The decoder's shape.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The device its tensors lie on.
    pub fn device(&self) -> Device {
        self.embedding.val().device()
    }

    /// Name and shape of every tensor, in the one fixed order of flat values.
    pub fn parameters(&self) -> Vec<Parameter> {
        parameters(&self.config)
    }

    /// All weights, flat.
    pub fn values(&self) -> Vec<f32> {
        let mut flat = Vec::with_capacity(self.config.n_parameters());
        for field in fields(&self.config) {
            self.pieces(field).for_each(|values| flat.extend(values));
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

    /// What all layers read of packed rows.
    pub(crate) fn surroundings(&self, rows: &PackedRows) -> Surroundings {
        let device = self.device();
        let stretches = || {
            let of_row = |lengths: &Vec<usize>| {
                let padding = rows.length - lengths.iter().sum::<usize>();
                lengths.iter().copied().chain([padding]).collect::<Vec<_>>()
            };
            rows.segments.iter().flat_map(of_row).map(|len| Stretch { first: 0, len })
        };
        Surroundings {
            rotations: (self.config.ropes.iter())
                .map(|rope| Rotation::new(rope, stretches()).to_tensors(rows.n_rows, &device))
                .collect(),
            hidden: (self.windows().into_iter())
                .map(|window| (window, packed_mask(rows, window, &device)))
                .collect(),
        }
    }

    /// Logits after each token of one text.
    ///
    /// # Shapes
    /// - output: `[ids.len(), vocab_size]`
    ///
    /// # Errors
    ///
    /// [`Error::Prompt`] for no ids at all, [`Error::TokenId`] for one outside the vocabulary.
    pub fn logits(&self, ids: &[u32]) -> Result<Tensor<2>, Error> {
        let (seq, vocab_size) = (ids.len(), self.config.vocab_size);
        if ids.is_empty() {
            return Err(Error::Prompt { found: 0, expected: self.config.max_position_embeddings });
        }
        if let Some(&found) = ids.iter().find(|id| **id as usize >= vocab_size) {
            return Err(Error::TokenId { found, vocab_size });
        }
        let device = self.device();
        let stretch = Stretch { first: 0, len: seq };
        let around = Surroundings {
            rotations: (self.config.ropes.iter())
                .map(|rope| Rotation::new(rope, [stretch].into_iter()).to_tensors(1, &device))
                .collect(),
            hidden: (self.windows().into_iter())
                .map(|window| (window, causal_mask(seq, window, &device)))
                .collect(),
        };
        let x = self.hidden(self.embed_ids(ids, 1), &around, None);
        Ok(self.project(x).reshape([seq, vocab_size]))
    }

    /// The windows that occur, each once.
    pub(crate) fn windows(&self) -> Vec<Option<usize>> {
        let mut windows: Vec<_> = self.config.layers.iter().map(|layer| layer.window).collect();
        windows.sort();
        windows.dedup();
        windows
    }

    /// The output matrix, `[vocab_size, hidden_size]`.
    pub(crate) fn output_matrix(&self) -> Tensor<2> {
        self.head.as_ref().unwrap_or(&self.embedding).val()
    }

    /// Embeddings of `batch` rows of ids: `[batch, seq, hidden_size]`.
    pub(crate) fn embed_ids(&self, ids: &[u32], batch: usize) -> Tensor<3> {
        let x = self.embedding.val().select(0, ids_tensor(ids, &self.device()));
        let scale = self.config.embedding_scale;
        let x = if scale == 1.0 { x } else { x * scale };
        x.reshape([batch, ids.len() / batch, self.config.hidden_size])
    }

    /// What the last norm gives: `[batch, seq, hidden_size]`.
    pub(crate) fn hidden(
        &self,
        x: Tensor<3>,
        around: &Surroundings,
        caches: Option<&mut [LayerCache]>,
    ) -> Tensor<3> {
        let mut caches = caches.map(|caches| caches.iter_mut());
        let x = self.blocks.iter().fold(x, |x, block| {
            let cache = caches.as_mut().and_then(Iterator::next);
            block.forward(x, around, cache)
        });
        self.norm.forward(x)
    }

    /// Logits: `[batch, seq, vocab_size]`.
    pub(crate) fn project(&self, x: Tensor<3>) -> Tensor<3> {
        let logits = x.matmul(self.output_matrix().transpose().unsqueeze());
        match self.config.logit_soft_cap {
            Some(cap) => (logits / cap).tanh() * cap,
            None => logits,
        }
    }

    /// The values of a tensor in order, some rows at a time: the whole of a table would be a copy of a quarter of a
    /// small model.
    pub(crate) fn pieces(&self, field: Field) -> impl Iterator<Item = Vec<f32>> {
        let matrix = match self.param(field) {
            ParamRef::Vector(param) => param.val().unsqueeze(),
            ParamRef::Matrix(param) => param.val(),
        };
        let [n_rows, width] = matrix.dims();
        let step = (PIECE / width).max(1);
        (0..n_rows).step_by(step).map(move |start| {
            let rows = matrix.clone().slice([start..n_rows.min(start + step), 0..width]);
            rows.into_data().try_into_vec().expect("weights are f32")
        })
    }

    pub(crate) fn param<'a>(&'a self, field: Field) -> ParamRef<'a> {
        let (number, field) = match field {
            Field::Embedding => return ParamRef::Matrix(&self.embedding),
            Field::Norm => return ParamRef::Vector(&self.norm.weight),
            Field::Head => {
                return ParamRef::Matrix(self.head.as_ref().expect("an untied decoder has a head"));
            }
            Field::Block(number, field) => (number, field),
        };
        self.blocks[number]
            .param(field)
            .expect("fields are asked for as the configuration lists them")
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
