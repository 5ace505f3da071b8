//! One number for all weights.

use sha2::{Digest, Sha256};

use crate::{Decoder, names::fields};

/// SHA-256 over the values of all tensors as little-endian f32, in the fixed order.
///
/// Equal digests mean equal weights, whatever type or file they were loaded from.
pub fn weights_digest(decoder: &Decoder) -> [u8; 32] {
    let mut digest = Sha256::new();
    for field in fields(decoder.config()) {
        let bytes: Vec<u8> =
            decoder.field_values(field).iter().flat_map(|value| value.to_le_bytes()).collect();
        digest.update(bytes);
    }
    digest.finalize().into()
}
