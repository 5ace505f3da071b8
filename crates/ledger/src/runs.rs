//! The list of runs and their state.

use std::path::{Path, PathBuf};

use serde::Serialize;
use temper_recipe::Stage;

use crate::error::Error;
use crate::read::LedgerReader;
use crate::run_dir::{RunDir, runs_in};
use crate::run_info::End;

/// One line of `temper runs`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunSummary {
    /// The run.
    pub name: String,
    /// Its directory.
    pub path: PathBuf,
    /// What kind of training it is; `None` when `run.json` is damaged.
    pub stage: Option<Stage>,
    /// What it is doing.
    pub state: State,
    /// Steps recorded, or done at the end.
    pub steps_done: u64,
    /// Steps in the plan; `None` before the plan was made.
    pub steps_planned: Option<u64>,
    /// Why it ended, or what is damaged.
    pub note: Option<String>,
}

/// What a run is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// A process holds its lock.
    Running,
    /// The budget is used up.
    Finished,
    /// A gate stopped it.
    Stopped,
    /// A signal or a kill ended it; `temper resume` continues it.
    Interrupted,
    /// An error ended it.
    Failed,
    /// Its files cannot be read.
    Damaged,
}

/// All runs in the folder `runs`, by name; none when it is not there.
///
/// A damaged run is listed as such and does not hide the others. Reads names and footers only.
///
/// # Errors
/// [`Error::Read`] when the folder itself cannot be read.
pub fn list_runs(runs: &Path) -> Result<Vec<RunSummary>, Error> {
    Ok(runs_in(runs)?.iter().map(summary).collect())
}

fn summary(run: &RunDir) -> RunSummary {
    try_summary(run).unwrap_or_else(|error| RunSummary {
        name: run.name(),
        path: run.path().to_owned(),
        stage: run.identity().ok().map(|identity| identity.stage),
        state: State::Damaged,
        steps_done: 0,
        steps_planned: None,
        note: Some(error.to_string()),
    })
}

fn try_summary(run: &RunDir) -> Result<RunSummary, Error> {
    let outcome = run.outcome()?;
    let state = match outcome.as_ref().map(|outcome| outcome.end) {
        Some(_) | None if run.is_running() => State::Running,
        Some(End::Finished) => State::Finished,
        Some(End::Stopped) => State::Stopped,
        Some(End::Interrupted) | None => State::Interrupted,
        Some(End::Failed) => State::Failed,
    };
    let steps_done = match (&outcome, state) {
        // Parts are being written: a reader may meet them between two renames.
        (_, State::Running) => LedgerReader::open(run).map_or(0, |ledger| ledger.n_steps()),
        (Some(outcome), _) => outcome.step,
        (None, _) => LedgerReader::open(run)?.n_steps(),
    };
    Ok(RunSummary {
        name: run.name(),
        path: run.path().to_owned(),
        stage: Some(run.identity()?.stage),
        state,
        steps_done,
        steps_planned: run.plan()?.map(|plan| plan.steps),
        note: outcome.and_then(|outcome| outcome.reason),
    })
}

#[cfg(test)]
mod tests;
