//! Rotary position embedding (Su et al. 2021, arXiv:2104.09864) in the half-split form of Llama in
//! transformers: element `i` of a head turns with element `i + head_dim / 2`.

use burn::tensor::{Device, Tensor, TensorData};

use crate::Config;

/// Cosines and sines of the angles at a list of positions.
#[derive(Clone, Debug)]
pub(crate) struct Rotation {
    /// `[n, head_dim / 2]`, row by row.
    pub(crate) cos: Vec<f32>,
    /// As `cos`.
    pub(crate) sin: Vec<f32>,
    half: usize,
}

impl Rotation {
    /// The angles at the given positions.
    ///
    /// Computed in f32 up to the angle, as transformers does: at position 2,000 a rounding of the
    /// frequency alone moves a logit by more than the parity test allows.
    pub(crate) fn at(config: &Config, positions: impl Iterator<Item = usize>) -> Self {
        let half = config.head_dim / 2;
        let theta = config.rope_theta as f32;
        let frequencies: Vec<f32> =
            (0..half).map(|i| 1.0 / theta.powf((2 * i) as f32 / config.head_dim as f32)).collect();
        let (cos, sin) = positions
            .flat_map(|position| {
                frequencies.iter().map(move |frequency| (position as f32 * frequency) as f64)
            })
            .map(|angle| (angle.cos() as f32, angle.sin() as f32))
            .unzip();
        Self { cos, sin, half }
    }

    /// The table as tensors that turn `[batch, heads, seq, head_dim]`, `n` rows for each batch entry.
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
        let [batch, heads, seq, head_dim] = x.dims();
        let half = head_dim / 2;
        let low = x.clone().slice([0..batch, 0..heads, 0..seq, 0..half]);
        let high = x.slice([0..batch, 0..heads, 0..seq, half..head_dim]);
        let turned_low = low.clone() * self.cos.clone() - high.clone() * self.sin.clone();
        let turned_high = high * self.cos.clone() + low * self.sin.clone();
        Tensor::cat(vec![turned_low, turned_high], 3)
    }
}
