//! Whether a run has done more harm than its recipe accepts.

use serde::{Deserialize, Serialize};
use temper_recipe::{Group, Tolerance};

use crate::bootstrap::Interval;
use crate::forgetting::{ForgettingReport, Metric};

/// What a gate says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GateState {
    /// The harm is below the tolerance: the interval's upper end is.
    Held,
    /// The interval has the tolerance in it, or there is no interval.
    Undecided,
    /// The harm is above the tolerance: the interval's lower end is.
    Breach,
}

/// The verdicts on all general tasks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// The worst of the verdicts; undecided without any. `outcome` in files.
    #[serde(rename = "outcome")]
    pub state: GateState,
    /// In the order of the suite.
    pub verdicts: Vec<TaskVerdict>,
}

/// The verdict on one task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskVerdict {
    /// The task's name.
    pub task: String,
    /// What the gate says; `outcome` in files.
    #[serde(rename = "outcome")]
    pub state: GateState,
    /// Rise of the loss in nats per token, or fall of the accuracy.
    pub harm: f64,
    /// Of the harm; `None` with one cluster.
    pub harm_interval: Option<Interval>,
    /// How much harm is accepted.
    pub tolerance: f64,
}

/// Holds the harm on every general task against the tolerance. Customer tasks are the gain, and
/// are not gated.
///
/// The correction for repeated looks lies in the report's intervals. Tasks are not corrected for:
/// a suite of many tasks breaches by chance more often than one of few.
pub fn gate(report: &ForgettingReport, tolerance: &Tolerance) -> Gate {
    let general = report.tasks.iter().filter(|task| task.group == Group::General);
    let verdicts: Vec<TaskVerdict> = general
        .map(|task| {
            let tolerance = match task.metric {
                Metric::Loss => tolerance.loss,
                Metric::Accuracy => tolerance.accuracy,
            };
            TaskVerdict {
                task: task.task.clone(),
                state: state(task.harm_interval, tolerance),
                harm: task.harm,
                harm_interval: task.harm_interval,
                tolerance,
            }
        })
        .collect();
    let state = verdicts.iter().map(|verdict| verdict.state).max().unwrap_or(GateState::Undecided);
    Gate { state, verdicts }
}

fn state(harm: Option<Interval>, tolerance: f64) -> GateState {
    match harm {
        Some(harm) if harm.lower > tolerance => GateState::Breach,
        Some(harm) if harm.upper < tolerance => GateState::Held,
        Some(_) | None => GateState::Undecided,
    }
}

#[cfg(test)]
mod tests;
