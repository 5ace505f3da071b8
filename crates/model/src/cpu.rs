//! What training and generation on the CPU share: slices instead of tensors.
//!
//! Determinism: work is cut by shapes, never by the number of threads, and sums over pieces are
//! taken in order.

pub(crate) mod buffer;
pub(crate) mod gemm;
pub(crate) mod matrix;
pub(crate) mod vector;
pub(crate) mod weights;

use burn::tensor::Device;

/// Whether a device is the CPU.
pub(crate) fn is(device: &Device) -> bool {
    *device == Device::flex()
}
