//! The formulas.

use rand::Rng as _;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use sha2::{Digest as _, Sha256};

use super::{Inputs, Values, pieces};
use crate::Error;

/// How checkpoints become one. A change is what a model has more than the base, value by value.
#[derive(Clone, Debug, PartialEq)]
pub enum MergeMethod {
    /// The mean, by weights that are brought to a sum of one (Wortsman et al. 2022, arXiv 2203.05482).
    Linear {
        /// One for each model.
        weights: Vec<f64>,
    },
    /// From the first model to the second along the great circle, tensor by tensor (Shoemake 1985,
    /// doi:10.1145/325165.325242).
    Slerp {
        /// 0 is the first model, 1 the second.
        t: f64,
    },
    /// The base and the weighted changes (Ilharco et al. 2023, arXiv 2212.04089).
    TaskArithmetic {
        /// One for each model.
        weights: Vec<f64>,
    },
    /// The base and, of the largest changes of each model, the mean of those that agree with the sign of
    /// their sum (TIES; Yadav et al. 2023, arXiv 2306.01708).
    Ties {
        /// The part of each model's changes that is kept, more than 0 and at most 1.
        density: f64,
        /// By which the result's changes are multiplied, λ.
        scale: f64,
    },
    /// The base and the weighted changes, of which a random part is dropped and the rest made larger by as
    /// much (DARE; Yu et al. 2024, arXiv 2311.03099).
    Dare {
        /// The part that is dropped, 0 to less than 1.
        drop: f64,
        /// One for each model.
        weights: Vec<f64>,
        /// Of the choice what is dropped.
        seed: u64,
    },
}

/// Directions that differ by less are taken to be the same: the circle is not defined.
const COLLINEAR: f64 = 0.9995;

impl MergeMethod {
    /// Whether it looks at changes.
    pub fn needs_base(&self) -> bool {
        match self {
            Self::Linear { .. } | Self::Slerp { .. } => false,
            Self::TaskArithmetic { .. } | Self::Ties { .. } | Self::Dare { .. } => true,
        }
    }

    /// As the command line calls it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Linear { .. } => "linear",
            Self::Slerp { .. } => "slerp",
            Self::TaskArithmetic { .. } => "task-arithmetic",
            Self::Ties { .. } => "ties",
            Self::Dare { .. } => "dare",
        }
    }

    pub(super) fn check(&self, n_models: usize, has_base: bool) -> Result<(), Error> {
        let refuse = |subject: &str, found: String, expected: String, hint: &str| {
            let (subject, hint) = (format!("{}: {subject}", self.name()), hint.to_owned());
            Err(Error::Merge { subject, found, expected, hint })
        };
        let of_weights = |weights: &[f64]| {
            if weights.len() != n_models {
                let (found, expected) = (weights.len().to_string(), n_models.to_string());
                return refuse(
                    "weights",
                    found,
                    expected,
                    "give one for each model, in their order",
                );
            }
            match weights.iter().find(|weight| !weight.is_finite()) {
                Some(weight) => {
                    refuse("weights", weight.to_string(), "numbers".to_owned(), "write 0.5")
                }
                None => Ok(()),
            }
        };
        let within = |subject: &str, value: f64, holds: bool, expected: &str| match holds {
            true => Ok(()),
            false => refuse(subject, value.to_string(), expected.to_owned(), "change the value"),
        };
        if has_base != self.needs_base() {
            let (found, expected) = if has_base { ("one", "none") } else { ("none", "one") };
            let hint = if has_base {
                "leave the base out, or name it as a model"
            } else {
                "name the checkpoint that all models were trained from"
            };
            return refuse("the base", found.to_owned(), expected.to_owned(), hint);
        }
        let least = if self.needs_base() { 1 } else { 2 };
        if n_models < least {
            let expected = format!("{least} or more");
            return refuse("models", n_models.to_string(), expected, "name more checkpoints");
        }
        match self {
            Self::Linear { weights } => {
                of_weights(weights)?;
                let sum: f64 = weights.iter().sum();
                within("the sum of the weights", sum, sum.abs() > 1e-12, "one that is not 0")
            }
            Self::Slerp { t } => {
                if n_models != 2 {
                    let hint = "a circle goes through two; merge the others after that";
                    return refuse("models", n_models.to_string(), "2".to_owned(), hint);
                }
                within("t", *t, (0.0..=1.0).contains(t), "0 to 1")
            }
            Self::TaskArithmetic { weights } => of_weights(weights),
            Self::Ties { density, scale } => {
                within(
                    "the density",
                    *density,
                    *density > 0.0 && *density <= 1.0,
                    "more than 0, at most 1",
                )?;
                within("the scale", *scale, scale.is_finite(), "a number")
            }
            Self::Dare { drop, weights, .. } => {
                of_weights(weights)?;
                within("what is dropped", *drop, (0.0..1.0).contains(drop), "0 to less than 1")
            }
        }
    }
}

/// The changes of one model.
pub(super) struct Delta;

impl Delta {
    pub(super) fn of(values: &Values, model: usize) -> impl Iterator<Item = f64> {
        let base = values.base.as_ref().expect("methods of changes have a base");
        let pairs = values.models[model].iter().zip(base);
        pairs.map(|(value, base)| f64::from(*value) - f64::from(*base))
    }
}

/// A method, with what has to be known of all tensors before the first is written.
pub(super) struct Rule<'a> {
    method: &'a MergeMethod,
    /// Of TIES, by model.
    thresholds: Vec<f32>,
}

/// A method at work on one tensor, whose values come in order.
pub(super) enum OfTensor<'a> {
    /// The weighted sum of the models.
    Sum(Vec<f64>),
    /// The base and the weighted changes.
    Changes(&'a [f64]),
    Ties {
        thresholds: &'a [f32],
        scale: f64,
    },
    Dare {
        drop: f64,
        weights: &'a [f64],
        choices: Vec<ChaCha8Rng>,
    },
}

impl<'a> Rule<'a> {
    pub(super) fn new(method: &'a MergeMethod, inputs: &mut Inputs) -> Result<Self, Error> {
        let thresholds = if let MergeMethod::Ties { density, .. } = method {
            inputs.thresholds(*density)?
        } else {
            Vec::new()
        };
        Ok(Self { method, thresholds })
    }

    pub(super) fn of_tensor(
        &'a self,
        inputs: &mut Inputs,
        tensor: usize,
    ) -> Result<OfTensor<'a>, Error> {
        Ok(match self.method {
            MergeMethod::Linear { weights } => {
                let sum: f64 = weights.iter().sum();
                OfTensor::Sum(weights.iter().map(|weight| weight / sum).collect())
            }
            MergeMethod::Slerp { t } => OfTensor::Sum(on_circle(*t, inputs, tensor)?.to_vec()),
            MergeMethod::TaskArithmetic { weights } => OfTensor::Changes(weights),
            MergeMethod::Ties { scale, .. } => {
                OfTensor::Ties { thresholds: &self.thresholds, scale: *scale }
            }
            MergeMethod::Dare { drop, weights, seed } => {
                let name = &inputs.tensors[tensor].name;
                let choices = (0..weights.len() as u64).map(|model| choice(*seed, model, name));
                OfTensor::Dare { drop: *drop, weights, choices: choices.collect() }
            }
        })
    }
}

/// What is dropped of a model's tensor depends on nothing but its name and the seed.
fn choice(seed: u64, model: u64, tensor: &str) -> ChaCha8Rng {
    let mut stream = Sha256::new();
    stream.update(b"dare");
    stream.update(seed.to_le_bytes());
    stream.update(model.to_le_bytes());
    stream.update(tensor.as_bytes());
    ChaCha8Rng::from_seed(stream.finalize().into())
}

/// In [0, 1), of 53 random bits.
fn uniform(choice: &mut ChaCha8Rng) -> f64 {
    (choice.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

/// The parts of two tensors, taken as vectors, that make the point at `t` of the circle between them.
fn on_circle(t: f64, inputs: &mut Inputs, tensor: usize) -> Result<[f64; 2], Error> {
    let (mut dot, mut norms) = (0.0, [0.0; 2]);
    for piece in pieces(&inputs.shapes[tensor].clone()) {
        let Values { models, .. } = inputs.read(tensor, piece)?;
        for (a, b) in models[0].iter().zip(&models[1]) {
            let (a, b) = (f64::from(*a), f64::from(*b));
            dot += a * b;
            norms[0] += a * a;
            norms[1] += b * b;
        }
    }
    let cosine = dot / (norms[0].sqrt() * norms[1].sqrt());
    // A tensor of zeros has no direction.
    if cosine.is_nan() || cosine.abs() >= COLLINEAR {
        return Ok([1.0 - t, t]);
    }
    let angle = cosine.acos();
    Ok([((1.0 - t) * angle).sin() / angle.sin(), (t * angle).sin() / angle.sin()])
}

impl OfTensor<'_> {
    pub(super) fn merge(&mut self, values: &Values) -> Vec<f32> {
        match self {
            Self::Sum(weights) => {
                let mut sums = vec![0.0; values.models[0].len()];
                for (model, weight) in values.models.iter().zip(weights) {
                    add(&mut sums, model.iter().map(|value| *weight * f64::from(*value)));
                }
                sums.into_iter().map(|sum| sum as f32).collect()
            }
            Self::Changes(weights) => on_base(values, |model, delta| weights[model] * delta),
            Self::Dare { drop, weights, choices } => on_base(values, |model, delta| {
                // A number for every value, kept or not, so that order alone decides.
                let is_dropped = uniform(&mut choices[model]) < *drop;
                if is_dropped { 0.0 } else { weights[model] * delta / (1.0 - *drop) }
            }),
            Self::Ties { thresholds, scale } => {
                let mut deltas: Vec<_> =
                    (0..values.models.len()).map(|model| Delta::of(values, model)).collect();
                let base = values.base.iter().flatten();
                let merged = base.map(|base| {
                    let kept =
                        deltas.iter_mut().zip(thresholds.iter()).map(|(deltas, threshold)| {
                            let delta = deltas.next().expect("as many changes as values");
                            if delta.abs() as f32 >= *threshold { delta } else { 0.0 }
                        });
                    f64::from(*base) + *scale * elected(&kept.collect::<Vec<f64>>())
                });
                merged.map(|value| value as f32).collect()
            }
        }
    }
}

/// The mean of the changes that have the sign of their sum.
fn elected(changes: &[f64]) -> f64 {
    let sign = changes.iter().sum::<f64>();
    let agree = changes.iter().filter(|change| **change * sign > 0.0);
    let (n, sum) = agree.fold((0_u32, 0.0), |(n, sum), change| (n + 1, sum + change));
    if n == 0 { 0.0 } else { sum / f64::from(n) }
}

/// The base and what `part` says of each model's changes, in the order of the models.
fn on_base(values: &Values, mut part: impl FnMut(usize, f64) -> f64) -> Vec<f32> {
    let base = values.base.iter().flatten();
    let mut sums: Vec<f64> = base.map(|base| f64::from(*base)).collect();
    for model in 0..values.models.len() {
        add(&mut sums, Delta::of(values, model).map(|delta| part(model, delta)));
    }
    sums.into_iter().map(|sum| sum as f32).collect()
}

fn add(sums: &mut [f64], values: impl Iterator<Item = f64>) {
    sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
}
