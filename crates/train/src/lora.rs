//! Training the factors of changes instead of weights (Hu et al. 2021, arXiv 2106.09685).
//!
//! ```text
//! W ─┐                                        dA = s Bᵀ dW
//!    ├─► W + s B A ─► a pass ─► dW of targets ─┤            ─► clip ─► optimizer ─► A, B
//! A,B┘                                        dB = s dW Aᵀ
//! ```
//!
//! The decoder holds the sum, so that every pass, score and rollout is that of the merged model; the chain
//! rule makes the factors' gradients of the matrices'. Of the targets the weights before are kept, and no
//! moments but the factors' are.

mod dropout;
mod peft;

pub(crate) use dropout::StepDropout;
pub(crate) use peft::{load, save};

use burn::tensor::{Device, Tensor, TensorData};
use rand::Rng as _;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use temper_model::{Config, Decoder, Gradients, Parameter, Place, parameters};
use temper_recipe::{Hasher, Lora, Optimizer};

use crate::error::Error;
use crate::optimizer::TensorMoments;

/// The factors of all targets.
#[derive(Clone, Debug)]
pub(crate) struct Adapter {
    factors: Vec<Factors>,
    scale: f64,
    plus_ratio: f64,
    /// The share of inputs that A does not see in an update.
    dropout: f64,
    /// Masks are drawn from it.
    seed: u64,
}

/// The change of one matrix.
#[derive(Clone, Debug)]
struct Factors {
    /// The matrix among all weights.
    place: Place,
    /// Its name without `.weight`.
    module: String,
    /// `[rank, in]`.
    a: Tensor<2>,
    /// `[out, rank]`.
    b: Tensor<2>,
    /// The matrix before, `[out, in]`.
    base: Tensor<2>,
}

impl Adapter {
    /// Fresh factors: A drawn from the seed as PEFT draws it, B zeros, so that nothing changes yet.
    ///
    /// # Errors
    /// [`Error::Lora`] for targets that the decoder does not have.
    pub(crate) fn new(decoder: &Decoder, lora: &Lora, seed: u64) -> Result<Self, Error> {
        Self::with(decoder, lora, seed, |module, [out, input]| {
            let a = draw(seed, module, lora.rank * input, input);
            Ok([a, vec![0.0; out * lora.rank]])
        })
    }

    /// Factors whose values `values` gives by the name of their module and its shape.
    fn with(
        decoder: &Decoder,
        lora: &Lora,
        seed: u64,
        mut values: impl FnMut(&str, [usize; 2]) -> Result<[Vec<f32>; 2], Error>,
    ) -> Result<Self, Error> {
        let device = decoder.device();
        let all = decoder.values();
        let mut factors = Vec::new();
        for (place, module) in targets(lora, decoder.config())? {
            let [out, input] = place.matrix_shape();
            let [a, b] = values(&module, [out, input])?;
            let tensor = |values: Vec<f32>, shape: [usize; 2]| {
                Tensor::from_data(TensorData::new(values, shape), &device)
            };
            let base = all[place.range.clone()].to_vec();
            factors.push(Factors {
                module,
                a: tensor(a, [lora.rank, input]),
                b: tensor(b, [out, lora.rank]),
                base: tensor(base, [out, input]),
                place,
            });
        }
        let Lora { plus_ratio, dropout, .. } = *lora;
        Ok(Self { factors, scale: lora.scale(), plus_ratio, dropout, seed })
    }

    /// Where A and B of each target stand among the factors' values, in that order.
    pub(crate) fn places(&self) -> Vec<Place> {
        let mut start = 0;
        let shapes = self.factors.iter().flat_map(|of| [of.a.dims(), of.b.dims()]);
        let place = |(number, [rows, cols]): (usize, [usize; 2])| {
            let range = start..start + rows * cols;
            start = range.end;
            Place { number, range, shape: vec![rows, cols], is_matrix: true, is_table: false }
        };
        shapes.enumerate().map(place).collect()
    }

    /// The factors as PEFT names them, in the order of [`Adapter::places`].
    pub(crate) fn parameters(&self) -> Vec<Parameter> {
        let both = |of: &Factors| {
            [("lora_A", of.a.dims()), ("lora_B", of.b.dims())].map(|(which, shape)| Parameter {
                name: format!("base_model.model.{}.{which}.weight", of.module),
                shape: shape.to_vec(),
            })
        };
        self.factors.iter().flat_map(both).collect()
    }

    /// The factors' values, in the order of [`Adapter::places`].
    pub(crate) fn values(&self) -> Vec<f32> {
        let values = |tensor: &Tensor<2>| {
            let values = tensor.clone().into_data().try_into_vec::<f32>();
            values.expect("factors are 32-bit floats")
        };
        self.factors.iter().flat_map(|of| [values(&of.a), values(&of.b)]).flatten().collect()
    }

    /// The factors, flat, in the order of [`Adapter::places`].
    pub(crate) fn tensors(&self) -> impl Iterator<Item = Tensor<1>> {
        let flat = |tensor: &Tensor<2>| {
            let [rows, cols] = tensor.dims();
            tensor.clone().reshape([rows * cols])
        };
        self.factors.iter().flat_map(move |of| [flat(&of.a), flat(&of.b)])
    }

    /// The same matrices with other factors, whose values stand as in [`Adapter::values`].
    pub(crate) fn with_values(&self, values: &[f32]) -> Self {
        let mut other = self.clone();
        let mut rest = values;
        for factors in &mut other.factors {
            for tensor in [&mut factors.a, &mut factors.b] {
                let [rows, cols] = tensor.dims();
                let (values, behind) = rest.split_at(rows * cols);
                rest = behind;
                let data = TensorData::new(values.to_vec(), [rows, cols]);
                *tensor = Tensor::from_data(data, &tensor.device());
            }
        }
        other
    }

    /// Where the factors lie.
    pub(crate) fn device(&self) -> Device {
        self.factors[0].a.device()
    }

    /// The last parts of the targets' names, each once, sorted.
    pub(crate) fn targets(&self) -> Vec<String> {
        let last = |of: &Factors| of.module.rsplit('.').next().unwrap_or_default().to_owned();
        let mut targets: Vec<String> = self.factors.iter().map(last).collect();
        targets.sort();
        targets.dedup();
        targets
    }

    /// Puts the sums of weights and changes into the decoder.
    pub(crate) fn apply(&self, decoder: &mut Decoder) {
        decoder.update(|place, values| {
            let factors = self.factors.iter().find(|of| of.place.number == place.number);
            let Some(Factors { a, b, base, .. }) = factors else { return values };
            let sum = base.clone() + b.clone().matmul(a.clone()) * self.scale;
            sum.reshape([place.range.len()])
        });
    }

    /// The gradients of A and B of each target, flat, of those of all weights.
    fn gradients(&self, all: &Gradients, device: &Device) -> Vec<Tensor<1>> {
        let of = |of: &Factors| {
            let shape = of.place.matrix_shape();
            let matrix: Tensor<2> = match all {
                Gradients::Flat(values) => {
                    let values = values[of.place.range.clone()].to_vec();
                    Tensor::from_data(TensorData::new(values, shape), device)
                }
                Gradients::Tensors(tensors) => tensors[of.place.number].clone().reshape(shape),
            };
            let a = of.b.clone().transpose().matmul(matrix.clone()) * self.scale;
            let b = matrix.matmul(of.a.clone().transpose()) * self.scale;
            [a, b].map(|gradient| {
                let [rows, cols] = gradient.dims();
                gradient.reshape([rows * cols])
            })
        };
        self.factors.iter().flat_map(of).collect()
    }

    /// Moves the factors against the gradients of all weights, and the decoder with them. Gives the norm
    /// of the factors' gradients, `[1]`.
    pub(crate) fn update(
        &mut self,
        decoder: &mut Decoder,
        moments: &mut TensorMoments,
        gradients: &Gradients,
        loss_sum: Tensor<1>,
        (options, lr, update): (&Optimizer, f64, u64),
    ) -> Tensor<1> {
        let gradients = self.gradients(gradients, &decoder.device());
        let places = self.places();
        let plus = self.plus_ratio;
        let mut mover = moments.begin(&gradients, loss_sum, options, lr, update);
        let norm = mover.norm();
        for (at, factors) in self.factors.iter_mut().enumerate() {
            for (of, tensor) in [&mut factors.a, &mut factors.b].into_iter().enumerate() {
                let (number, shape) = (2 * at + of, tensor.dims());
                let ratio = if of == 1 { plus } else { 1.0 };
                let values = tensor.clone().reshape([shape[0] * shape[1]]);
                let gradient = gradients[number].clone();
                let moved = mover.step(&places[number], values, gradient, ratio);
                *tensor = moved.reshape(shape);
            }
        }
        self.apply(decoder);
        norm
    }
}

/// How many values the factors of a decoder of this shape have.
///
/// # Errors
/// [`Error::Lora`] for targets that the decoder does not have.
pub(crate) fn n_values(lora: &Lora, config: &Config) -> Result<usize, Error> {
    let of_both = |(place, _): &(Place, String)| place.matrix_shape().iter().sum::<usize>();
    Ok(lora.rank * targets(lora, config)?.iter().map(of_both).sum::<usize>())
}

/// The matrices that get factors, with their names without `.weight`.
fn targets(lora: &Lora, config: &Config) -> Result<Vec<(Place, String)>, Error> {
    let (places, parameters) = (Place::all(config), parameters(config));
    let is_separate = places.len() == parameters.len()
        && places.iter().zip(&parameters).all(|(place, stored)| place.shape == stored.shape);
    if !is_separate {
        return Err(Error::Lora {
            found: "a family that stores several matrices as one".to_owned(),
            expected: "matrices of their own, as Llama, Qwen and Gemma have them".to_owned(),
        });
    }
    let mut missing: Vec<&String> = lora.targets.iter().collect();
    let mut targets = Vec::new();
    for (place, stored) in places.into_iter().zip(parameters) {
        let Some(module) = stored.name.strip_suffix(".weight") else { continue };
        if !place.is_matrix || place.is_table {
            continue;
        }
        let last = module.rsplit('.').next().unwrap_or_default();
        missing.retain(|target| *target != last);
        if lora.targets.is_empty() || lora.targets.iter().any(|target| target == last) {
            targets.push((place, module.to_owned()));
        }
    }
    match missing.first() {
        Some(target) => Err(Error::Lora {
            found: format!("the target `{target}`"),
            expected: "the last parts of names of matrices in blocks, such as `q_proj`".to_owned(),
        }),
        None => Ok(targets),
    }
}

/// Uniform within one over the root of `input`: Kaiming's bound for a slope of √5, as PEFT has it.
fn draw(seed: u64, module: &str, n: usize, input: usize) -> Vec<f32> {
    let mut stream = Hasher::new();
    stream.update(b"lora");
    stream.update(&seed.to_le_bytes());
    stream.update(module.as_bytes());
    let mut rng = ChaCha8Rng::from_seed(*stream.finish().bytes());
    let bound = 1.0 / (input as f64).sqrt();
    let uniform = |rng: &mut ChaCha8Rng| (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
    (0..n).map(|_| ((2.0 * uniform(&mut rng) - 1.0) * bound) as f32).collect()
}

#[cfg(test)]
mod tests;
