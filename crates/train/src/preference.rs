//! Losses over answers: of pairs of which one was preferred, and of answers that were judged one by one.
//!
//! Both are functions of the log-probabilities of whole answers, the sums over their tokens that carry loss,
//! in nats, under the model and under the one that the run started from.

mod answers;
mod mismatched;
mod pairs;

use std::ops::Range;

use burn::tensor::{Tensor, TensorData};
use temper_mix::{Plan, PlannedStep};
use temper_model::PackedRows;

pub(crate) use answers::{AnswerReferences, StepAnswers};
pub(crate) use mismatched::{Mismatched, lanes as mismatched_lanes, of_step as mismatched_of_step};
pub(crate) use pairs::StepPairs;

/// What the answers of one step are held against.
#[derive(Debug)]
pub(crate) enum StepPreference<'a> {
    /// The other answer of a pair.
    Pairs(StepPairs<'a>),
    /// What was thought of each.
    Answers(StepAnswers<'a>),
}

/// What the answers of a source come to in a step.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct SourceSums {
    /// Pairs or answers.
    pub(crate) units: u64,
    /// The sum of their losses.
    pub(crate) loss: f64,
    /// What else was measured, as the ledger calls it.
    pub(crate) named: Vec<(String, f64)>,
}

impl StepPreference<'_> {
    /// The gradient of the step's mean loss with respect to the losses of one lane's positions.
    ///
    /// # Shapes
    /// - losses, output: `[n_rows, length]`
    pub(crate) fn gradient(&self, lane: usize, rows: &PackedRows, losses: Tensor<2>) -> Tensor<2> {
        let (shape, device) = (losses.dims(), losses.device());
        let losses = losses.into_data();
        let losses = losses.as_slice::<f32>().expect("losses are 32-bit floats");
        let gradient = match self {
            Self::Pairs(pairs) => pairs.gradient(lane, rows, losses),
            Self::Answers(answers) => answers.gradient(lane, rows, losses),
        };
        Tensor::from_data(TensorData::new(gradient, shape), &device)
    }

    /// The quantities of a step, by source of the plan.
    ///
    /// # Shapes
    /// - losses: by lane, `[n_rows × length]`
    pub(crate) fn account(
        &self,
        plan: &Plan,
        step: &PlannedStep,
        lanes: &[PackedRows],
        losses: &[Vec<f32>],
    ) -> Vec<SourceSums> {
        match self {
            Self::Pairs(pairs) => pairs.account(plan, step, lanes, losses),
            Self::Answers(answers) => answers.account(plan, step, lanes, losses),
        }
    }
}

/// The documents of a step's own rows, in order: source and number.
pub(crate) fn documents(step: &PlannedStep) -> impl Iterator<Item = (usize, u64)> {
    let rows = step.own_rows().iter();
    rows.flat_map(|row| row.segments.iter().map(|segment| (row.source, segment.document)))
}

/// The log-probabilities of the `N` sequences of each document; sums in order.
///
/// # Shapes
/// - losses: `[n_rows × length]`
pub(crate) fn log_probs<const N: usize>(rows: &PackedRows, losses: &[f32]) -> Vec<[f64; N]> {
    let of = |place: Range<usize>| -losses[place].iter().map(|loss| f64::from(*loss)).sum::<f64>();
    places::<N>(rows).map(|sequences| sequences.map(of)).collect()
}

/// The positions of the `N` sequences of each document, in order.
fn places<const N: usize>(rows: &PackedRows) -> impl Iterator<Item = [Range<usize>; N]> {
    rows.segments.iter().enumerate().flat_map(|(row, lengths)| {
        let mut at = row * rows.length;
        lengths.chunks_exact(N).map(move |lengths| {
            std::array::from_fn(|sequence| {
                at += lengths[sequence];
                at - lengths[sequence]..at
            })
        })
    })
}

/// Writes what the log-probability of a sequence passes on to the losses of its positions: a loss is a
/// negative log-probability, and padding and questions pass nothing on.
fn spread(gradient: &mut [f32], rows: &PackedRows, place: Range<usize>, d_log_prob: f64) {
    for at in place.filter(|at| rows.loss_mask[*at]) {
        gradient[at] = -d_log_prob as f32;
    }
}

fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 { 1.0 / (1.0 + (-x).exp()) } else { x.exp() / (1.0 + x.exp()) }
}
