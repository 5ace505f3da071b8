//! What a user sees: the binary, driven from outside on small projects made here; and what this
//! repository says about itself.

// A test that cannot go on panics; clippy exempts functions marked as tests alone.
#![allow(clippy::unwrap_used)]

mod bad_input;
mod bad_rows;
mod bad_texts;
mod chain;
mod checkpoints;
mod committed;
mod continual;
mod corpora;
mod devices;
mod documents;
mod dpo;
mod environments;
mod gate;
mod generate;
mod held;
mod heldout;
mod help;
mod json_schema;
mod judges;
mod killed;
mod kto;
mod lora;
mod methods;
mod mixing;
mod printed;
mod project;
mod refill;
mod replay;
mod rewarded;
mod rl;
mod run;
mod scored_chats;
mod services;
mod sft;
mod tidy;
mod too_long;
