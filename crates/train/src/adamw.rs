//! AdamW on flat parameters, after clipping by the global norm.

use rayon::prelude::*;
use temper_model::Parameter;
use temper_recipe::Optimizer;

/// Values that one thread handles at a time; sums are taken per chunk and added in order.
const CHUNK: usize = 1 << 16;

/// First and second moments of every value, flat in the decoder's parameter order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AdamW {
    /// Updates made so far; bias correction depends on it.
    pub(crate) updates: u64,
    /// Exponential mean of the gradient.
    pub(crate) first: Vec<f32>,
    /// Exponential mean of the squared gradient.
    pub(crate) second: Vec<f32>,
}

impl AdamW {
    /// Zero moments for `n_values` values.
    pub(crate) fn new(n_values: usize) -> Self {
        Self { updates: 0, first: vec![0.0; n_values], second: vec![0.0; n_values] }
    }

    /// Moves `values` against `gradients`, which are multiplied by `clip` first.
    ///
    /// Decay is decoupled (Loshchilov and Hutter 2019, arXiv 1711.05101, algorithm 2, with the
    /// decay multiplied by the learning rate as PyTorch does) and reaches matrices only: norms and
    /// biases have no redundancy to shrink.
    pub(crate) fn update(
        &mut self,
        parameters: &[Parameter],
        values: &mut [f32],
        gradients: &[f32],
        options: &Optimizer,
        lr: f64,
        clip: f64,
    ) {
        self.updates += 1;
        let [beta1, beta2] = options.betas;
        let correction1 = 1.0 - beta1.powf(self.updates as f64);
        let correction2 = 1.0 - beta2.powf(self.updates as f64);
        let (beta1, beta2, clip) = (beta1 as f32, beta2 as f32, clip as f32);
        let rate = (lr / correction1) as f32;
        let root_correction = (1.0 / correction2.sqrt()) as f32;
        let eps = options.eps as f32;
        let mut start = 0;
        for parameter in parameters {
            let decay = if parameter.is_matrix() { lr * options.weight_decay } else { 0.0 };
            let keep = (1.0 - decay) as f32;
            let span = start..start + parameter.n_values();
            start = span.end;
            let moments = self.first[span.clone()]
                .par_chunks_mut(CHUNK)
                .zip(self.second[span.clone()].par_chunks_mut(CHUNK));
            let chunks =
                values[span.clone()].par_chunks_mut(CHUNK).zip(gradients[span].par_chunks(CHUNK));
            chunks.zip(moments).for_each(|((values, gradients), (first, second))| {
                for i in 0..values.len() {
                    let gradient = gradients[i] * clip;
                    first[i] = beta1 * first[i] + (1.0 - beta1) * gradient;
                    second[i] = beta2 * second[i] + (1.0 - beta2) * gradient * gradient;
                    let root = second[i].sqrt() * root_correction + eps;
                    values[i] = keep * values[i] - rate * first[i] / root;
                }
            });
        }
    }
}

/// The Euclidean norm of all gradients together.
pub(crate) fn global_norm(gradients: &[f32]) -> f64 {
    let squares: Vec<f64> = gradients
        .par_chunks(CHUNK)
        .map(|chunk| chunk.iter().map(|value| f64::from(*value).powi(2)).sum())
        .collect();
    squares.iter().sum::<f64>().sqrt()
}

/// The factor that brings `norm` down to `clip_norm`; 1 when it is below, or when nothing is clipped.
pub(crate) fn clip_factor(norm: f64, clip_norm: f64) -> f64 {
    if clip_norm > 0.0 && norm > clip_norm { clip_norm / norm } else { 1.0 }
}

#[cfg(test)]
mod tests;
