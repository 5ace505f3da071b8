//! Which tokens come next, and why.
//!
//! A [`Plan`] turns a mix (sources with exact shares, a budget, a seed) into rows, steps and
//! batches. It is pure: no files, tensors, clocks or global state.
//!
//! ```text
//! what the recipe says ─► resolve ─► phases: exact shares over the run ─┐
//! documents ─► windows ─► rows ─┐                                       ▼
//! documents ─► windows ─► rows ─┼─────────────────────────► whose row is next ─► steps ─► lanes
//! documents ─► windows ─► rows ─┘
//! ```
//!
//! What always holds:
//!
//! * at every prefix of the run, and for every source, what is drawn differs from the integral of its
//!   share by at most one row;
//! * a document is used once an epoch, and loses no position, however it is packed;
//! * every source has a row, and none is read more than its `max_epochs` times unless the recipe says
//!   so: a plan that cannot keep its shares so is refused with the numbers;
//! * what comes at step N depends on the sources, the shares, the shapes and the seed only, and is
//!   reached from a [`Cursor`] without walking the steps before it, without one by counting rows;
//! * memory grows with the rows of one pass over the sources, not with the budget.

mod beside;
mod choose;
mod cursor;
mod error;
mod feasible;
mod forecast;
mod lane;
mod order;
mod pack;
mod packed;
mod phases;
mod plan;
mod refill;
mod resolve;
mod rows;
mod rules;
mod seam;
mod spec;
mod stream;
#[cfg(test)]
mod testing;
mod too_long;
mod tournament;
mod waiting;
mod walk;

pub use cursor::{Cursor, SourceCursor};
pub use error::{Error, NeverDrawn, Shortage};
pub use feasible::feasible_weights;
pub use forecast::{Forecast, SourceForecast};
pub use lane::{Lane, row_digest};
pub use pack::Segment;
pub use packed::PackingAccount;
pub use phases::{Phase, Phases};
pub use plan::Plan;
pub use refill::{RefillOrder, Refills};
pub use spec::{PlanSource, PlanSpec};
pub use too_long::TooLong;
pub use walk::{PlannedRow, PlannedStep, Walk};
