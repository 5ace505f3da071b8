//! On any other device: the same update in tensor operations, without waiting for a number.

use burn::tensor::Tensor;
use temper_model::{Decoder, Gradients, Place};
use temper_recipe::Optimizer;

use super::{FlatMoments, Rates};

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
    /// Those given, or zeros, on the decoder's device.
    pub(crate) fn new(decoder: &Decoder, flat: Option<FlatMoments>) -> Self {
        let device = decoder.device();
        let tensors = |values: Option<Vec<f32>>| {
            let tensor = |place: Place| match &values {
                Some(values) => Tensor::from_data(&values[place.range], &device),
                None => Tensor::zeros([place.range.len()], &device),
            };
            decoder.places().into_iter().map(tensor).collect()
        };
        let (first, second) = flat.map(|FlatMoments { first, second }| (first, second)).unzip();
        let sound = Tensor::ones([1], &device);
        Self { first: tensors(first), second: tensors(second), sound }
    }

    /// First and second moments on the host, flat.
    pub(crate) fn values(&self) -> [Vec<f32>; 2] {
        [&self.first, &self.second].map(|tensors| Gradients::Tensors(tensors.clone()).to_vec())
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
        let [beta1, beta2] = rates.betas;
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
            let first = self.first[number].clone() * beta1 + gradient.clone() * (1.0 - beta1);
            let second =
                self.second[number].clone() * beta2 + gradient.powi_scalar(2) * (1.0 - beta2);
            let root = second.clone().sqrt() * rates.root_correction + rates.eps;
            let moved = values.clone() * rates.keep(place) - first.clone() * rates.rate / root;
            self.first[number] = self.first[number].clone().mask_where(sound.clone(), first);
            self.second[number] = self.second[number].clone().mask_where(sound.clone(), second);
            values.mask_where(sound, moved)
        });
        norm
    }
}
