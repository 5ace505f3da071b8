//! A stage: batches in, checkpoint out.
//!
//! ```text
//! Plan ─► step ─► lanes ─► token losses ─► gradients ─► tree sum ─► clip ─► optimizer ─► weights
//!                                   └─► loss per source ─► ledger        every N: checkpoint
//! ```
//!
//! In the stage `rl` the lanes are made of completions that the step samples first (module `rl`). In
//! the stage `dpo` the losses of an answer's tokens become one of the pair or the judged answer before the
//! way back.
//!
//! [`Stage::run`] is the one loop. What always holds:
//!
//! * a step is in the ledger before a checkpoint that needs it is whole;
//! * a run that was killed and resumed ends with the same bytes as one that was not, where the same kernels compute;
//! * a step whose loss or gradient is not finite changes nothing;
//! * sums have a fixed order, whatever the number of threads.

mod anchor;
mod batches;
mod ema;
mod error;
mod frozen;
mod lora;
mod measured;
mod near;
mod optimizer;
mod preference;
mod record;
mod reduce;
mod reference;
mod rehearsal;
mod replay;
mod rl;
mod stage;
mod state;
mod step;
mod underway;
mod values;
mod workers;

pub use anchor::fisher::FisherRecord;
pub use error::Error;
pub use frozen::trained_values;
pub use reference::Starting;
pub use rehearsal::Rehearsal;
pub use rl::{Environment, Judge, Rollout, Sampler, World, rollouts};
pub use stage::{Base, Observer, Progress, Stage, StageEnd, Start, Verdict};
pub use state::{cursor, has_moments_for};
