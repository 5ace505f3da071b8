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

/// The widest vector instructions of this processor that there are loops for: processors with the same answer
/// compute the same bits.
#[cfg(target_arch = "x86_64")]
pub fn instruction_set() -> &'static str {
    use pulp::x86::{V3, V4};
    // What `pulp` asks for, which is more than one flag.
    match (V4::try_new(), V3::try_new()) {
        (Some(_), _) if is_x86_feature_detected!("avx512bf16") => "avx512bf16",
        (Some(_), _) => "avx512f",
        (None, Some(_)) => "fma",
        (None, None) => "sse2",
    }
}

/// The widest vector instructions of this processor that there are loops for.
#[cfg(not(target_arch = "x86_64"))]
pub fn instruction_set() -> &'static str {
    // Of the others only these are compiled for, and every such processor has them.
    if cfg!(target_arch = "aarch64") { "neon" } else { "baseline" }
}
