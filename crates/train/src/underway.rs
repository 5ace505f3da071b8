//! Steps that were trained and not yet recorded: a device works while the host reads an older loss.

use temper_ledger::{Ledger, RowRecord};
use temper_mix::{Plan, PlannedStep};

use crate::error::Error;
use crate::measured::StepNumbers;
use crate::record::step_report;
use crate::stage::{Observer, Progress};

/// How many steps a device may be ahead of the ledger. Whoever reads a number waits for all that the device was asked
/// for before, so that the numbers of so many steps are read together.
const AHEAD: usize = 8;

/// A trained step, with what the ledger is told of it.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) planned: PlannedStep,
    pub(crate) rows: Vec<RowRecord>,
    pub(crate) learning_rate: f64,
    pub(crate) numbers: StepNumbers,
}

/// Steps in the order they were trained in.
#[derive(Debug, Default)]
pub(crate) struct Underway(Vec<Step>);

impl Underway {
    /// Takes up one more step, and records all of them where enough are under way.
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
        let is_known = matches!(step.numbers, StepNumbers::Known(_));
        self.0.push(step);
        if is_known || self.0.len() == AHEAD {
            self.settle(plan, ledger, observer)?;
        }
        Ok(())
    }

    /// Records all steps.
    ///
    /// # Errors
    /// [`Error::NotFinite`], and what the ledger reports.
    pub(crate) fn settle(
        &mut self,
        plan: &Plan,
        ledger: &mut Ledger,
        observer: &mut dyn Observer,
    ) -> Result<(), Error> {
        for Step { planned, rows, learning_rate, numbers } in self.0.drain(..) {
            let measured = numbers.measured(plan, &planned)?;
            let report = step_report(plan, &planned, learning_rate, measured);
            ledger.append(report.clone(), rows)?;
            let progress = plan.progress(&planned.next);
            let tokens = planned.next.tokens();
            observer.step(&Progress { report, tokens, progress });
        }
        Ok(())
    }
}
