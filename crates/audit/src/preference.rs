//! What a preference run learned: the pairs of its first and of its last steps, as the ledger has them.

use std::collections::BTreeMap;

use serde::Serialize;
use temper_ledger::{RunDir, StepReport};

use crate::ends::by_source;
use crate::error::Error;

/// Pairs at the beginning and at the end of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PreferenceReport {
    /// One per source, in the order of their names.
    pub sources: Vec<SourcePreference>,
}

/// The pairs of one source.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SourcePreference {
    /// The source, by name.
    pub source: String,
    /// In the first tenth of the run's steps.
    pub first: Pairs,
    /// In the last tenth.
    pub last: Pairs,
}

/// Means over some pairs; each was trained on after it was measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Pairs {
    /// How many.
    pub pairs: u64,
    /// The loss.
    pub loss: f64,
    /// The share of which the better answer is preferred more than by the starting model.
    pub accuracy: f64,
    /// β h, by how much.
    pub margin: f64,
    /// By how much the better answer is likelier than under the starting model, in nats.
    pub chosen: f64,
    /// By how much the worse answer is.
    pub rejected: f64,
}

/// The pairs that a run was trained on; `None` where there were none.
///
/// # Errors
/// [`Error::Run`] when the path is no run or its ledger has a gap.
pub fn preference(run: &RunDir) -> Result<Option<PreferenceReport>, Error> {
    let sources = by_source(
        run,
        add,
        |sums| sums.pairs > 0.0,
        |source, first, last| SourcePreference { source, first: first.means(), last: last.means() },
    )?;
    Ok((!sources.is_empty()).then_some(PreferenceReport { sources }))
}

fn add(sums: &mut BTreeMap<String, [Sums; 2]>, end: usize, report: &StepReport) {
    for measure in &report.measures {
        let of_source = &mut sums.entry(measure.source.clone()).or_default()[end];
        match measure.name.as_str() {
            "pairs" => of_source.pairs += measure.value,
            "correct" => of_source.correct += measure.value,
            "margin" => of_source.margin += measure.value,
            "chosen_logprob" => of_source.chosen += measure.value,
            "rejected_logprob" => of_source.rejected += measure.value,
            "chosen_reference" => of_source.chosen -= measure.value,
            "rejected_reference" => of_source.rejected -= measure.value,
            _ => {}
        }
    }
    for source in &report.sources {
        if let Some(of_source) = sums.get_mut(&source.source) {
            of_source[end].loss += source.loss_sum;
        }
    }
}

#[derive(Default)]
struct Sums {
    pairs: f64,
    loss: f64,
    correct: f64,
    margin: f64,
    chosen: f64,
    rejected: f64,
}

impl Sums {
    fn means(&self) -> Pairs {
        let mean = |sum: f64| if self.pairs > 0.0 { sum / self.pairs } else { 0.0 };
        Pairs {
            pairs: self.pairs as u64,
            loss: mean(self.loss),
            accuracy: mean(self.correct),
            margin: mean(self.margin),
            chosen: mean(self.chosen),
            rejected: mean(self.rejected),
        }
    }
}
