//! Terms that hold the weights near those that training started from; [`near`](crate::near) holds what is said.
//!
//! | key | added to the objective | its gradient |
//! |---|---|---|
//! | `l2` | α / 2 · Σ (w − w₀)² | α (w − w₀) |
//! | `ewc` | λ / 2 · Σ F (w − w₀)² | λ F (w − w₀) |
//!
//! L2-SP is Li et al. 2018 (arXiv 1802.01483), EWC Kirkpatrick et al. 2017 (arXiv 1612.00796); [`fisher`]
//! says what F is. Their gradients are added to that of the step's rows before clipping, so that an adaptive
//! optimizer scales them as it scales the rest. With an adapter w are the merged weights, and the chain rule
//! takes the terms to the factors.

pub(crate) mod fisher;

use burn::tensor::Tensor;
use rayon::prelude::*;
use temper_model::{Decoder, Gradients};
use temper_recipe as recipe;

use crate::values::{CHUNK, Values};

/// What weights are held to.
#[derive(Debug)]
pub(crate) struct Anchor {
    l2: f64,
    ewc: f64,
    /// w₀ of all weights.
    start: Values,
    /// F of all weights, where `ewc` is above zero.
    fisher: Option<Values>,
}

/// A term of the objective, by its key.
pub(crate) type Term = (&'static str, Amount);

/// How much a term is.
#[derive(Clone, Debug)]
pub(crate) enum Amount {
    /// On the host.
    Known(f64),
    /// `[1]`, on a device that may not have computed it yet.
    Underway(Box<Tensor<1>>),
}

/// Waits for terms.
pub(crate) fn values(terms: Vec<Term>) -> Vec<(&'static str, f64)> {
    let value = |amount| match amount {
        Amount::Known(value) => value,
        Amount::Underway(value) => f64::from(value.into_scalar::<f32>()),
    };
    terms.into_iter().map(|(name, amount)| (name, value(amount))).collect()
}

impl Anchor {
    /// Holds to the weights of `starting`, which lie where those that are trained do.
    ///
    /// # Shapes
    /// - fisher: `[n_parameters]`; there if `ewc` is above zero
    pub(crate) fn new(
        options: &recipe::Anchor,
        starting: &Decoder,
        fisher: Option<Vec<f32>>,
    ) -> Self {
        assert_eq!(fisher.is_some(), options.ewc > 0.0, "the term and its weights come together");
        let values = |values| Values::beside(starting, &starting.places(), values);
        let start = values(starting.values());
        Self { l2: options.l2, ewc: options.ewc, start, fisher: fisher.map(values) }
    }

    /// Adds the terms' gradients at the weights of `decoder`; gives the terms.
    pub(crate) fn add(&self, decoder: &mut Decoder, gradients: &mut Gradients) -> Vec<Term> {
        match gradients {
            Gradients::Flat(gradients) => self.add_flat(decoder, gradients),
            Gradients::Tensors(gradients) => self.add_in_tensors(decoder, gradients),
        }
    }

    fn add_flat(&self, decoder: &mut Decoder, gradients: &mut [f32]) -> Vec<Term> {
        let (start, fisher) = (self.start.flat(), self.fisher.as_ref().map(Values::flat));
        let (l2, ewc) = (self.l2 as f32, self.ewc as f32);
        // Sums of squares, plain and weighted, by the number of the tensor.
        let mut sums = vec![[0.0_f64; 2]; decoder.places().len()];
        decoder.update_values(|place, values| {
            let at = place.range.clone();
            let chunks = values
                .par_chunks(CHUNK)
                .zip(gradients[at.clone()].par_chunks_mut(CHUNK))
                .zip(start[at.clone()].par_chunks(CHUNK));
            let parts: Vec<[f64; 2]> = match fisher {
                None => chunks
                    .map(|((values, gradients), start)| {
                        let mut sum = 0.0;
                        for ((value, gradient), start) in values.iter().zip(gradients).zip(start) {
                            let apart = value - start;
                            *gradient += l2 * apart;
                            sum += f64::from(apart) * f64::from(apart);
                        }
                        [sum, 0.0]
                    })
                    .collect(),
                Some(fisher) => chunks
                    .zip(fisher[at].par_chunks(CHUNK))
                    .map(|(((values, gradients), start), fisher)| {
                        let mut sums = [0.0; 2];
                        let values = values.iter().zip(gradients).zip(start).zip(fisher);
                        for (((value, gradient), start), fisher) in values {
                            let apart = value - start;
                            *gradient += (l2 + ewc * fisher) * apart;
                            let square = f64::from(apart) * f64::from(apart);
                            sums = [sums[0] + square, sums[1] + f64::from(*fisher) * square];
                        }
                        sums
                    })
                    .collect(),
            };
            sums[place.number] = parts.into_iter().fold([0.0; 2], plus);
        });
        let [plain, weighted] = sums.into_iter().fold([0.0; 2], plus);
        let (l2, ewc) = (self.l2 / 2.0 * plain, self.ewc / 2.0 * weighted);
        self.terms(Amount::Known(l2), Amount::Known(ewc))
    }

    fn add_in_tensors(&self, decoder: &mut Decoder, gradients: &mut [Tensor<1>]) -> Vec<Term> {
        let Values::Tensors(start) = &self.start else { unreachable!("all lies on the device") };
        let device = decoder.device();
        let none = || Tensor::<1>::zeros([1], &device);
        let mut sums = vec![[none(), none()]; start.len()];
        decoder.update(|place, values| {
            let number = place.number;
            let apart = values.clone() - start[number].clone();
            let square = apart.clone().powi_scalar(2);
            let mut gradient = gradients[number].clone() + apart.clone() * self.l2;
            sums[number][0] = square.clone().sum();
            if let Some(Values::Tensors(fisher)) = &self.fisher {
                let fisher = fisher[number].clone();
                gradient = gradient + apart * fisher.clone() * self.ewc;
                sums[number][1] = (square * fisher).sum();
            }
            gradients[number] = gradient;
            values
        });
        let total = |of: usize, factor: f64| {
            let sums = sums.iter().map(|sums| sums[of].clone());
            Amount::Underway(Box::new(Tensor::cat(sums.collect(), 0).sum() * (factor / 2.0)))
        };
        self.terms(total(0, self.l2), total(1, self.ewc))
    }

    /// Those that are asked for.
    fn terms(&self, l2: Amount, ewc: Amount) -> Vec<Term> {
        let terms = [("l2", self.l2, l2), ("ewc", self.ewc, ewc)];
        let asked = terms.into_iter().filter(|(_, factor, _)| *factor > 0.0);
        asked.map(|(name, _, amount)| (name, amount)).collect()
    }
}

fn plus(left: [f64; 2], right: [f64; 2]) -> [f64; 2] {
    [left[0] + right[0], left[1] + right[1]]
}

#[cfg(test)]
mod tests;
