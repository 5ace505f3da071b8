//! Holding what the model says of curated rows near what the starting model says of them.
//!
//! The loss of a token of a curated row becomes −log p + κ · KL(p₀ ‖ p), κ being `anchor.kl`, p₀ and p what the
//! starting model and the model now say comes next. The mean over the step is taken as before, so that κ weighs
//! the same whatever the shares are; beside pairs and rewards `replay.weight` multiplies both.

use burn::tensor::Tensor;
use temper_mix::{Plan, PlannedRow};
use temper_model::{Decoder, Gradients, PackedRows};
use temper_recipe::Anchor;

use crate::anchor::{Amount, Term};
use crate::measured::on_host;
use crate::step::Trainee;
use crate::workers::Goal;

/// What the positions of some lanes are held to.
#[derive(Debug)]
pub(crate) struct StepNear<'a> {
    pub(crate) starting: &'a Decoder,
    /// By lane, `[n_rows × length]`: how much the divergence of a position counts.
    pub(crate) factors: Vec<Vec<f32>>,
}

impl<'a> StepNear<'a> {
    /// Of the rows in `lanes`, of which those count whose source the anchor names.
    fn new(
        starting: &'a Decoder,
        anchor: &Anchor,
        (plan, rows): (&Plan, &[PlannedRow]),
        lanes: &[PackedRows],
        factor: f32,
    ) -> Self {
        let mut rows = rows.iter();
        let factor = anchor.kl as f32 * factor;
        let of_lane = |lane: &PackedRows| {
            let rows = rows.by_ref().take(lane.n_rows);
            let each = rows.flat_map(|row| {
                let counts = anchor.sources.contains(&plan.sources()[row.source].name);
                std::iter::repeat_n(if counts { factor } else { 0.0 }, lane.length)
            });
            each.collect()
        };
        Self { starting, factors: lanes.iter().map(of_lane).collect() }
    }
}

impl Trainee {
    /// The losses of lanes that hold `rows`, `[n_rows, length]`, and the gradient of their sum times `factor`,
    /// with the divergence of curated rows where the anchor asks for it, and inputs of factors dropped.
    pub(crate) fn sum_gradients(
        &mut self,
        lanes: &[PackedRows],
        factor: f32,
        rows: (&Plan, &[PlannedRow]),
        anchor: Option<&Anchor>,
    ) -> (Vec<Tensor<2>>, Gradients, Option<Term>) {
        let update = self.memory.updates + 1;
        let dropout = self.adapter.as_ref().and_then(|adapter| adapter.dropout(update));
        let dropout = dropout.as_ref();
        let Some((anchor, starting)) = anchor.zip(self.starting.as_ref()) else {
            let goal = Goal::Sum(factor);
            let passed = self.workers.pass(&self.decoder, lanes, goal, dropout);
            return (passed.losses, passed.gradients, None);
        };
        let near = StepNear::new(starting, anchor, rows, lanes, factor);
        let goal = Goal::Near(factor, &near);
        let passed = self.workers.pass(&self.decoder, lanes, goal, dropout);
        let factor = anchor.kl * f64::from(factor);
        let term = match self.decoder.is_on_cpu() {
            true => {
                let each = on_host(&passed.divergences).into_iter().flatten();
                Amount::Known(factor * each.map(f64::from).sum::<f64>())
            }
            false => {
                let sums = passed.divergences.into_iter().map(Tensor::sum);
                Amount::Underway(Box::new(Tensor::cat(sums.collect(), 0).sum() * factor))
            }
        };
        (passed.losses, passed.gradients, Some(("kl", term)))
    }
}
