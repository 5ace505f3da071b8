//! The network in burn, its Hugging Face form, and generation.
//!
//! ```text
//! config.json ─► Config ─┬─► Decoder::init ─┐
//! model.safetensors ─────┴─► hf::load ──────┴─► Decoder ─► token_losses ─► backward ─► gradients
//!                                                │  ▲                                     │
//!                              hf::save ◄────────┘  └──────────── set_values ◄── optimizer┘
//! ```
//!
//! One decoder for all families: RMSNorm, rotary positions, grouped-query attention and a gated
//! feed-forward part, with the choices a [`Config`] describes. It runs on any burn device, chosen at
//! run time.
//!
//! A training step, with plain gradient descent in the optimizer's place:
//!
//! ```ignore
//! let device = Device::flex().autodiff();
//! let (mut decoder, _) = hf::load(dir, &device)?;
//! let mut weights = decoder.values();
//! let mut gradient = vec![0.0; weights.len()];
//! for rows in batches {
//!     let loss = decoder.token_losses(&rows).sum() / rows.n_supervised() as f64;
//!     decoder.gradients(&mut loss.backward(), &mut gradient);
//!     weights.iter_mut().zip(&gradient).for_each(|(w, g)| *w -= 0.1 * g);
//!     decoder.set_values(&weights)?;
//! }
//! hf::save(&decoder, dir, Dtype::Bf16)?;
//! ```
//!
//! What holds:
//!
//! * Attention does not cross from one segment of a packed row into another: a document has the
//!   same losses wherever it is packed.
//! * Tensors have one order everywhere, that of [`parameters`]; their names stand in one table.
//! * Logits equal those of transformers within 1e-4 in f32.
//! * On the CPU a result does not depend on the number of threads.
//! * No weight is drawn by a device: fresh weights are a function of the seed.

mod attention;
mod block;
mod build;
pub mod config;
mod decoder;
mod digest;
mod error;
mod fused;
mod generate;
mod grow;
pub mod hf;
mod init;
mod linear;
mod loss;
mod mlp;
mod names;
mod norm;
pub mod rope;
mod rows;
#[cfg(test)]
mod testing;

pub use config::Config;
pub use decoder::Decoder;
pub use digest::weights_digest;
pub use error::Error;
pub use generate::{Completion, Ending, GenerateOptions, IsComplete, Prompt, Sampling, generate};
pub use names::{Parameter, parameters};
pub use rows::PackedRows;
