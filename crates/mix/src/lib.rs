//! Which tokens come next, and why.
//!
//! A [`Plan`] turns a mix (sources with exact shares, a budget, a seed) into rows, steps and
//! batches. It is pure: no files, tensors, clocks or global state.
//!
//! ```text
//! documents ─► order of the epoch ─► window ─► rows ─┐
//! documents ─► order of the epoch ─► window ─► rows ─┼─► whose row is next ─► steps ─► lanes
//! documents ─► order of the epoch ─► window ─► rows ─┘
//! ```
//!
//! What always holds:
//!
//! * at every prefix of the run, and for every source, the tokens drawn differ from
//!   share × total by at most one row;
//! * a document is used at most once an epoch, and only one longer than a row is split;
//! * every source has a row, and none is read more than its `max_epochs` times: a plan that cannot
//!   keep its shares so is refused with the numbers;
//! * what comes at step N depends on the sources, the shares, the shapes and the seed only, and is
//!   reached from a [`Cursor`] without walking the steps before it;
//! * memory grows with sources × packing window, not with the budget.

mod choose;
mod cursor;
mod error;
mod forecast;
mod lane;
mod order;
mod pack;
mod plan;
mod rows;
mod stream;
#[cfg(test)]
mod testing;
mod walk;

pub use cursor::{Cursor, SourceCursor};
pub use error::Error;
pub use forecast::{Forecast, SourceForecast};
pub use lane::{Lane, row_digest};
pub use pack::Segment;
pub use plan::{Plan, PlanSource, PlanSpec};
pub use walk::{PlannedRow, PlannedStep, Walk};
