//! Conversations as text and as ids: chat templates as Hugging Face checkpoints carry them.
//!
//! ```text
//! Conversation ─┐
//! ChatTemplate ─┴─ render ──► text, generated ─┐
//!                               Tokenizer ─────┴─ tokenize ──► ids, assistant mask
//! ```
//!
//! A template is a program from somewhere else. It runs without files, environment or clock, and
//! what it may do is bounded; see [`ChatTemplate`].

mod between;
mod calls;
mod date;
mod files;
mod filters;
mod functions;
mod guard;
mod json;
mod markers;
mod mask;
mod message;
mod methods;
mod python;
mod source;
mod template;
mod turns;

pub use date::DateTime;
pub use files::{CHAT_TEMPLATE_FILE, chat_template_files, special_tokens};
pub use markers::MissingMarkers;
pub use mask::{TokenizedChat, Turns};
pub use message::{Conversation, Message};
pub use template::{ChatTemplate, RENDER_WORK, RenderOptions, Rendered, SpecialTokens};

#[cfg(test)]
mod tests;
