//! Rotary position embedding (Su et al. 2021, arXiv:2104.09864) in the half-split form that
//! transformers uses: element `i` of the turned part of a head turns with element `i + dim / 2`.

use burn::tensor::{Device, Tensor, TensorData};

/// How queries and keys of a layer are turned by their positions.
#[derive(Clone, Debug, PartialEq)]
pub struct Rope {
    /// Base of the frequencies.
    pub theta: f64,
    /// Leading elements of a head that are turned; even, the rest stays as it is.
    pub dim: usize,
    /// What stretches the frequencies beyond the length a model was pretrained on.
    pub scaling: RopeScaling,
}

/// The ways of transformers to stretch the frequencies; lengths in tokens.
#[derive(Clone, Debug, PartialEq)]
pub enum RopeScaling {
    /// None.
    Default,
    /// All frequencies divided (Chen et al. 2023, arXiv:2306.15595).
    Linear {
        /// The divisor.
        factor: f64,
    },
    /// A base that grows with the sequence once it is longer than `original`: NTK-aware scaling.
    Dynamic {
        /// How fast it grows.
        factor: f64,
        /// The length up to which nothing changes.
        original: usize,
    },
    /// Low frequencies divided, high ones kept, a ramp between, and longer vectors (Peng et al.
    /// 2023, arXiv:2309.00071).
    Yarn {
        /// The divisor.
        factor: f64,
        /// First and last dimension of the ramp.
        ramp: (f64, f64),
        /// What cosines and sines are multiplied by.
        attention_factor: f64,
    },
    /// One divisor for each frequency, other ones beyond `original` (Ding et al. 2024,
    /// arXiv:2402.13753).
    LongRope {
        /// Divisors up to `original`.
        short: Vec<f64>,
        /// Divisors beyond it.
        long: Vec<f64>,
        /// The longest sequence that takes `short`.
        original: usize,
        /// What cosines and sines are multiplied by.
        attention_factor: f64,
    },
    /// Low frequencies divided, high ones kept, an interpolation between, as Llama 3.1 does.
    Llama3 {
        /// The divisor.
        factor: f64,
        /// Wavelengths above `original / low` are divided.
        low: f64,
        /// Wavelengths below `original / high` are kept.
        high: f64,
        /// Length the model was pretrained on.
        original: usize,
    },
}

impl Rope {
    /// What the scaling is called in a `config.json`.
    pub fn name(&self) -> &'static str {
        match self.scaling {
            RopeScaling::Default => "default",
            RopeScaling::Linear { .. } => "linear",
            RopeScaling::Dynamic { .. } => "dynamic",
            RopeScaling::Yarn { .. } => "yarn",
            RopeScaling::LongRope { .. } => "longrope",
            RopeScaling::Llama3 { .. } => "llama3",
        }
    }

    /// True where the angles at a position depend on how long the whole sequence is.
    pub fn depends_on_length(&self) -> bool {
        matches!(self.scaling, RopeScaling::Dynamic { .. } | RopeScaling::LongRope { .. })
    }

    /// Angle per position of each pair, for a sequence of `length` tokens in all.
    ///
    /// Computed in f32 and in the order of transformers: at position 2,000 a rounding of the
    /// frequency alone moves a logit by more than the parity tests allow.
    fn frequencies(&self, length: usize) -> Vec<f32> {
        let theta = self.theta as f32;
        let exponents = (0..self.dim / 2).map(|i| (2 * i) as f32 / self.dim as f32);
        match &self.scaling {
            RopeScaling::Default => exponents.map(|x| 1.0 / theta.powf(x)).collect(),
            RopeScaling::Linear { factor } => {
                exponents.map(|x| 1.0 / theta.powf(x) / *factor as f32).collect()
            }
            RopeScaling::Dynamic { factor, original } => {
                let stretch = *factor as f32 * length.max(*original) as f32 / *original as f32;
                let power = self.dim as f32 / (self.dim as f32 - 2.0);
                let theta = theta * (stretch - (factor - 1.0) as f32).powf(power);
                exponents.map(|x| 1.0 / theta.powf(x)).collect()
            }
            RopeScaling::Yarn { factor, ramp: (low, high), .. } => {
                let (low, high) = (*low as f32, *high as f32);
                let width = if low == high { 0.001 } else { high - low };
                let mix = |(i, x): (usize, f32)| {
                    let kept = 1.0 - ((i as f32 - low) / width).clamp(0.0, 1.0);
                    let period = theta.powf(x);
                    1.0 / (*factor as f32 * period) * (1.0 - kept) + 1.0 / period * kept
                };
                exponents.enumerate().map(mix).collect()
            }
            RopeScaling::LongRope { short, long, original, .. } => {
                let divisors = if length > *original { long } else { short };
                exponents
                    .zip(divisors)
                    .map(|(x, divisor)| 1.0 / (*divisor as f32 * theta.powf(x)))
                    .collect()
            }
            RopeScaling::Llama3 { factor, low, high, original } => {
                let original = *original as f32;
                let (factor, low, high) = (*factor as f32, *low as f32, *high as f32);
                let scale = |x: f32| {
                    let frequency = 1.0 / theta.powf(x);
                    let wavelength = 2.0 * std::f32::consts::PI / frequency;
                    if wavelength > original / low {
                        frequency / factor
                    } else if wavelength < original / high {
                        frequency
                    } else {
                        let smooth = (original / wavelength - low) / (high - low);
                        (1.0 - smooth) * frequency / factor + smooth * frequency
                    }
                };
                exponents.map(scale).collect()
            }
        }
    }

    /// What cosines and sines are multiplied by.
    fn attention_factor(&self) -> f64 {
        match self.scaling {
            RopeScaling::Yarn { attention_factor, .. }
            | RopeScaling::LongRope { attention_factor, .. } => attention_factor,
            RopeScaling::Default
            | RopeScaling::Linear { .. }
            | RopeScaling::Dynamic { .. }
            | RopeScaling::Llama3 { .. } => 1.0,
        }
    }
}

/// Positions that follow one another in one sequence.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stretch {
    /// The first position.
    pub(crate) first: usize,
    /// How many there are; the sequence ends behind them.
    pub(crate) len: usize,
}

/// Cosines and sines of the angles at a list of positions.
#[derive(Clone, Debug)]
pub(crate) struct Rotation {
    /// `[n, dim / 2]`, row by row.
    pub(crate) cos: Vec<f32>,
    /// As `cos`.
    pub(crate) sin: Vec<f32>,
    /// Half of the elements of a head that are turned.
    pub(crate) half: usize,
}

impl Rotation {
    /// The angles at the positions of the stretches, one behind the other.
    pub(crate) fn new(rope: &Rope, stretches: impl Iterator<Item = Stretch>) -> Self {
        let half = rope.dim / 2;
        let factor = rope.attention_factor() as f32;
        let (mut cos, mut sin) = (Vec::new(), Vec::new());
        let mut frequencies = rope.frequencies(0);
        for stretch in stretches {
            let end = stretch.first + stretch.len;
            if rope.depends_on_length() {
                frequencies = rope.frequencies(end);
            }
            for position in stretch.first..end {
                for frequency in &frequencies {
                    let angle = f64::from(position as f32 * frequency);
                    cos.push(angle.cos() as f32 * factor);
                    sin.push(angle.sin() as f32 * factor);
                }
            }
        }
        Self { cos, sin, half }
    }

    /// The table as tensors that turn `[batch, heads, seq, head_dim]`, `n / batch` rows for each
    /// batch entry.
    pub(crate) fn to_tensors(&self, batch: usize, device: &Device) -> RotationTensors {
        let seq = self.cos.len() / self.half / batch;
        let table = |values: &Vec<f32>| {
            Tensor::<4>::from_data(
                TensorData::new(values.clone(), [batch, 1, seq, self.half]),
                device,
            )
        };
        RotationTensors { cos: table(&self.cos), sin: table(&self.sin) }
    }
}

/// [`Rotation`] on a device.
#[derive(Clone, Debug)]
pub(crate) struct RotationTensors {
    cos: Tensor<4>,
    sin: Tensor<4>,
}

impl RotationTensors {
    /// Turns queries or keys.
    ///
    /// # Shapes
    /// - x, output: `[batch, heads, seq, head_dim]`
    pub(crate) fn apply(&self, x: Tensor<4>) -> Tensor<4> {
        self.turn(x, self.sin.clone())
    }

    /// The inverse of [`RotationTensors::apply`] up to the square of the attention factor, and its
    /// transpose: what gradients need.
    pub(crate) fn apply_back(&self, x: Tensor<4>) -> Tensor<4> {
        self.turn(x, self.sin.clone().neg())
    }

    fn turn(&self, x: Tensor<4>, sin: Tensor<4>) -> Tensor<4> {
        let head_dim = x.dims()[3];
        let half = self.cos.dims()[3];
        let low = x.clone().narrow(3, 0, half);
        let high = x.clone().narrow(3, half, half);
        let turned_low = low.clone() * self.cos.clone() - high.clone() * sin.clone();
        let turned_high = high * self.cos.clone() + low * sin;
        let mut parts = vec![turned_low, turned_high];
        if head_dim > 2 * half {
            parts.push(x.narrow(3, 2 * half, head_dim - 2 * half));
        }
        Tensor::cat(parts, 3)
    }
}

#[cfg(test)]
mod tests;
