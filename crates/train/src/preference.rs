//! Losses over pairs of answers, of which one was preferred.
//!
//! A lane's halves come in twos, as the mix lays them out: the better answer first. What a half says is
//! the sum of the log-probabilities of its tokens that carry loss.

use std::ops::Range;

use burn::tensor::{Tensor, TensorData};
use temper_mix::{Plan, PlannedStep};
use temper_model::PackedRows;
use temper_recipe::{Preference, PreferenceLoss};

use crate::reference::References;

/// A pair as one model sees it: log-probabilities of the better and the worse answer, in nats.
pub(crate) type LogProbs = [f64; 2];

/// What the pairs of one step are held against.
#[derive(Debug)]
pub(crate) struct StepPairs<'a> {
    preference: &'a Preference,
    /// Pairs in the whole step.
    n_pairs: usize,
    /// By lane, and within it in the order of its halves: what the reference says.
    reference: Vec<Vec<LogProbs>>,
}

/// What one pair adds to a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct PairLoss {
    /// The loss.
    pub(crate) loss: f64,
    /// Its derivatives with respect to both log-probabilities.
    pub(crate) gradient: [f64; 2],
    /// β h: by how much the better answer is preferred more than by the reference.
    pub(crate) margin: f64,
}

impl PairLoss {
    /// # Shapes
    /// - lengths: tokens of each answer that carry loss
    pub(crate) fn new(
        preference: &Preference,
        policy: LogProbs,
        reference: LogProbs,
        lengths: [usize; 2],
    ) -> Self {
        let Preference { loss, beta, label_smoothing } = *preference;
        let per_token = match loss {
            PreferenceLoss::Sigmoid => [1.0, 1.0],
            PreferenceLoss::SigmoidNorm | PreferenceLoss::Ipo => {
                lengths.map(|length| 1.0 / length.max(1) as f64)
            }
        };
        let ratio = |half: usize| (policy[half] - reference[half]) * per_token[half];
        let h = ratio(0) - ratio(1);
        let margin = beta * h;
        let (loss, d_h) = match loss {
            PreferenceLoss::Sigmoid | PreferenceLoss::SigmoidNorm => (
                (1.0 - label_smoothing) * softplus(-margin) + label_smoothing * softplus(margin),
                beta * (label_smoothing * sigmoid(margin)
                    - (1.0 - label_smoothing) * sigmoid(-margin)),
            ),
            PreferenceLoss::Ipo => {
                let off = h - 1.0 / (2.0 * beta);
                (off * off, 2.0 * off)
            }
        };
        Self { loss, gradient: [d_h * per_token[0], -d_h * per_token[1]], margin }
    }
}

/// log(1 + e^x), without overflow.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 { 1.0 / (1.0 + (-x).exp()) } else { x.exp() / (1.0 + x.exp()) }
}

impl<'a> StepPairs<'a> {
    /// # Panics
    ///
    /// When the reference was not asked for a pair of the step, which it is before training begins.
    pub(crate) fn new(
        preference: &'a Preference,
        references: &References,
        step: &PlannedStep,
        rows_per_lane: usize,
    ) -> Self {
        let lane = |rows: &[temper_mix::PlannedRow]| -> Vec<LogProbs> {
            let pairs = rows.iter().flat_map(|row| {
                row.segments.iter().map(|segment| (row.source, segment.document as usize))
            });
            pairs.map(|(source, pair)| references.of(source, pair)).collect()
        };
        let reference: Vec<_> = step.own_rows().chunks(rows_per_lane).map(lane).collect();
        Self { preference, n_pairs: reference.iter().map(Vec::len).sum(), reference }
    }

    /// The gradient of the step's mean loss with respect to the losses of one lane's positions.
    ///
    /// # Shapes
    /// - losses, output: `[n_rows, length]`
    pub(crate) fn gradient(&self, lane: usize, rows: &PackedRows, losses: Tensor<2>) -> Tensor<2> {
        let (shape, device) = (losses.dims(), losses.device());
        let losses = losses.into_data();
        let losses = losses.as_slice::<f32>().expect("losses are 32-bit floats");
        let mut gradient = vec![0.0; losses.len()];
        for (halves, pair) in pairs(rows).zip(self.pair_losses(lane, rows, losses)) {
            for (half, d_log_prob) in halves.into_iter().zip(pair.gradient) {
                // A loss is a negative log-probability. Padding and questions pass no gradient on.
                let d_loss = (-d_log_prob / self.n_pairs as f64) as f32;
                for at in half.filter(|at| rows.loss_mask[*at]) {
                    gradient[at] = d_loss;
                }
            }
        }
        Tensor::from_data(TensorData::new(gradient, shape), &device)
    }

    /// What each pair of a lane adds, from the losses of its positions.
    fn pair_losses(
        &self,
        lane: usize,
        rows: &PackedRows,
        losses: &[f32],
    ) -> impl Iterator<Item = PairLoss> {
        let policy = log_probs(rows, losses).into_iter();
        policy.zip(pairs(rows)).zip(&self.reference[lane]).map(|((policy, halves), reference)| {
            let lengths = halves.map(|half| half.filter(|at| rows.loss_mask[*at]).count());
            PairLoss::new(self.preference, policy, *reference, lengths)
        })
    }

    /// The quantities of a step, summed over pairs, by source of the plan.
    ///
    /// # Shapes
    /// - losses: by lane, `[n_rows × length]`
    pub(crate) fn account(
        &self,
        plan: &Plan,
        step: &PlannedStep,
        lanes: &[PackedRows],
        losses: &[Vec<f32>],
    ) -> Vec<PairSums> {
        let mut sums = vec![PairSums::default(); plan.sources().len()];
        let mut sources =
            step.own_rows().iter().flat_map(|row| row.segments.iter().map(|_| row.source));
        for (lane, (rows, losses)) in lanes.iter().zip(losses).enumerate() {
            let each = self.pair_losses(lane, rows, losses).zip(log_probs(rows, losses));
            for ((pair, policy), reference) in each.zip(&self.reference[lane]) {
                let source = sources.next().expect("a pair for each segment of the step");
                sums[source].add(pair, policy, *reference);
            }
        }
        sums
    }
}

/// Quantities summed over pairs.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct PairSums {
    pub(crate) pairs: u64,
    pub(crate) loss: f64,
    correct: u64,
    margin: f64,
    policy: LogProbs,
    reference: LogProbs,
}

impl PairSums {
    fn add(&mut self, pair: PairLoss, policy: LogProbs, reference: LogProbs) {
        self.pairs += 1;
        self.loss += pair.loss;
        self.correct += u64::from(pair.margin > 0.0);
        self.margin += pair.margin;
        for half in 0..2 {
            self.policy[half] += policy[half];
            self.reference[half] += reference[half];
        }
    }

    /// As the ledger calls them; nothing without pairs.
    pub(crate) fn named(&self) -> Vec<(String, f64)> {
        let named = [
            ("pairs", self.pairs as f64),
            ("correct", self.correct as f64),
            ("margin", self.margin),
            ("chosen_logprob", self.policy[0]),
            ("rejected_logprob", self.policy[1]),
            ("chosen_reference", self.reference[0]),
            ("rejected_reference", self.reference[1]),
        ];
        let named = named.into_iter().filter(|_| self.pairs > 0);
        named.map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// The positions of both halves of each pair, in order.
fn pairs(rows: &PackedRows) -> impl Iterator<Item = [Range<usize>; 2]> {
    rows.segments.iter().enumerate().flat_map(|(row, lengths)| {
        let mut at = row * rows.length;
        lengths.chunks_exact(2).map(move |halves| {
            let mut half = |length: usize| {
                at += length;
                at - length..at
            };
            [half(halves[0]), half(halves[1])]
        })
    })
}

/// The log-probabilities of both halves of each pair; sums in order.
///
/// # Shapes
/// - losses: `[n_rows × length]`
pub(crate) fn log_probs(rows: &PackedRows, losses: &[f32]) -> Vec<LogProbs> {
    let of = |half: Range<usize>| -losses[half].iter().map(|loss| f64::from(*loss)).sum::<f64>();
    pairs(rows).map(|halves| halves.map(of)).collect()
}

#[cfg(test)]
mod tests;
