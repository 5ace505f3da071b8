//! LoRA adapters in the form of PEFT, merged into their base at load.
//!
//! An adapter adds `scale · B · A` to a matrix of its base, with `A` `[r, in]` and `B` `[out, r]`
//! (Hu et al. 2021, arXiv:2106.09685). `scale` is `alpha / r`, or `alpha / √r` with rank-stabilized
//! scaling (Kalajdzievski 2023, arXiv:2312.03732).

mod base;
mod config;
mod lora;
mod targets;

pub(super) use base::TrainedOn;
pub use base::adapter_base;
pub(super) use config::{AdapterConfig, CONFIG};
pub(super) use lora::Lora;

#[cfg(test)]
mod tests;
