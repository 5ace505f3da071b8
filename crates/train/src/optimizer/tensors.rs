//! In tensor operations, without waiting for a number: weights on other devices, and adapters anywhere.

use burn::tensor::{Device, Tensor};
use temper_model::{Decoder, Gradients, Place};
use temper_recipe::Optimizer;

use super::{FlatMoments, Rates, Rule, muon};
use crate::frozen::Trainable;

/// Moments as tensors, one of each kind for each tensor that moves, flat.
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

/// One update under way.
pub(crate) struct Mover<'a> {
    moments: &'a mut TensorMoments,
    rates: Rates,
    /// `[1]`.
    clip: Tensor<1>,
    /// `[1]`.
    norm: Tensor<1>,
}

impl TensorMoments {
    /// Those given, of tensors at these places.
    pub(crate) fn new(places: &[Place], device: &Device, flat: FlatMoments) -> Self {
        let tensors = |values: Vec<f32>| {
            let tensor = |place: &Place| Tensor::from_data(&values[place.range.clone()], device);
            match values.is_empty() {
                true => Vec::new(),
                false => places.iter().map(tensor).collect(),
            }
        };
        let FlatMoments { first, second } = flat;
        let sound = Tensor::ones([1], device);
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
        trainable: &Trainable,
        gradients: Vec<Tensor<1>>,
        loss_sum: Tensor<1>,
        (options, lr, update): (&Optimizer, f64, u64),
    ) -> Tensor<1> {
        let mut mover = self.begin(&gradients, loss_sum, options, lr, update);
        decoder.update(|place, values| match trainable.place(place) {
            Some(of) => mover.step(of, values, gradients[place.number].clone(), 1.0),
            None => values,
        });
        mover.norm
    }

    /// Begins an update with all gradients.
    pub(crate) fn begin(
        &mut self,
        gradients: &[Tensor<1>],
        loss_sum: Tensor<1>,
        options: &Optimizer,
        lr: f64,
        update: u64,
    ) -> Mover<'_> {
        let rates = Rates::new(options, lr, update);
        let norm = norm_in_tensors(gradients);
        let is_sound = (norm.clone() + loss_sum).is_finite();
        self.sound = self.sound.clone() * is_sound.float();
        let clip = match options.clip_norm > 0.0 {
            true => (norm.clone().recip() * options.clip_norm).clamp_max(1.0),
            false => Tensor::ones_like(&norm),
        };
        Mover { moments: self, rates, clip, norm }
    }
}

/// The Euclidean norm of all gradients together, `[1]`.
pub(crate) fn norm_in_tensors(gradients: &[Tensor<1>]) -> Tensor<1> {
    let squares = gradients.iter().map(|gradient| gradient.clone().powi_scalar(2).sum());
    Tensor::cat(squares.collect(), 0).sum().sqrt()
}

impl Mover<'_> {
    /// The global norm of the gradients, `[1]`.
    pub(crate) fn norm(&self) -> Tensor<1> {
        self.norm.clone()
    }

    /// The values of one tensor, whose moments stand at `place`, after the update at `ratio` times the learning rate,
    /// which its decay follows.
    pub(crate) fn step(
        &mut self,
        place: &Place,
        values: Tensor<1>,
        gradient: Tensor<1>,
        ratio: f64,
    ) -> Tensor<1> {
        let (number, rates) = (place.number, &self.rates);
        let TensorMoments { first: firsts, second: seconds, sound } = &mut *self.moments;
        let n = [place.range.len()];
        let (lr, rate) = (f64::from(rates.lr) * ratio, f64::from(rates.rate) * ratio);
        let sound = sound.clone().expand(n).greater_elem(0.5);
        let gradient = gradient * self.clip.clone().expand(n);
        let before = firsts[number].clone();
        let (first, step) = match Rule::of(rates.name, place) {
            Rule::AdamW => {
                let [beta1, beta2] = rates.betas;
                let first = before * beta1 + gradient.clone() * (1.0 - beta1);
                let squares = seconds[number].clone();
                let second = squares.clone() * beta2 + gradient.powi_scalar(2) * (1.0 - beta2);
                let root = second.clone().sqrt() * rates.root_correction + rates.eps;
                seconds[number] = squares.mask_where(sound.clone(), second);
                (first.clone(), first * rate / root)
            }
            Rule::Lion => {
                let [beta1, beta2] = rates.betas;
                let mean = before.clone() * beta1 + gradient.clone() * (1.0 - beta1);
                (before * beta2 + gradient * (1.0 - beta2), mean.sign() * lr)
            }
            Rule::Sgd => {
                let first = before * rates.momentum + gradient;
                (first.clone(), first * lr)
            }
            Rule::Muon => {
                let rest = gradient * (1.0 - rates.momentum);
                let first = before * rates.momentum + rest.clone();
                let ahead = first.clone() * rates.momentum + rest;
                let shape = place.matrix_shape();
                let moved = muon::orthogonal(ahead.reshape(shape)).reshape(n);
                (first, moved * (lr * f64::from(muon::rate_factor(shape))))
            }
        };
        let keep = 1.0 - (1.0 - f64::from(rates.keep(place))) * ratio;
        let moved = values.clone() * keep - step;
        firsts[number] = firsts[number].clone().mask_where(sound.clone(), first);
        values.mask_where(sound, moved)
    }
}
