//! What the factors do not see of their inputs in one update.

use std::collections::BTreeMap;

use burn::tensor::Tensor;
use rand::Rng as _;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use temper_model::{Decoder, Dropout, Gradients, Objective, PackedRows, PassOptions};
use temper_recipe::Hasher;

use super::Adapter;

/// The masks of one update: a function of the seed, the update's number, the lane and the matrix.
#[derive(Clone, Debug)]
pub(crate) struct StepDropout {
    rate: f64,
    seed: u64,
    update: u64,
    /// s · B · A by the number of the matrix's place.
    changes: BTreeMap<usize, Tensor<2>>,
}

impl Adapter {
    /// What update number `update`, from 1, drops; `None` at a rate of 0.
    pub(crate) fn dropout(&self, update: u64) -> Option<StepDropout> {
        let change =
            |of: &super::Factors| (of.place.number, of.b.clone().matmul(of.a.clone()) * self.scale);
        (self.dropout > 0.0).then(|| StepDropout {
            rate: self.dropout,
            seed: self.seed,
            update,
            changes: self.factors.iter().map(change).collect(),
        })
    }
}

impl StepDropout {
    /// [`Decoder::gradients_with_dropout`] of the lane with that number.
    pub(crate) fn gradients(
        &self,
        decoder: &Decoder,
        (lane, rows): (usize, &PackedRows),
        objective: Objective<'_>,
        options: &PassOptions,
        gradients: &mut Gradients,
    ) -> Tensor<2> {
        let device = decoder.device();
        let changes = self.changes.iter();
        let changes = changes.map(|(place, change)| (*place, change.clone().to_device(&device)));
        let changes = changes.collect();
        let masks = |place, n| self.mask(lane, place, n);
        let dropout = Dropout { changes: &changes, masks: &masks };
        decoder.gradients_with_dropout(rows, objective, &dropout, options, gradients)
    }

    /// m − 1: −1 where an input is dropped, and what makes up for it elsewhere.
    fn mask(&self, lane: usize, place: usize, n: usize) -> Vec<f32> {
        let mut stream = Hasher::new();
        stream.update(b"lora dropout");
        for number in [self.seed, self.update, lane as u64, place as u64] {
            stream.update(&number.to_le_bytes());
        }
        let mut rng = ChaCha8Rng::from_seed(*stream.finish().bytes());
        let below = (self.rate * 2.0_f64.powi(32)) as u64;
        let kept = (self.rate / (1.0 - self.rate)) as f32;
        let value = |_| if u64::from(rng.next_u32()) < below { -1.0 } else { kept };
        (0..n).map(value).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dropout(rate: f64, seed: u64, update: u64) -> StepDropout {
        StepDropout { rate, seed, update, changes: BTreeMap::new() }
    }

    /// A mask drops the share it should, keeps the mean, and is another for each of what it depends on.
    #[test]
    fn masks_are_a_function_of_seed_update_lane_and_matrix() {
        let n = 100_000;
        for rate in [0.05, 0.5] {
            let mask = dropout(rate, 1, 1).mask(0, 0, n);
            let dropped = mask.iter().filter(|value| **value == -1.0).count() as f64 / n as f64;
            assert!((dropped - rate).abs() < 0.01, "{dropped} of {rate}");
            let mean = mask.iter().map(|value| f64::from(*value)).sum::<f64>() / n as f64;
            assert!(mean.abs() < 0.02, "{mean}");
            assert_eq!(mask, dropout(rate, 1, 1).mask(0, 0, n));
            // A mask of fewer values is the beginning of it.
            assert_eq!(mask[..100], dropout(rate, 1, 1).mask(0, 0, 100));
            let others = [(2, 1, 0, 0), (1, 2, 0, 0), (1, 1, 1, 0), (1, 1, 0, 1)];
            for (seed, update, lane, place) in others {
                assert_ne!(mask, dropout(rate, seed, update).mask(lane, place, n));
            }
        }
    }
}
