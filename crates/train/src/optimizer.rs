//! How weights move, where they lie, after clipping by the global norm.
//!
//! | name | of a value's gradient g |
//! |---|---|
//! | AdamW | both moments (Loshchilov and Hutter 2019, arXiv 1711.05101, algorithm 2) |
//! | Lion | the sign of a mean (Chen et al. 2023, arXiv 2302.06675, program 1) |
//! | SGD | a momentum, as PyTorch has it |
//! | Muon | of a matrix the nearest orthogonal one to its momentum ([`muon`]); else AdamW |
//!
//! Decay is decoupled, multiplied by the learning rate as PyTorch does, and reaches matrices only: norms
//! and biases have no redundancy to shrink.

mod flat;
mod muon;
mod tensors;

pub(crate) use flat::{FlatMoments, global_norm};
pub(crate) use tensors::{TensorMoments, norm_in_tensors};

use std::borrow::Cow;

use temper_model::{Decoder, Place};
use temper_recipe::{Optimizer, OptimizerName};

use crate::frozen::Trainable;
use crate::lora::Adapter;

/// What an optimizer remembers of earlier gradients.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
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

impl Memory {
    /// Moments on the decoder's device: those given, flat, or zeros.
    pub(crate) fn new(
        decoder: &Decoder,
        trainable: &Trainable,
        name: OptimizerName,
        moments: Option<(u64, FlatMoments)>,
    ) -> Self {
        let (updates, flat) = moments.unzip();
        let n_values = trainable.n_values();
        let flat = flat.unwrap_or_else(|| FlatMoments::zeros(n_values, has_second(name)));
        let moments = match decoder.is_on_cpu() {
            true => Moments::Flat(flat),
            false => {
                let (places, device) = (trainable.places(), decoder.device());
                Moments::Tensors(Box::new(TensorMoments::new(&places, &device, flat)))
            }
        };
        Self { updates: updates.unwrap_or(0), moments }
    }

    /// Of an adapter's factors, whose moments are tensors on any device.
    pub(crate) fn of_adapter(
        adapter: &Adapter,
        decoder: &Decoder,
        name: OptimizerName,
        moments: Option<(u64, FlatMoments)>,
    ) -> Self {
        let (updates, flat) = moments.unzip();
        let places = adapter.places();
        let n_values = places.last().map_or(0, |place| place.range.end);
        let flat = flat.unwrap_or_else(|| FlatMoments::zeros(n_values, has_second(name)));
        let moments = TensorMoments::new(&places, &decoder.device(), flat);
        Self { updates: updates.unwrap_or(0), moments: Moments::Tensors(Box::new(moments)) }
    }

    /// First and second moments on the host; no values of the second where the optimizer has none.
    pub(crate) fn values(&self) -> [Cow<'_, [f32]>; 2] {
        match &self.moments {
            Moments::Flat(FlatMoments { first, second }) => {
                [Cow::Borrowed(first), Cow::Borrowed(second)]
            }
            Moments::Tensors(tensors) => tensors.values().map(Cow::Owned),
        }
    }
}

/// Whether an optimizer remembers squares.
pub(crate) fn has_second(name: OptimizerName) -> bool {
    match name {
        OptimizerName::Adamw | OptimizerName::Muon => true,
        OptimizerName::Lion | OptimizerName::Sgd => false,
    }
}

/// What moves one tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    AdamW,
    Lion,
    Sgd,
    Muon,
}

impl Rule {
    /// Embedding and output matrix are looked up, not multiplied through: Muon leaves them to AdamW.
    fn of(name: OptimizerName, place: &Place) -> Self {
        match name {
            OptimizerName::Adamw => Self::AdamW,
            OptimizerName::Lion => Self::Lion,
            OptimizerName::Sgd => Self::Sgd,
            OptimizerName::Muon if place.is_matrix && !place.is_table => Self::Muon,
            OptimizerName::Muon => Self::AdamW,
        }
    }
}

/// The numbers of one update that are the same for all values.
#[derive(Clone, Copy, Debug)]
struct Rates {
    name: OptimizerName,
    betas: [f32; 2],
    momentum: f32,
    lr: f32,
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
            name: options.name,
            betas: [beta1 as f32, beta2 as f32],
            momentum: options.momentum as f32,
            lr: lr as f32,
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
