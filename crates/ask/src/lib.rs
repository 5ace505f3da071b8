//! What is asked about a model's answers, and what is said back.
//!
//! ```text
//! question ─► a judge        ─► reward ─┐
//!                                       ├─► told by number, in any order, as soon as it is known
//! move ─────► an environment ─► reply ──┘
//! ```
//!
//! Training asks, and knows no programs or services; judges and environments answer, and know no tensors. What
//! goes between them is here, once. A prompt is named by the numbers of its source and document: what it says is
//! looked up for those outside.

mod episode;
mod question;
mod told;

pub use episode::{Move, Reply, Turn};
pub use question::Question;
pub use told::{Told, Unanswered};
