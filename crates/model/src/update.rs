//! Changing the weights of a decoder where they lie.

use std::collections::BTreeMap;
use std::ops::Range;

use burn::{
    backend::Flex,
    module::{Module, ModuleMapper, Param, ParamId},
    tensor::{Tensor, TensorData},
};

use crate::{
    Config, Decoder,
    decoder::ParamRef,
    names::{Field, fields},
    norm::Norm,
};

/// One tensor among all weights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its number in the fixed order, from 0.
    pub number: usize,
    /// Where its values stand in [`Decoder::values`].
    pub range: Range<usize>,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Whether it is a matrix; optimizers decay matrices and leave norms and biases alone.
    pub is_matrix: bool,
    /// Whether it is the embedding or the output matrix.
    pub is_table: bool,
}

impl Place {
    /// Of all tensors of a decoder of this shape, in the fixed order.
    pub fn all(config: &Config) -> Vec<Self> {
        let mut start = 0;
        let place = |(number, field): (usize, Field)| {
            let shape = field.shape(config);
            let end = start + shape.iter().product::<usize>();
            let range = std::mem::replace(&mut start, end)..end;
            let is_table = matches!(field, Field::Embedding | Field::Head);
            Self { number, range, is_matrix: shape.len() == 2, is_table, shape }
        };
        fields(config).enumerate().map(place).collect()
    }

    /// # Panics
    ///
    /// When it is no matrix.
    pub fn matrix_shape(&self) -> [usize; 2] {
        let [rows, cols] = self.shape[..] else { panic!("asked of a tensor of {:?}", self.shape) };
        [rows, cols]
    }
}

impl Decoder {
    /// Replaces each tensor by what `update` makes of it, flat, in any order.
    ///
    /// The tensor given away is the only one that holds its memory, unless the decoder was cloned:
    /// operations may work in place.
    pub fn update(&mut self, update: impl FnMut(&Place, Tensor<1>) -> Tensor<1>) {
        let places = self.places_by_id();
        let hollow = self.hollow();
        let decoder = std::mem::replace(self, hollow);
        *self = decoder.map(&mut Mapper { places, update });
    }

    /// Changes the values of each tensor on the CPU in place, in any order.
    ///
    /// # Panics
    ///
    /// When the decoder lies on another device.
    pub fn update_values(&mut self, mut update: impl FnMut(&Place, &mut [f32])) {
        self.update(|place, tensor| {
            let mut tensor =
                tensor.try_into_primitive::<Flex>().expect("the decoder lies on the CPU");
            update(place, tensor.storage_mut());
            Tensor::from_primitive::<Flex>(tensor)
        });
    }

    /// Where each tensor stands among all weights, in the fixed order.
    pub fn places(&self) -> Vec<Place> {
        Place::all(self.config())
    }

    fn places_by_id(&self) -> BTreeMap<ParamId, Place> {
        let ids = fields(self.config()).map(|field| match self.param(field) {
            ParamRef::Vector(param) => param.id,
            ParamRef::Matrix(param) => param.id,
        });
        ids.zip(self.places()).collect()
    }

    /// Something that stands in for this decoder while its tensors are away.
    fn hollow(&self) -> Self {
        let device = self.device();
        let none = TensorData::new(vec![0.0_f32], [1]);
        let weight = Param::from_tensor(Tensor::from_data(none.clone(), &device));
        Self {
            embedding: Param::from_tensor(Tensor::<1>::from_data(none, &device).unsqueeze()),
            blocks: Vec::new(),
            norm: Norm { weight, ..self.norm.clone() },
            head: None,
            config: self.config.clone(),
        }
    }
}

struct Mapper<F> {
    places: BTreeMap<ParamId, Place>,
    update: F,
}

impl<F: FnMut(&Place, Tensor<1>) -> Tensor<1>> ModuleMapper for Mapper<F> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let place = &self.places[&param.id];
        param.map(|tensor| {
            let shape = tensor.dims();
            (self.update)(place, tensor.reshape([place.range.len()])).reshape(shape)
        })
    }
}
