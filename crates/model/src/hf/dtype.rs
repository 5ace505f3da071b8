//! The number types of weights in files.

use half::{bf16, f16};
use safetensors::Dtype as Stored;

/// The type weights are stored in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dtype {
    /// 32-bit floats: nothing is lost.
    F32,
    /// IEEE half precision: half the size, 11 bits of precision, at most 65,504.
    F16,
    /// Brain floats: half the size, 8 bits of precision, the range of 32-bit floats.
    Bf16,
}

impl Dtype {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::F32, Self::F16, Self::Bf16];

    /// The name `config.json` gives it.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "float32",
            Self::F16 => "float16",
            Self::Bf16 => "bfloat16",
        }
    }

    /// Bytes of one value.
    pub fn width(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    /// The name safetensors gives it.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
        }
    }

    /// The type of a stored tensor, where it is one that is computed with.
    pub(super) fn of(stored: Stored) -> Option<Self> {
        [(Stored::F32, Self::F32), (Stored::F16, Self::F16), (Stored::BF16, Self::Bf16)]
            .into_iter()
            .find_map(|(there, dtype)| (there == stored).then_some(dtype))
    }

    /// Appends little-endian values as f32; every value of a narrower type has its own f32.
    pub(super) fn widen(self, bytes: &[u8], values: &mut Vec<f32>) {
        match self {
            Self::F32 => {
                values.extend(bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)));
            }
            Self::F16 => values.extend(
                bytes.as_chunks().0.iter().map(|bytes| f16::from_le_bytes(*bytes).to_f32()),
            ),
            Self::Bf16 => values.extend(
                bytes.as_chunks().0.iter().map(|bytes| bf16::from_le_bytes(*bytes).to_f32()),
            ),
        }
    }

    /// Appends values as little-endian bytes, rounded to nearest, ties to even, as PyTorch does.
    pub(super) fn narrow(self, values: &[f32], bytes: &mut Vec<u8>) {
        match self {
            Self::F32 => bytes.extend(values.iter().flat_map(|value| value.to_le_bytes())),
            Self::F16 => {
                bytes.extend(values.iter().flat_map(|value| f16::from_f32(*value).to_le_bytes()));
            }
            Self::Bf16 => {
                bytes.extend(values.iter().flat_map(|value| bf16::from_f32(*value).to_le_bytes()));
            }
        }
    }

    /// Whether a value stays finite when it is stored in this type.
    pub(super) fn holds(self, value: f32) -> bool {
        match self {
            Self::F32 => value.is_finite(),
            // Half of the last unit above the largest value is where rounding leads to infinity.
            Self::F16 => value.abs() < 65_520.0,
            Self::Bf16 => bf16::from_f32(value).is_finite(),
        }
    }
}
