//! What happened, asked and proven: re-derive, compare, query.
//!
//! ```text
//! recipe ─┐
//! manifests ─► shards ─► plan ─► expected rows ─┐
//!                                               ├─► findings ─► AuditReport
//! run directory ─► ledger ─► recorded rows ─────┘
//!       │             └────► tables ─► SQL ─► Answer
//!       └─► checkpoints, decisions, evals
//! ```
//!
//! [`audit`] trusts nothing that the run wrote: derived columns are derived again from the resolved
//! recipe, the manifests and the shards, the learning rate among them; measured ones are held
//! against their chain of digests, whose head every checkpoint stores. What it finds are values,
//! not errors; an [`Error`] means that there was nothing to audit.
//!
//! How often a row of the stage `rl` was refilled is measured: what it holds in the end is derived from that,
//! and the reason is looked for in what was sampled.
//!
//! What is measured is not computed again: losses, scores, and what a `gate` decision made of the
//! scores. Of a decision it is checked that the evals it cites are there with their digests.
//!
//! polars lives in this crate alone: it sums what the row-by-row pass summed, and answers [`query`].

mod anchor;
mod checkpoints;
mod compare;
mod dropped;
mod ends;
mod error;
mod evals;
mod feedback;
mod finding;
mod inputs;
mod left_out;
mod preference;
mod query;
mod rederive;
mod refilled;
mod replay;
mod report;
mod rollouts;
mod seen;
mod sightings;
mod tables;
mod tallies;
#[cfg(test)]
mod testing;
mod trace;

pub use anchor::{AnchorReport, Terms, anchor};
pub use error::Error;
pub use feedback::{Answers, FeedbackReport, Judged, SourceFeedback, feedback};
pub use finding::{Finding, What};
pub use preference::{Pairs, PreferenceReport, SourcePreference, preference};
pub use query::{Answer, query};
pub use replay::{ReplayReport, Replayed, replay};
pub use report::{AuditReport, Check, audit};
pub use rollouts::{Completions, RolloutReport, SourceRollouts, rollouts};
pub use sightings::{Containing, Sighting, Sightings, sightings};
pub use tallies::{Deviation, SourceAudit};
pub use trace::{Trace, TraceRow, TraceSegment, trace};
