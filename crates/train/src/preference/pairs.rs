//! Losses over pairs of answers, of which one was preferred.
//!
//! A lane's halves come in twos, as the mix lays them out: the better answer first.

use temper_mix::{Plan, PlannedStep};
use temper_model::PackedRows;
use temper_recipe::{Preference, PreferenceLoss};

use super::{SourceSums, log_probs, places, sigmoid, spread};
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
        let Preference { loss, beta, label_smoothing, .. } = *preference;
        let per_token = match loss {
            PreferenceLoss::Sigmoid => [1.0, 1.0],
            PreferenceLoss::Kto => unreachable!("its answers do not come in pairs"),
            PreferenceLoss::SigmoidNorm | PreferenceLoss::Ipo => {
                lengths.map(|length| 1.0 / length.max(1) as f64)
            }
        };
        let ratio = |half: usize| (policy[half] - reference[half]) * per_token[half];
        let h = ratio(0) - ratio(1);
        let margin = beta * h;
        let (loss, d_h) = match loss {
            PreferenceLoss::Sigmoid | PreferenceLoss::SigmoidNorm | PreferenceLoss::Kto => (
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

impl<'a> StepPairs<'a> {
    /// # Panics
    ///
    /// When the reference was not asked for a pair of the step, which it is before training begins.
    pub(crate) fn new(
        preference: &'a Preference,
        references: &References<2>,
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

    /// # Shapes
    /// - losses, output: `[n_rows × length]`
    pub(super) fn gradient(&self, lane: usize, rows: &PackedRows, losses: &[f32]) -> Vec<f32> {
        let mut gradient = vec![0.0; losses.len()];
        for (halves, pair) in places::<2>(rows).zip(self.pair_losses(lane, rows, losses)) {
            for (half, d_log_prob) in halves.into_iter().zip(pair.gradient) {
                spread(&mut gradient, rows, half, d_log_prob / self.n_pairs as f64);
            }
        }
        gradient
    }

    /// What each pair of a lane adds, from the losses of its positions.
    fn pair_losses(
        &self,
        lane: usize,
        rows: &PackedRows,
        losses: &[f32],
    ) -> impl Iterator<Item = PairLoss> {
        let policy = log_probs(rows, losses).into_iter();
        policy.zip(places::<2>(rows)).zip(&self.reference[lane]).map(
            |((policy, halves), reference)| {
                let lengths = halves.map(|half| half.filter(|at| rows.loss_mask[*at]).count());
                PairLoss::new(self.preference, policy, *reference, lengths)
            },
        )
    }

    /// # Shapes
    /// - losses: by lane, `[n_rows × length]`
    pub(super) fn account(
        &self,
        plan: &Plan,
        step: &PlannedStep,
        lanes: &[PackedRows],
        losses: &[Vec<f32>],
    ) -> Vec<SourceSums> {
        let mut sums = vec![PairSums::default(); plan.sources().len()];
        let mut documents = super::documents(step);
        for (lane, (rows, losses)) in lanes.iter().zip(losses).enumerate() {
            let each = self.pair_losses(lane, rows, losses).zip(log_probs(rows, losses));
            for ((pair, policy), reference) in each.zip(&self.reference[lane]) {
                let (source, _) = documents.next().expect("a pair for each segment of the step");
                sums[source].add(pair, policy, *reference);
            }
        }
        sums.into_iter().map(SourceSums::from).collect()
    }
}

/// Quantities summed over pairs.
#[derive(Clone, Debug, Default, PartialEq)]
struct PairSums {
    pairs: u64,
    loss: f64,
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
}

impl From<PairSums> for SourceSums {
    fn from(sums: PairSums) -> Self {
        let named = [
            ("pairs", sums.pairs as f64),
            ("correct", sums.correct as f64),
            ("margin", sums.margin),
            ("chosen_logprob", sums.policy[0]),
            ("rejected_logprob", sums.policy[1]),
            ("chosen_reference", sums.reference[0]),
            ("rejected_reference", sums.reference[1]),
        ];
        // A source without pairs has nothing to say.
        let named = named.into_iter().filter(|_| sums.pairs > 0);
        let named = named.map(|(name, value)| (name.to_owned(), value)).collect();
        Self { units: sums.pairs, loss: sums.loss, named }
    }
}

#[cfg(test)]
mod tests;
