//! Tiles whose factors are pairs of bfloat16, for processors with AVX512-BF16.

use std::arch::x86_64::{__m512, __m512bh, _mm512_dpbf16_ps};

use pulp::{f32x16, x86::V4};

use super::Tiles;

pub(super) fn available() -> bool {
    V4::try_new().is_some() && is_x86_feature_detected!("avx512bf16")
}

/// All tiles of a block.
pub(super) fn run(tiles: Tiles<'_>) {
    let v4 = V4::try_new().filter(|_| available()).expect("only processors with AVX512-BF16 pair");
    #[allow(unsafe_code)]
    // SAFETY: the processor has the instructions, as was asked in the line above.
    unsafe {
        run_compiled(v4, tiles);
    }
}

#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512bf16")]
fn run_compiled(v4: V4, tiles: Tiles<'_>) {
    tiles.run::<V4, 8, 3>(v4, |left, right, sum| {
        from_register(_mm512_dpbf16_ps(register(sum), pairs(left), pairs(right)))
    });
}

#[inline(always)]
fn register(values: f32x16) -> __m512 {
    #[allow(unsafe_code)]
    // SAFETY: both are sixteen 32-bit floats.
    unsafe {
        std::mem::transmute(values)
    }
}

#[inline(always)]
fn from_register(values: __m512) -> f32x16 {
    #[allow(unsafe_code)]
    // SAFETY: both are sixteen 32-bit floats.
    unsafe {
        std::mem::transmute(values)
    }
}

#[inline(always)]
fn pairs(values: f32x16) -> __m512bh {
    #[allow(unsafe_code)]
    // SAFETY: both are 64 bytes of which any value is valid.
    unsafe {
        std::mem::transmute(values)
    }
}
