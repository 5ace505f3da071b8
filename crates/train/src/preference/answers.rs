//! The loss over answers that were judged one by one: Kahneman-Tversky optimisation (KTO; Ethayarajh et al.
//! 2024, arXiv 2402.01306).
//!
//! ```text
//! r = log π(answer | prompt) − log π_start(answer | prompt)
//! z = max(0, mean of r over the prompts of the step with the answers to others), a constant
//! loss = w_desirable σ(β (z − r)) where it was liked, w_undesirable σ(β (r − z)) where not
//! ```

use temper_mix::{Plan, PlannedStep};
use temper_model::{Decoder, PackedRows, PassOptions};
use temper_recipe::{AnswerWeights, Preference};

use super::{SourceSums, documents, log_probs, mismatched, places, sigmoid, spread};
use crate::reference::{MismatchedReferences, References};

/// What the answers of one step are held against.
#[derive(Debug)]
pub(crate) struct StepAnswers<'a> {
    preference: &'a Preference,
    /// Answers in the whole step.
    n_answers: usize,
    /// By lane, and within it in the order of its sequences.
    judged: Vec<Vec<Judged>>,
    divergence: Divergence,
}

/// What is known of an answer beside what the model says.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Judged {
    /// Whether it was liked.
    label: bool,
    /// Its log-probability under the starting model, nats.
    reference: f64,
}

/// By how much the model has moved away from its start.
#[derive(Clone, Debug, Default, PartialEq)]
struct Divergence {
    /// By mismatched sequence of the step, in order: by how much likelier it has become, nats.
    ratios: Vec<f64>,
    /// z: their mean, never below 0. Without one it is 0.
    estimate: f64,
}

impl Divergence {
    fn new(policy: impl Iterator<Item = f64>, reference: impl Iterator<Item = f64>) -> Self {
        let ratios: Vec<f64> =
            policy.zip(reference).map(|(policy, reference)| policy - reference).collect();
        let mean = ratios.iter().sum::<f64>() / ratios.len().max(1) as f64;
        // Unlike `max`, it lets through what is no number, which stops the run.
        Self { ratios, estimate: mean.clamp(0.0, f64::INFINITY) }
    }
}

/// What one answer adds to a step.
#[derive(Clone, Copy, Debug, PartialEq)]
struct AnswerLoss {
    loss: f64,
    /// Its derivative with respect to the answer's log-probability.
    gradient: f64,
    /// β r.
    reward: f64,
}

impl AnswerLoss {
    /// # Shapes
    /// - policy: the log-probability under the model, nats
    /// - divergence: z
    fn new(preference: &Preference, judged: Judged, policy: f64, divergence: f64) -> Self {
        let beta = preference.beta;
        let weights = preference.weights.expect("a recipe with `kto` has weights");
        let AnswerWeights { desirable, undesirable } = weights;
        let (sign, weight) = if judged.label { (1.0, desirable) } else { (-1.0, undesirable) };
        let ratio = policy - judged.reference;
        let x = beta * sign * (ratio - divergence);
        Self {
            loss: weight * sigmoid(-x),
            gradient: -weight * sigmoid(x) * sigmoid(-x) * beta * sign,
            reward: beta * ratio,
        }
    }
}

/// What the starting model said to what the plan draws.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AnswerReferences<'a> {
    pub(crate) answers: &'a References<1>,
    pub(crate) mismatched: &'a MismatchedReferences,
}

impl<'a> StepAnswers<'a> {
    /// Asks `decoder` for the divergence; nothing of it depends on how the step is cut into lanes.
    ///
    /// # Panics
    ///
    /// When the reference was not asked for something of the step, which it is before training begins.
    pub(crate) fn new(
        preference: &'a Preference,
        references: AnswerReferences<'_>,
        plan: &Plan,
        step: &PlannedStep,
        rows_per_lane: usize,
        (decoder, pass): (&Decoder, &PassOptions),
    ) -> Self {
        let judged = |(source, document): (usize, u64)| {
            let label = plan.tokens(source).label(document as usize);
            let [reference] = references.answers.of(source, document as usize);
            Judged { label: label.expect("a source of judged answers"), reference }
        };
        let lane = |rows: &[temper_mix::PlannedRow]| -> Vec<Judged> {
            let of_row = |row: &temper_mix::PlannedRow| {
                let source = row.source;
                row.segments
                    .iter()
                    .map(move |segment| (source, segment.document))
                    .collect::<Vec<_>>()
            };
            rows.iter().flat_map(of_row).map(judged).collect()
        };
        let judged: Vec<_> = step.own_rows().chunks(rows_per_lane).map(lane).collect();
        let mismatched = mismatched::of_step(step);
        let policy: Vec<f64> = mismatched::lanes(plan, &mismatched, rows_per_lane)
            .flat_map(|rows| {
                let losses = decoder.losses(&rows, pass).into_data();
                let losses = losses.as_slice::<f32>().expect("losses are 32-bit floats");
                log_probs::<1>(&rows, losses).into_iter().flatten()
            })
            .collect();
        let reference = mismatched.iter().map(|mismatched| references.mismatched.of(mismatched));
        let divergence = Divergence::new(policy.into_iter(), reference);
        let n_answers = judged.iter().map(Vec::len).sum();
        Self { preference, n_answers, judged, divergence }
    }

    /// # Shapes
    /// - losses, output: `[n_rows × length]`
    pub(super) fn gradient(&self, lane: usize, rows: &PackedRows, losses: &[f32]) -> Vec<f32> {
        let mut gradient = vec![0.0; losses.len()];
        for ([place], (_, _, answer)) in places::<1>(rows).zip(self.answers(lane, rows, losses)) {
            spread(&mut gradient, rows, place, answer.gradient / self.n_answers as f64);
        }
        gradient
    }

    /// Of each answer of a lane what was known, its log-probability and what it adds.
    fn answers(
        &self,
        lane: usize,
        rows: &PackedRows,
        losses: &[f32],
    ) -> impl Iterator<Item = (Judged, f64, AnswerLoss)> {
        let policy = log_probs::<1>(rows, losses).into_iter();
        policy.zip(&self.judged[lane]).map(|([policy], judged)| {
            let divergence = self.divergence.estimate;
            (*judged, policy, AnswerLoss::new(self.preference, *judged, policy, divergence))
        })
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
        let mut sums = vec![AnswerSums::default(); plan.sources().len()];
        let mut sources = documents(step).map(|(source, _)| source);
        for (lane, (rows, losses)) in lanes.iter().zip(losses).enumerate() {
            for (judged, policy, answer) in self.answers(lane, rows, losses) {
                let source = sources.next().expect("an answer for each segment of the step");
                sums[source].add(judged, policy, answer);
            }
        }
        for ((source, _), ratio) in documents(step).zip(&self.divergence.ratios) {
            sums[source].divergence += ratio;
        }
        sums.into_iter().map(SourceSums::from).collect()
    }
}

/// Quantities summed over answers; of two numbers the first is of those that were liked.
#[derive(Clone, Debug, Default, PartialEq)]
struct AnswerSums {
    answers: [u64; 2],
    loss: f64,
    reward: [f64; 2],
    policy: [f64; 2],
    reference: [f64; 2],
    /// Of the prompts with the answers to others.
    divergence: f64,
}

impl AnswerSums {
    fn add(&mut self, judged: Judged, policy: f64, answer: AnswerLoss) {
        let kind = usize::from(!judged.label);
        self.answers[kind] += 1;
        self.loss += answer.loss;
        self.reward[kind] += answer.reward;
        self.policy[kind] += policy;
        self.reference[kind] += judged.reference;
    }
}

impl From<AnswerSums> for SourceSums {
    fn from(sums: AnswerSums) -> Self {
        let units = sums.answers.iter().sum();
        let mut named = Vec::new();
        for (kind, name) in ["desirable", "undesirable"].into_iter().enumerate() {
            let of_kind = [
                ("", sums.answers[kind] as f64),
                ("_reward", sums.reward[kind]),
                ("_logprob", sums.policy[kind]),
                ("_reference", sums.reference[kind]),
            ];
            named.extend(of_kind.map(|(what, value)| (format!("{name}{what}"), value)));
        }
        named.push(("kl".to_owned(), sums.divergence));
        // A source without answers has nothing to say.
        named.retain(|_| units > 0);
        Self { units, loss: sums.loss, named }
    }
}

#[cfg(test)]
mod tests;
