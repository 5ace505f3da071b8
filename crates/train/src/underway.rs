//! Steps that were trained and not yet recorded: a device works while the host reads an older loss.

use std::collections::VecDeque;

use temper_ledger::{Ledger, RowRecord};
use temper_mix::{Plan, PlannedStep};

use crate::error::Error;
use crate::measured::Trained;
use crate::record::step_report;
use crate::stage::{Observer, Progress};

/// How many steps a device may be ahead of the ledger. Their losses are read when they are long
/// since computed, so that the device never waits for the host.
const AHEAD: usize = 8;

/// A trained step, with what the ledger is told of it.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) planned: PlannedStep,
    pub(crate) rows: Vec<RowRecord>,
    pub(crate) learning_rate: f64,
    pub(crate) trained: Trained,
}

/// Steps in the order they were trained in.
#[derive(Debug, Default)]
pub(crate) struct Underway(VecDeque<Step>);

impl Underway {
    /// Takes up one more step, and records those that should be done by now.
    ///
    /// # Errors
    /// [`Error::NotFinite`], and what the ledger reports.
    pub(crate) fn push(
        &mut self,
        step: Step,
        plan: &Plan,
        ledger: &mut Ledger,
        observer: &mut dyn Observer,
    ) -> Result<(), Error> {
        let ahead = match step.trained {
            Trained::Known(_) => 0,
            Trained::Underway(_) => AHEAD,
        };
        self.0.push_back(step);
        self.settle(ahead, plan, ledger, observer)
    }

    /// Records steps until at most `ahead` are left.
    ///
    /// # Errors
    /// [`Error::NotFinite`], and what the ledger reports.
    pub(crate) fn settle(
        &mut self,
        ahead: usize,
        plan: &Plan,
        ledger: &mut Ledger,
        observer: &mut dyn Observer,
    ) -> Result<(), Error> {
        while self.0.len() > ahead {
            let Some(Step { planned, rows, learning_rate, trained }) = self.0.pop_front() else {
                break;
            };
            let measured = trained.measured(plan, &planned)?;
            let report = step_report(plan, &planned, learning_rate, measured);
            ledger.append(report.clone(), rows)?;
            let progress = plan.progress(&planned.next);
            let tokens = planned.next.tokens();
            observer.step(&Progress { report, tokens, progress });
        }
        Ok(())
    }
}
