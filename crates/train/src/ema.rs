//! Exponential moving averages of what is trained, in 32-bit floats beside it.
//!
//! m ← m + (1 − decay) (w − m) after each update, from m = w at the start. Nothing that is trained depends on
//! them. Of an adapter the factors are averaged: their product is not the average of products.

use burn::tensor::Tensor;
use rayon::prelude::*;
use temper_model::Decoder;
use temper_recipe::Ema;

use crate::frozen::Trainable;
use crate::lora::Adapter;
use crate::values::{CHUNK, Values};

/// The averages, where what is trained lies.
#[derive(Clone, Debug)]
pub(crate) struct Averages {
    /// 1 − decay.
    rate: f64,
    values: Values,
}

impl Averages {
    /// Of weights, beginning as `values`: flat, those that move alone.
    pub(crate) fn of_weights(
        ema: &Ema,
        decoder: &Decoder,
        trainable: &Trainable,
        values: Vec<f32>,
    ) -> Self {
        let values = Values::beside(decoder, &trainable.places(), values);
        Self { rate: 1.0 - ema.decay, values }
    }

    /// Of an adapter's factors, which are tensors on any device, beginning as `values`.
    pub(crate) fn of_adapter(ema: &Ema, adapter: &Adapter, values: &[f32]) -> Self {
        let values = Values::tensors(&adapter.places(), &adapter.device(), values);
        Self { rate: 1.0 - ema.decay, values }
    }

    /// After an update of weights.
    pub(crate) fn follow(&mut self, decoder: &mut Decoder, trainable: &Trainable) {
        let rate = self.rate;
        match &mut self.values {
            Values::Flat(means) => decoder.update_values(|place, values| {
                let Some(of) = trainable.place(place) else { return };
                let means = means[of.range.clone()].par_chunks_mut(CHUNK);
                means.zip(values.par_chunks(CHUNK)).for_each(|(means, values)| {
                    for (mean, value) in means.iter_mut().zip(values) {
                        *mean += rate as f32 * (value - *mean);
                    }
                });
            }),
            Values::Tensors(means) => decoder.update(|place, values| {
                if let Some(of) = trainable.place(place) {
                    approach(&mut means[of.number], values.clone(), rate);
                }
                values
            }),
        }
    }

    /// After an update of factors.
    pub(crate) fn follow_adapter(&mut self, adapter: &Adapter) {
        let Values::Tensors(means) = &mut self.values else {
            unreachable!("factors are tensors on any device")
        };
        for (mean, value) in means.iter_mut().zip(adapter.tensors()) {
            approach(mean, value, self.rate);
        }
    }

    /// Flat, on the host.
    pub(crate) fn to_vec(&self) -> Vec<f32> {
        self.values.to_vec()
    }
}

fn approach(mean: &mut Tensor<1>, value: Tensor<1>, rate: f64) {
    *mean = mean.clone() + (value - mean.clone()) * rate;
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use burn::tensor::Device;
    use temper_model::hf;

    use super::*;

    fn decoder() -> Decoder {
        let folder = Path::new("../../tests/fixtures/families/llama");
        hf::load(folder, &Device::flex()).unwrap().0
    }

    /// Flat and in tensors the means are what the formula says in double precision.
    #[test]
    fn means_are_those_of_the_formula() {
        let mut decoder = decoder();
        let frozen = ["model.layers.0.*".to_owned()];
        let trainable = Trainable::new(decoder.config(), &frozen).unwrap();
        let start = trainable.gather(&decoder, &decoder.values());
        let ema = Ema { decay: 0.75 };
        let mut flat = Averages::of_weights(&ema, &decoder, &trainable, start.clone());
        let values = Values::tensors(&trainable.places(), &decoder.device(), &start);
        let mut in_tensors = Averages { rate: 0.25, values };
        let mut expected: Vec<f64> = start.iter().map(|value| f64::from(*value)).collect();
        for step in 1..5 {
            decoder.update_values(|_, values| {
                values.iter_mut().zip((0_u8..7).cycle()).for_each(|(value, at)| {
                    *value += f32::from(at) * 0.01 * step as f32;
                });
            });
            flat.follow(&mut decoder, &trainable);
            in_tensors.follow(&mut decoder, &trainable);
            let now = trainable.gather(&decoder, &decoder.values());
            for (mean, value) in expected.iter_mut().zip(now) {
                *mean = 0.75 * *mean + 0.25 * f64::from(value);
            }
        }
        for found in [flat.to_vec(), in_tensors.to_vec()] {
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(&expected) {
                assert!((f64::from(*found) - expected).abs() < 1e-6, "{found} and {expected}");
            }
        }
        assert!(flat.to_vec() != start);
    }
}
