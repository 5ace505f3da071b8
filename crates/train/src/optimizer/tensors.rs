//! On any other device: the same update in tensor operations, without waiting for a number.

use burn::tensor::Tensor;
use temper_model::{Decoder, Gradients, Place};
use temper_recipe::Optimizer;

use super::{FlatMoments, Rates, Rule, muon};

/// Moments as tensors, one of each kind for each tensor of the decoder, flat.
#[derive(Clone, Debug)]
pub(crate) struct TensorMoments {
    first: Vec<Tensor<1>>,
    second: Vec<Tensor<1>>,
    /// `[1]`: 1 until a loss or a gradient was not finite, 0 from then on.
    ///
    /// The host learns of such a step after it has asked for more; with this none of them changes
    /// anything.
    sound: Tensor<1>,
}

impl TensorMoments {
    /// Those given, on the decoder's device.
    pub(crate) fn new(decoder: &Decoder, flat: FlatMoments) -> Self {
        let device = decoder.device();
        let tensors = |values: Vec<f32>| {
            let tensor = |place: Place| Tensor::from_data(&values[place.range], &device);
            match values.is_empty() {
                true => Vec::new(),
                false => decoder.places().into_iter().map(tensor).collect(),
            }
        };
        let FlatMoments { first, second } = flat;
        let sound = Tensor::ones([1], &device);
        Self { first: tensors(first), second: tensors(second), sound }
    }

    /// First and second moments on the host, flat.
    pub(crate) fn values(&self) -> [Vec<f32>; 2] {
        [&self.first, &self.second].map(|tensors| match tensors.is_empty() {
            true => Vec::new(),
            false => Gradients::Tensors(tensors.clone()).to_vec(),
        })
    }

    /// Update number `update`: clips by the global norm and moves the weights, unless `loss_sum`,
    /// `[1]`, or the norm is not finite. Gives the norm, `[1]`.
    pub(crate) fn update(
        &mut self,
        decoder: &mut Decoder,
        gradients: Vec<Tensor<1>>,
        loss_sum: Tensor<1>,
        options: &Optimizer,
        lr: f64,
        update: u64,
    ) -> Tensor<1> {
        let rates = Rates::new(options, lr, update);
        let squares = gradients.iter().map(|gradient| gradient.clone().powi_scalar(2).sum());
        let norm = Tensor::cat(squares.collect(), 0).sum().sqrt();
        let is_sound = (norm.clone() + loss_sum).is_finite();
        self.sound = self.sound.clone() * is_sound.float();
        let clip = match options.clip_norm > 0.0 {
            true => (norm.clone().recip() * options.clip_norm).clamp_max(1.0),
            false => Tensor::ones_like(&norm),
        };
        decoder.update(|place, values| {
            let number = place.number;
            let n = [place.range.len()];
            let sound = self.sound.clone().expand(n).greater_elem(0.5);
            let gradient = gradients[number].clone() * clip.clone().expand(n);
            let before = self.first[number].clone();
            let (first, step) = match Rule::of(rates.name, place) {
                Rule::AdamW => {
                    let [beta1, beta2] = rates.betas;
                    let first = before * beta1 + gradient.clone() * (1.0 - beta1);
                    let squares = self.second[number].clone();
                    let second = squares.clone() * beta2 + gradient.powi_scalar(2) * (1.0 - beta2);
                    let root = second.clone().sqrt() * rates.root_correction + rates.eps;
                    self.second[number] = squares.mask_where(sound.clone(), second);
                    (first.clone(), first * rates.rate / root)
                }
                Rule::Lion => {
                    let [beta1, beta2] = rates.betas;
                    let mean = before.clone() * beta1 + gradient.clone() * (1.0 - beta1);
                    (before * beta2 + gradient * (1.0 - beta2), mean.sign() * rates.lr)
                }
                Rule::Sgd => {
                    let first = before * rates.momentum + gradient;
                    (first.clone(), first * rates.lr)
                }
                Rule::Muon => {
                    let rest = gradient * (1.0 - rates.momentum);
                    let first = before * rates.momentum + rest.clone();
                    let ahead = first.clone() * rates.momentum + rest;
                    let shape = place.matrix_shape();
                    let moved = muon::orthogonal(ahead.reshape(shape)).reshape(n);
                    (first, moved * (rates.lr * muon::rate_factor(shape)))
                }
            };
            let moved = values.clone() * rates.keep(place) - step;
            self.first[number] = self.first[number].clone().mask_where(sound.clone(), first);
            values.mask_where(sound, moved)
        });
        norm
    }
}
