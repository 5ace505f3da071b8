//! Steps with their tokens read, made ahead of the training on a thread of their own.

use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use temper_ledger::RowRecord;
use temper_mix::{Cursor, Lane, Plan, PlannedStep};

use crate::error::Error;
use crate::record::row_records;

/// One step, ready to be trained on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Batch {
    pub(crate) step: PlannedStep,
    /// In the order of the step's rows.
    pub(crate) lanes: Vec<Lane>,
    /// What the ledger is told of the rows.
    pub(crate) rows: Vec<RowRecord>,
}

/// How many steps may wait: enough to hide a slow page, little enough to cost no memory.
pub(crate) const AHEAD: usize = 4;

/// Gives `train` the batches of `plan` from `cursor` on, which are read and digested on a thread of
/// their own, `ahead` of them at most. The same batches come whatever the timing; the thread ends with
/// `train`.
///
/// # Errors
/// [`Error::Plan`] for a cursor of another mix, and those of `train`.
pub(crate) fn with_batches<T>(
    plan: &Plan,
    cursor: &Cursor,
    rows_per_lane: usize,
    ahead: usize,
    train: impl FnOnce(Receiver<Batch>) -> Result<T, Error>,
) -> Result<T, Error> {
    let steps = plan.walk(cursor)?;
    thread::scope(|scope| {
        let (sender, receiver) = sync_channel(ahead);
        scope.spawn(move || {
            for step in steps {
                let lanes = plan.lanes(&step, rows_per_lane);
                let rows = row_records(plan, &step, rows_per_lane);
                // Nobody listens any more.
                if sender.send(Batch { step, lanes, rows }).is_err() {
                    return;
                }
            }
        });
        train(receiver)
    })
}

#[cfg(test)]
mod tests;
