//! Drawing fresh weights.

use burn::tensor::Device;
use rand::Rng;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use sha2::{Digest, Sha256};

use crate::{
    Config, Decoder,
    names::{Field, FieldKind},
};

impl Decoder {
    /// A decoder with fresh weights: matrices normal with `initializer_range`, norms that scale by 1,
    /// biases 0.
    ///
    /// Each tensor has its own random stream, named after the tensor, so that its values depend on
    /// nothing but the seed, its name and its size; the device draws nothing.
    pub fn init(config: &Config, seed: u64, device: &Device) -> Self {
        Self::build(config, device, |field| Ok(draw(config, field, seed)))
            .expect("drawing values cannot fail")
    }
}

/// Fresh values of a field.
pub(crate) fn draw(config: &Config, field: Field, seed: u64) -> Vec<f32> {
    let n = field.shape(config).iter().product();
    match field.kind() {
        FieldKind::Norm => return vec![1.0 - config.norm_offset as f32; n],
        FieldKind::Bias => return vec![0.0; n],
        FieldKind::Matrix => {}
    }
    let stream = Sha256::new()
        .chain_update(b"temper model init\0")
        .chain_update(seed.to_le_bytes())
        .chain_update(field.stream());
    let mut rng = ChaCha8Rng::from_seed(stream.finalize().into());
    let mut values = Vec::with_capacity(n + 1);
    while values.len() < n {
        let (x, y) = normal_pair(&mut rng);
        values.extend([x, y].map(|z| (z * config.initializer_range) as f32));
    }
    values.truncate(n);
    values
}

/// Two standard normal numbers (Box and Muller 1958).
fn normal_pair(rng: &mut ChaCha8Rng) -> (f64, f64) {
    let mut uniform = || (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
    // 1 − u lies in (0, 1], where the logarithm is finite.
    let radius = (-2.0 * (1.0 - uniform()).ln()).sqrt();
    let (sin, cos) = (std::f64::consts::TAU * uniform()).sin_cos();
    (radius * cos, radius * sin)
}

#[cfg(test)]
mod tests;
