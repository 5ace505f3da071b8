//! The Hugging Face folder: `config.json`, `model.safetensors`, `generation_config.json`.
//!
//! Weights go through one tensor at a time in both directions, so that a checkpoint is never in
//! memory twice. Tokenizer files are not touched here.

mod load;
mod save;
mod weights;

pub use load::{LoadReport, load};
pub use save::save;

/// The type weights are stored in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dtype {
    /// 32-bit floats: nothing is lost.
    F32,
    /// Brain floats, rounded to nearest, ties to even: half the size, 8 bits of precision.
    Bf16,
}

impl Dtype {
    /// The name `config.json` gives it.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "float32",
            Self::Bf16 => "bfloat16",
        }
    }
}

#[cfg(test)]
mod tests;
