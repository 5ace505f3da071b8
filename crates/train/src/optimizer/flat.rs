//! On the CPU: one loop over the values of all tensors.

use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;
use temper_model::{Decoder, Place};
use temper_recipe::Optimizer;

use super::{Rates, Rule, muon};
use crate::frozen::Trainable;

/// Values that one thread handles at a time; sums are taken per chunk and added in order.
const CHUNK: usize = 1 << 16;

/// Moments as flat values.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FlatMoments {
    /// Exponential mean of the gradient, or its momentum.
    pub(crate) first: Vec<f32>,
    /// Exponential mean of the squared gradient; empty where the optimizer has none.
    pub(crate) second: Vec<f32>,
}

impl FlatMoments {
    pub(crate) fn zeros(n_values: usize, has_second: bool) -> Self {
        let second = if has_second { vec![0.0; n_values] } else { Vec::new() };
        Self { first: vec![0.0; n_values], second }
    }

    /// Update number `update`, from 1: moves the weights of `trainable` against `gradients`, which are multiplied by
    /// `clip` first.
    pub(crate) fn update(
        &mut self,
        decoder: &mut Decoder,
        trainable: &Trainable,
        gradients: &[f32],
        clip: f64,
        (options, lr, update): (&Optimizer, f64, u64),
    ) {
        let rates = Rates::new(options, lr, update);
        decoder.update_values(|place, values| {
            let gradients = &gradients[place.range.clone()];
            if let Some(place) = trainable.place(place) {
                self.move_values(place, values, gradients, &rates, clip as f32);
            }
        });
    }

    /// Moves the values of one tensor, whose moments stand at `place`.
    pub(super) fn move_values(
        &mut self,
        place: &Place,
        values: &mut [f32],
        gradients: &[f32],
        rates: &Rates,
        clip: f32,
    ) {
        let (keep, lr) = (rates.keep(place), rates.lr);
        match Rule::of(rates.name, place) {
            Rule::AdamW => self.adamw(place, values, gradients, rates, clip),
            Rule::Lion => {
                let [beta1, beta2] = rates.betas;
                self.each(place, values, gradients, |value, gradient, first| {
                    let gradient = gradient * clip;
                    let mean = beta1 * *first + (1.0 - beta1) * gradient;
                    *first = beta2 * *first + (1.0 - beta2) * gradient;
                    // The sign of zero is zero here.
                    let sign = if mean == 0.0 { 0.0 } else { mean.signum() };
                    *value = keep * *value - lr * sign;
                });
            }
            Rule::Sgd => {
                self.each(place, values, gradients, |value, gradient, first| {
                    *first = rates.momentum * *first + gradient * clip;
                    *value = keep * *value - lr * *first;
                });
            }
            Rule::Muon => {
                let mut ahead = vec![0.0; values.len()];
                self.each(place, &mut ahead, gradients, |ahead, gradient, first| {
                    let gradient = gradient * clip;
                    *first = rates.momentum * *first + (1.0 - rates.momentum) * gradient;
                    // Nesterov's: where the momentum will be.
                    *ahead = rates.momentum * *first + (1.0 - rates.momentum) * gradient;
                });
                let [rows, cols] = place.matrix_shape();
                let ahead = TensorData::new(ahead, [rows, cols]);
                let moved = muon::orthogonal(Tensor::from_data(ahead, &Device::flex()));
                let moved = moved.into_data();
                let moved = moved.as_slice::<f32>().expect("products of f32 are f32");
                let lr = lr * muon::rate_factor([rows, cols]);
                let values = values.iter_mut().zip(moved);
                values.for_each(|(value, moved)| *value = keep * *value - lr * moved);
            }
        }
    }

    /// Runs `change` for each value, its gradient and its first moment, on all cores.
    fn each(
        &mut self,
        place: &Place,
        values: &mut [f32],
        gradients: &[f32],
        change: impl Fn(&mut f32, f32, &mut f32) + Sync,
    ) {
        let first = self.first[place.range.clone()].par_chunks_mut(CHUNK);
        let chunks = values.par_chunks_mut(CHUNK).zip(gradients.par_chunks(CHUNK)).zip(first);
        chunks.for_each(|((values, gradients), first)| {
            for ((value, gradient), first) in values.iter_mut().zip(gradients).zip(first) {
                change(value, *gradient, first);
            }
        });
    }

    fn adamw(
        &mut self,
        place: &Place,
        values: &mut [f32],
        gradients: &[f32],
        rates: &Rates,
        clip: f32,
    ) {
        let keep = rates.keep(place);
        let [beta1, beta2] = rates.betas;
        let moments = self.first[place.range.clone()]
            .par_chunks_mut(CHUNK)
            .zip(self.second[place.range.clone()].par_chunks_mut(CHUNK));
        let chunks = values.par_chunks_mut(CHUNK).zip(gradients.par_chunks(CHUNK)).zip(moments);
        chunks.for_each(|((values, gradients), (first, second))| {
            let moments = first.iter_mut().zip(second);
            let values = values.iter_mut().zip(gradients).zip(moments);
            for ((value, gradient), (first, second)) in values {
                let gradient = gradient * clip;
                *first = beta1 * *first + (1.0 - beta1) * gradient;
                *second = beta2 * *second + (1.0 - beta2) * gradient * gradient;
                let root = second.sqrt() * rates.root_correction + rates.eps;
                *value = keep * *value - rates.rate * *first / root;
            }
        });
    }
}

/// The Euclidean norm of all gradients together.
pub(crate) fn global_norm(gradients: &[f32]) -> f64 {
    /// Independent sums that the compiler can keep in vector registers.
    const LANES: usize = 8;
    let square_sum = |chunk: &[f32]| {
        let mut sums = [0.0_f64; LANES];
        let (blocks, rest) = chunk.as_chunks::<LANES>();
        for block in blocks {
            sums.iter_mut().zip(block).for_each(|(sum, x)| *sum += f64::from(*x) * f64::from(*x));
        }
        sums.iter_mut().zip(rest).for_each(|(sum, x)| *sum += f64::from(*x) * f64::from(*x));
        sums.iter().sum::<f64>()
    };
    let squares: Vec<f64> = gradients.par_chunks(CHUNK).map(square_sum).collect();
    squares.iter().sum::<f64>().sqrt()
}
