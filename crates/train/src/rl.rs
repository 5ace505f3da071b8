//! Group-relative policy optimisation: completions are sampled, judged and learned from in one step.
//!
//! ```text
//! prompts ─► sample a group of each ─► judge ─► journal ─► advantages ─► update, and again ─► weights
//!    ▲                                   │     (private/)  within groups   old ratios clipped
//!    └─ others of the source, where all ─┘                                 until the model is too far
//!       of a group are equally good                                        from the one that sampled
//! ```
//!
//! What a step samples follows from the weights before it, its prompts and the seed; what it was rewarded is
//! in the journal before it is used. A run that was killed samples the same and asks for no reward twice.

mod advantage;
mod awards;
mod journal;
mod judging;
mod learn;
mod objective;
mod rollout;
mod sample;
mod sums;

pub(crate) use journal::Journal;
pub use journal::{Rollout, rollouts};
pub(crate) use learn::Lesson;
pub(crate) use objective::Objective;
pub(crate) use rollout::as_sampled;
pub(crate) use sample::Sample;

use std::ops::ControlFlow;

use temper_tokens::Tokenizer;

/// One part of the reward of one completion, asked for.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// Which of the recipe's rewards.
    pub part: usize,
    /// Names the completion in its run: step, row and number within the group, as in `12/0/3`; where the group
    /// took the place of others, as in `12/0.1/3`, also of how many.
    pub id: String,
    /// The source of its prompt.
    pub source: usize,
    /// The document of the source.
    pub document: u64,
    /// What the model wrote.
    pub completion: &'a str,
}

/// A question that a judge has no answer to.
#[derive(Debug)]
pub struct Unanswered {
    /// Its number.
    pub question: usize,
    /// Why.
    pub cause: Box<dyn std::error::Error + Send + Sync>,
}

/// Is given the number of a question and its reward, and says whether to go on.
pub type Told<'a> = dyn FnMut(usize, f64) -> ControlFlow<()> + Send + 'a;

/// Judges what a model wrote.
pub trait Judge {
    /// Answers questions, in any order, and tells each reward as soon as it is known.
    ///
    /// # Errors
    /// [`Unanswered`] for a reference that cannot be judged by, or a judge that does not answer; what was
    /// answered before was told.
    fn judge(&self, questions: &[Question<'_>], told: &mut Told<'_>) -> Result<(), Unanswered>;
}

/// What sampling and judging need besides the recipe.
#[allow(missing_debug_implementations, reason = "a judge has nothing to show")]
pub struct Sampler<'a> {
    /// Makes texts of ids.
    pub tokenizer: &'a Tokenizer,
    /// Ids that end a completion.
    pub stop_ids: Vec<u32>,
    /// Says how good a completion is.
    pub judge: &'a dyn Judge,
}
