//! One number for all weights.

use sha2::{Digest, Sha256};

use crate::{Decoder, names::fields};

/// SHA-256 over the values of all tensors as little-endian f32, in the fixed order.
///
/// Equal digests mean equal weights, whatever type or file they were loaded from.
pub fn weights_digest(decoder: &Decoder) -> [u8; 32] {
    let mut hasher = WeightsHasher::default();
    for field in fields(decoder.config()) {
        decoder.pieces(field).for_each(|values| hasher.update(&values));
    }
    hasher.finish()
}

/// Makes [`weights_digest`] of weights that come piece by piece, in the fixed order.
#[derive(Debug, Default)]
pub(crate) struct WeightsHasher(Sha256);

impl WeightsHasher {
    pub(crate) fn update(&mut self, values: &[f32]) {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.0.update(bytes);
    }

    pub(crate) fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}
