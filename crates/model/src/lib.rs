//! The network in burn, its Hugging Face form, and generation.
//!
//! ```text
//! config.json ─► Config ─┬─► Decoder::init ─┐
//! model.safetensors ─────┴─► hf::load ──────┴─► Decoder ─► gradients of an objective
//!                                                │  ▲                    │
//!                              hf::save ◄────────┘  └─ update ◄ optimizer┘
//! ```
//!
//! One decoder for all families: RMSNorm, rotary positions, grouped-query attention and a gated
//! feed-forward part, with the choices a [`Config`] describes. It runs on any burn device, chosen at
//! run time.
//!
//! A training step, with plain gradient descent in the optimizer's place:
//!
//! ```ignore
//! let (mut decoder, _) = hf::load(dir, &Device::flex())?;
//! let mut gradients = Gradients::of(&decoder);
//! for rows in batches {
//!     let mean = Objective::Sum(1.0 / rows.n_supervised() as f32);
//!     let losses = decoder.gradients(&rows, mean, &PassOptions::default(), &mut gradients);
//!     let flat = gradients.to_vec();
//!     decoder.update_values(|place, values| {
//!         let gradient = &flat[place.range.clone()];
//!         values.iter_mut().zip(gradient).for_each(|(w, g)| *w -= 0.1 * g);
//!     });
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
mod cpu;
mod decoder;
mod digest;
mod error;
mod footprint;
mod generate;
mod grow;
pub mod hf;
mod init;
mod linear;
mod loss;
mod mlp;
mod names;
mod norm;
mod pass;
pub mod rope;
mod rows;
#[cfg(test)]
mod testing;
mod update;

pub use config::Config;
pub use cpu::instruction_set;
pub use decoder::Decoder;
pub use digest::weights_digest;
pub use error::Error;
pub use footprint::{Footprint, LaneShape};
pub use generate::{Completion, Ending, GenerateOptions, IsComplete, Prompt, Sampling, generate};
pub use names::{Parameter, parameters};
pub use pass::{Dropout, Gradients, Near, Objective, PassOptions, Precision};
pub use rows::PackedRows;
pub use update::Place;
