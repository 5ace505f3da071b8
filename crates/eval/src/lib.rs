//! The score of a checkpoint on a suite, and the difference of two.
//!
//! ```text
//! LoadedTask ─► segments ─► packed rows ─► Decoder::token_losses ─► SuiteScore ─┬─► summary
//!   items       (layout)                                            before ─────┤
//!                                                                   after  ─────┴─► forgetting ─► gate
//! ```
//!
//! Items come as token ids: this crate knows neither text nor files of text. A task measures the
//! loss of whole documents, the loss of answers after a context, or the accuracy of choosing the
//! likeliest of several continuations.
//!
//! Two scores of one suite are compared item by item. What differs is given with an interval that
//! resamples clusters (books, subjects, paradigms), since rows of one book rise and fall together.
//! Of a task that is split by time each period is summed up and compared too; a gate looks at the whole.
//!
//! ```ignore
//! let provenance = Provenance { weights, suite, tokenizer, items: tasks_digest(&tasks), device, options };
//! let cache = BaselineCache::new(&project.cache_dir());
//! let before = match cache.load(&provenance)? {
//!     Some(score) => score,
//!     None => score(&decoder, &tasks, &provenance, &mut |_, _| (), &stop)?,
//! };
//! cache.save(&before)?;
//! // … training …
//! let report = forgetting(&before, &after, recipe.seed, looks)?;
//! let gate = gate(&report, &policy.tolerance);
//! ```
//!
//! What holds:
//!
//! * every target of an item is scored exactly once, and context never counts;
//! * an item's score depends on the weights, its ids and the sequence length; on its neighbours in
//!   a row and on the rows in a batch only through rounding;
//! * the same weights, items, options and device give the same bytes;
//! * scores hold no text and no token ids, and pass through JSON unchanged;
//! * a delta is never taken between scores of different items.

mod baselines;
mod bootstrap;
mod cache;
mod decimal;
mod error;
mod forgetting;
mod gate;
mod item;
mod layout;
mod score;
mod solved;
mod suite_score;
mod summary;
#[cfg(test)]
mod testing;

pub use baselines::Baselines;
pub use bootstrap::Interval;
pub use cache::BaselineCache;
pub use error::{Error, ItemProblem};
pub use forgetting::{FEW_CLUSTERS, ForgettingReport, Metric, TaskForgetting, forgetting};
pub use gate::{Gate, GateState, TaskVerdict, gate};
pub use item::{Item, LoadedTask, tasks_digest};
pub use score::{check_tasks, score};
pub use solved::{MeanReward, PassAt, mean_reward, pass_at};
pub use suite_score::{ItemScore, Provenance, ScoreOptions, SuiteScore, TaskScore};
pub use summary::{Summary, TaskSummary, period_summaries, summary, task_summaries};
