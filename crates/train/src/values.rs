//! A number for each trained value, where what is trained lies.

use burn::tensor::{Device, Tensor};
use temper_model::{Decoder, Gradients, Place};

/// Values that one thread handles at a time; sums are taken per chunk and added in order.
pub(crate) const CHUNK: usize = 1 << 16;

/// A number for each value of some places.
#[derive(Clone, Debug)]
pub(crate) enum Values {
    /// Weights on the CPU: one behind the other, as ranges of places say.
    Flat(Vec<f32>),
    /// Weights on another device, and factors anywhere: by the number of a place, each flat.
    Tensors(Vec<Tensor<1>>),
}

impl Values {
    /// Where the weights of `decoder` lie.
    pub(crate) fn beside(decoder: &Decoder, places: &[Place], values: Vec<f32>) -> Self {
        match decoder.is_on_cpu() {
            true => Self::Flat(values),
            false => Self::tensors(places, &decoder.device(), &values),
        }
    }

    pub(crate) fn tensors(places: &[Place], device: &Device, values: &[f32]) -> Self {
        let tensor = |place: &Place| Tensor::from_data(&values[place.range.clone()], device);
        Self::Tensors(places.iter().map(tensor).collect())
    }

    /// Flat, on the host.
    pub(crate) fn to_vec(&self) -> Vec<f32> {
        match self {
            Self::Flat(values) => values.clone(),
            Self::Tensors(tensors) => Gradients::Tensors(tensors.clone()).to_vec(),
        }
    }

    /// # Panics
    ///
    /// When they are tensors.
    pub(crate) fn flat(&self) -> &[f32] {
        let Self::Flat(values) = self else { panic!("values of weights on the CPU are flat") };
        values
    }
}
