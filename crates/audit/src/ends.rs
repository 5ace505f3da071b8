//! The first and the last steps of a run: what is compared to tell what it learned.

use std::collections::BTreeMap;

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
        if !(of_part.first..=of_part.last).any(|step| is_in(step).contains(&true)) {
            continue;
        }
        for recorded in ledger.read(of_part)? {
            let report = &recorded.step.report;
            for (end, _) in is_in(report.step).iter().enumerate().filter(|(_, is_in)| **is_in) {
                take(end, report);
            }
        }
    }
    Ok(())
}

/// Sums of both ends, source by source, and what `report` makes of them; sources of which `is_there` says no
/// at both are left out.
pub(crate) fn by_source<Sums: Default, Report>(
    run: &RunDir,
    add: impl Fn(&mut BTreeMap<String, [Sums; 2]>, usize, &StepReport),
    is_there: impl Fn(&Sums) -> bool,
    report: impl Fn(String, &Sums, &Sums) -> Report,
) -> Result<Vec<Report>, Error> {
    let mut sums: BTreeMap<String, [Sums; 2]> = BTreeMap::new();
    ends(run, |end, report| add(&mut sums, end, report))?;
    sums.retain(|_, ends| ends.iter().any(&is_there));
    Ok(sums.into_iter().map(|(source, [first, last])| report(source, &first, &last)).collect())
}
