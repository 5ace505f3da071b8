//! What goes into a stage, what comes out, and who watches.

use std::path::PathBuf;

use temper_ledger::StepReport;
use temper_mix::Cursor;
use temper_model::Decoder;

/// What training starts from.
#[derive(Debug)]
pub enum Start {
    /// Step 0.
    Fresh {
        /// The starting weights, on the device that trains.
        decoder: Box<Decoder>,
        /// The folder they came from, where moments to keep lie.
        folder: Option<PathBuf>,
    },
    /// The checkpoint of this run after so many steps.
    Resume(u64),
}

/// What is told of each step.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// The step as recorded.
    pub report: StepReport,
    /// Tokens that carried loss so far.
    pub tokens: u64,
    /// The share of the budget behind, 0 to 1.
    pub progress: f64,
}

/// What an evaluation says about going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Train on.
    Continue,
    /// Save and stop.
    Stop,
}

/// How a stage ended.
#[derive(Debug)]
pub struct StageEnd {
    /// What was drawn; the last checkpoint is at its step.
    pub cursor: Cursor,
    /// The budget is used up; otherwise it was stopped.
    pub finished: bool,
    /// A gate said stop.
    pub stopped_by_gate: bool,
    /// The trained weights.
    pub decoder: Decoder,
}

/// Who watches a stage.
pub trait Observer {
    /// A step was trained and recorded.
    fn step(&mut self, progress: &Progress);

    /// Of `total` answers so many were shown to the starting model, before step 0.
    fn reference(&mut self, _done: u64, _total: u64) {}

    /// Of `total` curated rows the Fisher information of so many was measured, before step 0.
    fn fisher(&mut self, _done: u64, _total: u64) {}

    /// The schedule asks for an evaluation after `step` steps; after a resume perhaps once more.
    ///
    /// # Errors
    /// Whatever scoring reports; training ends with it.
    fn evaluate(
        &mut self,
        step: u64,
        decoder: &Decoder,
    ) -> Result<Verdict, Box<dyn std::error::Error + Send + Sync>>;
}
