//! What a run learned from judged answers: those of its first and of its last steps, as the ledger has them.

use std::collections::BTreeMap;

use serde::Serialize;
use temper_ledger::{RunDir, StepReport};

use crate::ends::by_source;
use crate::error::Error;

/// Judged answers at the beginning and at the end of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FeedbackReport {
    /// One per source, in the order of their names.
    pub sources: Vec<SourceFeedback>,
}

/// The judged answers of one source.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SourceFeedback {
    /// The source, by name.
    pub source: String,
    /// In the first tenth of the run's steps.
    pub first: Answers,
    /// In the last tenth.
    pub last: Answers,
}

/// Means over some answers; each was trained on after it was measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Answers {
    /// Those that were liked.
    pub desirable: Judged,
    /// Those that were not.
    pub undesirable: Judged,
    /// The loss.
    pub loss: f64,
    /// By how much likelier the answers to others are after these prompts than under the starting model, in
    /// nats: the divergence from it, before it is kept from falling below 0.
    pub kl: f64,
}

/// Means over answers that were judged alike.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Judged {
    /// How many.
    pub answers: u64,
    /// β r.
    pub reward: f64,
    /// r, by how much likelier an answer is than under the starting model, in nats.
    pub ratio: f64,
}

/// The judged answers that a run was trained on; `None` where there were none.
///
/// # Errors
/// [`Error::Run`] when the path is no run or its ledger has a gap.
pub fn feedback(run: &RunDir) -> Result<Option<FeedbackReport>, Error> {
    let sources = by_source(
        run,
        add,
        |sums| sums.n() > 0.0,
        |source, first, last| SourceFeedback { source, first: first.means(), last: last.means() },
    )?;
    Ok((!sources.is_empty()).then_some(FeedbackReport { sources }))
}

fn add(sums: &mut BTreeMap<String, [Sums; 2]>, end: usize, report: &StepReport) {
    for measure in &report.measures {
        let of_source = &mut sums.entry(measure.source.clone()).or_default()[end];
        let [desirable, undesirable] = &mut of_source.judged;
        match measure.name.as_str() {
            "desirable" => desirable.answers += measure.value,
            "desirable_reward" => desirable.reward += measure.value,
            "desirable_logprob" => desirable.ratio += measure.value,
            "desirable_reference" => desirable.ratio -= measure.value,
            "undesirable" => undesirable.answers += measure.value,
            "undesirable_reward" => undesirable.reward += measure.value,
            "undesirable_logprob" => undesirable.ratio += measure.value,
            "undesirable_reference" => undesirable.ratio -= measure.value,
            "kl" => of_source.kl += measure.value,
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
    /// Of those that were liked, and of those that were not.
    judged: [JudgedSums; 2],
    loss: f64,
    kl: f64,
}

#[derive(Default)]
struct JudgedSums {
    answers: f64,
    reward: f64,
    ratio: f64,
}

impl Sums {
    fn n(&self) -> f64 {
        self.judged.iter().map(|judged| judged.answers).sum()
    }

    fn means(&self) -> Answers {
        let [desirable, undesirable] = &self.judged;
        let (loss, kl) = (mean(self.loss, self.n()), mean(self.kl, self.n()));
        Answers { desirable: desirable.means(), undesirable: undesirable.means(), loss, kl }
    }
}

impl JudgedSums {
    fn means(&self) -> Judged {
        Judged {
            answers: self.answers as u64,
            reward: mean(self.reward, self.answers),
            ratio: mean(self.ratio, self.answers),
        }
    }
}

fn mean(sum: f64, n: f64) -> f64 {
    if n > 0.0 { sum / n } else { 0.0 }
}
