//! What held the weights near the start: its terms in the first and in the last steps.

use std::collections::BTreeMap;

use serde::Serialize;
use temper_ledger::RunDir;

use crate::ends::ends;
use crate::error::Error;

/// The source that terms of the anchor are recorded under.
const ANCHOR: &str = "anchor";

/// Terms of the objective at the beginning and at the end of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AnchorReport {
    /// In the first tenth of the run's steps.
    pub first: Terms,
    /// In the last tenth.
    pub last: Terms,
}

/// Means over some steps; each was measured before the update that it was part of.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Terms {
    /// What each added to the objective, by its key in `[anchor]`.
    pub terms: BTreeMap<String, f64>,
    /// The loss of the stage beside them.
    pub loss: f64,
}

/// What the anchor added to a run's objective; `None` where there was none.
///
/// # Errors
/// [`Error::Run`] when the path is no run or its ledger has a gap.
pub fn anchor(run: &RunDir) -> Result<Option<AnchorReport>, Error> {
    let mut sums = [Terms::default(), Terms::default()];
    let mut steps = [0.0; 2];
    ends(run, |end, report| {
        let terms = report.measures.iter().filter(|measure| measure.source == ANCHOR);
        for term in terms {
            *sums[end].terms.entry(term.name.clone()).or_default() += term.value;
        }
        sums[end].loss += report.loss;
        steps[end] += 1.0;
    })?;
    let is_there = sums.iter().any(|sums| !sums.terms.is_empty());
    for (sums, steps) in sums.iter_mut().zip(steps) {
        sums.terms.values_mut().for_each(|term| *term /= steps);
        sums.loss /= steps;
    }
    let [first, last] = sums;
    Ok(is_there.then_some(AnchorReport { first, last }))
}
