//! Is this answer right: verifiers over plain text.
//!
//! A [`Verifier`] and a reference make a [`Criterion`], which says how right what a model wrote is, 0 to 1. It knows
//! neither models nor tensors; the stage `rl` takes its scores as rewards, a suite as accuracy.
//!
//! | verifier | right is |
//! |---|---|
//! | `number` | the last number, or the one behind `####`, is the reference's |
//! | `choice` | the letter that is answered with is the reference's |
//! | `exact` | the text is the reference, but for white space |
//! | `regex` | a pattern is found in it |
//! | `json` | it is JSON with the keys and types of the reference |
//! | `json-schema` | it is JSON that a schema admits |
//! | `tool-call` | it calls the reference's tool with its arguments |
//! | `constraints` | the part of the instructions that it keeps (IFEval; Zhou et al. 2023, arXiv 2311.07911) |

mod choice;
mod constraints;
mod criterion;
mod error;
mod exact;
mod json;
mod number;
mod schema;
mod tool_call;
mod verifier;

pub use criterion::Criterion;
pub use error::Error;
pub use verifier::Verifier;
