//! Group-relative policy optimisation: completions are sampled, judged and learned from in one step.
//!
//! ```text
//! prompts ─► sample a group of each ─► judge ─► journal ─► advantages ─► update, and again ─► weights
//!                                      (private/)           within groups   old ratios clipped
//! ```
//!
//! What a step samples follows from the weights before it, its prompts and the seed; what it was rewarded is
//! in the journal before it is used. A run that was killed samples the same and asks for no reward twice.

mod advantage;
mod journal;
mod learn;
mod objective;
mod rollout;
mod sums;

pub(crate) use journal::Journal;
pub(crate) use learn::Lesson;
pub(crate) use objective::Objective;
pub(crate) use rollout::Rollouts;

use temper_tokens::Tokenizer;

/// Judges what a model wrote.
pub trait Judge {
    /// The reward of a completion of document number `document` of a source, part by part, in the order of the
    /// recipe's rewards.
    ///
    /// # Errors
    /// A reference that cannot be judged by, or a judge that does not answer.
    fn judge(
        &self,
        source: usize,
        document: u64,
        completion: &str,
    ) -> Result<Vec<f64>, Box<dyn std::error::Error + Send + Sync>>;
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
