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
//!
//! In an environment a completion is an episode: answers, and between them what the environment says.

mod advantage;
mod awards;
mod episodes;
mod journal;
mod judging;
mod learn;
mod lines;
mod objective;
mod replies;
mod rollout;
mod sample;
mod sequence;
mod sitting;
mod sums;

pub(crate) use journal::Journal;
pub use journal::{Rollout, rollouts};
pub(crate) use learn::Lesson;
pub(crate) use objective::Objective;
pub(crate) use rollout::as_sampled;
pub(crate) use sample::Sample;

use std::ops::ControlFlow;

use temper_ask::{Move, Question, Reply, Told, Unanswered};
use temper_tokens::{ChatTemplate, Conversation, Tokenizer};

use crate::error::Error;

/// Whoever gives rewards for what a model wrote: all those of a recipe together.
pub trait Judge {
    /// Answers questions, in any order, and tells each reward as soon as it is known.
    ///
    /// # Errors
    /// [`Unanswered`] for a reference that cannot be judged by, or a judge that does not answer; what was
    /// answered before was told.
    fn judge(&self, questions: &[Question<'_>], told: &mut Told<'_>) -> Result<(), Unanswered>;
}

/// Whoever goes on with conversations after a model's answers, and knows their prompts.
pub trait Environment {
    /// What a document of a source says.
    fn prompt(&self, source: usize, document: u64) -> &Conversation;

    /// Replies to moves of different episodes, in any order, and tells each reply as soon as it is known.
    ///
    /// # Errors
    /// [`Unanswered`] for an environment that does not reply; what was replied before was told.
    fn play(&self, moves: &[Move<'_>], told: &mut Told<'_, Reply>) -> Result<(), Unanswered>;
}

/// An environment, and how what it says is written down for the model.
#[derive(Clone, Copy)]
#[allow(missing_debug_implementations, reason = "an environment has nothing to show")]
pub struct World<'a> {
    /// What goes on with conversations.
    pub environment: &'a dyn Environment,
    /// That of the model.
    pub template: &'a ChatTemplate,
    /// Answers of an episode, at most.
    pub max_turns: usize,
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
    /// What goes on with conversations, where the recipe has an environment.
    pub world: Option<World<'a>>,
}

/// Asks, and has `take` take each answer as it comes, until one cannot be taken; gives how the asking ended.
///
/// # Errors
/// What kept an answer from being taken.
fn taken<A>(
    ask: impl FnOnce(&mut Told<'_, A>) -> Result<(), Unanswered>,
    mut take: impl FnMut(usize, A) -> Result<(), Error> + Send,
) -> Result<Result<(), Unanswered>, Error> {
    let mut stopped = Ok(());
    let asked = ask(&mut |at, answer| match take(at, answer) {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => {
            stopped = Err(error);
            ControlFlow::Break(())
        }
    });
    stopped.map(|()| asked)
}
