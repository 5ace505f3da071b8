//! AdamW after clipping by the global norm, where the weights lie.
//!
//! Decay is decoupled (Loshchilov and Hutter 2019, arXiv 1711.05101, algorithm 2, with the decay
//! multiplied by the learning rate as PyTorch does) and reaches matrices only: norms and biases have
//! no redundancy to shrink.

mod flat;
mod tensors;

pub(crate) use flat::{FlatMoments, global_norm};
pub(crate) use tensors::TensorMoments;

use std::borrow::Cow;

use temper_model::{Decoder, Place};
use temper_recipe::Optimizer;

/// First and second moments of every value, in the decoder's order.
#[derive(Clone, Debug)]
pub(crate) struct AdamW {
    /// Updates made so far; bias correction depends on it.
    pub(crate) updates: u64,
    pub(crate) moments: Moments,
}

/// Where the moments lie: with the weights.
#[derive(Clone, Debug)]
pub(crate) enum Moments {
    Flat(FlatMoments),
    Tensors(Box<TensorMoments>),
}

impl AdamW {
    /// Moments on the decoder's device: those given, flat, or zeros.
    pub(crate) fn new(decoder: &Decoder, moments: Option<(u64, FlatMoments)>) -> Self {
        let (updates, flat) = moments.unzip();
        let n_values = decoder.config().n_parameters();
        let moments = match decoder.is_on_cpu() {
            true => Moments::Flat(flat.unwrap_or_else(|| FlatMoments::zeros(n_values))),
            false => Moments::Tensors(Box::new(TensorMoments::new(decoder, flat))),
        };
        Self { updates: updates.unwrap_or(0), moments }
    }

    /// First and second moments on the host.
    pub(crate) fn values(&self) -> [Cow<'_, [f32]>; 2] {
        match &self.moments {
            Moments::Flat(FlatMoments { first, second }) => {
                [Cow::Borrowed(first), Cow::Borrowed(second)]
            }
            Moments::Tensors(tensors) => tensors.values().map(Cow::Owned),
        }
    }
}

/// The numbers of one update that are the same for all values.
#[derive(Clone, Copy, Debug)]
struct Rates {
    betas: [f32; 2],
    /// The learning rate over the first moment's bias correction.
    rate: f32,
    /// One over the root of the second moment's bias correction.
    root_correction: f32,
    eps: f32,
    /// What is left of a matrix's values after decay.
    keep: f32,
}

impl Rates {
    /// Of update number `update`, counted from 1.
    fn new(options: &Optimizer, lr: f64, update: u64) -> Self {
        let [beta1, beta2] = options.betas;
        let correction = |beta: f64| 1.0 - beta.powf(update as f64);
        Self {
            betas: [beta1 as f32, beta2 as f32],
            rate: (lr / correction(beta1)) as f32,
            root_correction: (1.0 / correction(beta2).sqrt()) as f32,
            eps: options.eps as f32,
            keep: (1.0 - lr * options.weight_decay) as f32,
        }
    }

    fn keep(&self, place: &Place) -> f32 {
        if place.is_matrix { self.keep } else { 1.0 }
    }
}

#[cfg(test)]
mod tests;
