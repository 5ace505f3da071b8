//! The first and the last steps of a run: what is compared to tell what it learned.

use temper_ledger::{LedgerReader, RunDir, StepReport};

use crate::error::Error;

/// The part of a run's steps that is looked at, at either end.
const PART: u64 = 10;

/// Hands the reports of the first tenth of the steps to `take` with 0, and those of the last with 1.
pub(crate) fn ends(run: &RunDir, mut take: impl FnMut(usize, &StepReport)) -> Result<(), Error> {
    let ledger = LedgerReader::open(run)?;
    let n_steps = ledger.n_steps();
    let part = (n_steps / PART).max(1);
    let is_in = |step: u64| [step < part, step + part >= n_steps];
    for of_part in ledger.parts() {
        for step in (of_part.first..=of_part.last).filter(|step| is_in(*step).contains(&true)) {
            let Some(recorded) = ledger.step(step)? else { continue };
            for (end, _) in is_in(step).iter().enumerate().filter(|(_, is_in)| **is_in) {
                take(end, &recorded.step.report);
            }
        }
    }
    Ok(())
}
