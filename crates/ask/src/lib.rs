//! What is asked about a model's answers, and what is said back.
//!
//! ```text
//!             a question ─►                    ─► a reward
//! who samples                 who is outside                (told by number, as soon as it is known)
//!             a move ─────►                    ─► a reply
//! ```
//!
//! Training asks, and knows no programs or services; judges and environments answer, and know no tensors. What
//! goes between them is here, once. Prompts are named by source and document: what they say is known to neither.

mod episode;
mod question;
mod told;

pub use episode::{Move, Reply, Turn};
pub use question::Question;
pub use told::{Told, Unanswered};
