//! Updates from the completions of a step.

use temper_mix::Plan;
use temper_model::{Decoder, Gradients, PackedRows, PassOptions};
use temper_recipe::{Recipe, Rl};

use super::rollout::{Rollouts, as_sampled, losses};
use super::sums::RolloutSums;
use crate::anchor::values;
use crate::error::Error;
use crate::measured::{Measured, on_host};
use crate::optimizer::global_norm;
use crate::replay::Replayed;
use crate::step::Trainee;
use crate::workers::Goal;

/// What is learned by.
#[derive(Clone, Copy)]
pub(crate) struct Lesson<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) recipe: &'a Recipe,
    pub(crate) rl: &'a Rl,
    /// The starting model, where it counts.
    pub(crate) starting: Option<&'a Decoder>,
    pub(crate) pass: &'a PassOptions,
    /// The rows that are learned from beside completions.
    pub(crate) replayed: &'a [PackedRows],
    pub(crate) lr: f64,
}

impl Trainee {
    /// Learns from what was sampled.
    ///
    /// Where all completions of all groups are equally good, nothing is replayed and nothing holds the weights,
    /// nothing is changed. Each of several updates goes over what is replayed again, as it does over the
    /// completions; after the first one, none is made that begins further than `max_drift` from the model that
    /// sampled.
    ///
    /// # Errors
    /// [`Error::NotFinite`] before the update that would not be finite.
    pub(crate) fn learn(
        &mut self,
        rollouts: &Rollouts,
        lesson: &Lesson<'_>,
    ) -> Result<Measured, Error> {
        let Lesson { plan, recipe, rl, starting, pass, replayed: beside, lr } = *lesson;
        let (step, pass) = (&rollouts.step, &as_sampled(rl, pass));
        let training = &recipe.training;
        let layout = rollouts.layout(rl, training.sequence_length, training.micro_batch_size);
        let old = (rl.updates_per_rollout > 1).then(|| losses(&self.decoder, &layout.lanes, pass));
        let reference = starting.map(|starting| losses(starting, &layout.lanes, pass));
        let objective = rollouts.objective(rl, &layout, old.as_deref(), reference.as_deref());
        let (mut last, mut norm, mut replayed, mut terms) = (Vec::new(), 0.0, None, Vec::new());
        let mut updates = 0;
        // Which of the prompts it was is not known.
        let unknown = vec![f64::NAN; step.rows.len()];
        let nothing = layout.lanes.is_empty() && recipe.replay.is_none();
        let most = if nothing && self.anchor.is_none() { 0 } else { rl.updates_per_rollout };
        while updates < most {
            let goal = Goal::Completions(&objective);
            let own = (!layout.lanes.is_empty())
                .then(|| self.workers.gradients(&self.decoder, &layout.lanes, goal));
            let (mut losses, own) =
                own.map_or((Vec::new(), None), |(losses, own)| (losses, Some(own)));
            let found = on_host(&losses);
            let is_too_far = |most| objective.drift(&layout.lanes, &found) > most;
            if updates > 0 && rl.max_drift.is_some_and(is_too_far) {
                own.into_iter().for_each(|own| self.workers.reuse(own));
                break;
            }
            (last, updates) = (found, updates + 1);
            let mut kl = None;
            let gradients = match &recipe.replay {
                Some(_) => {
                    let (sum, of_beside, mut found) =
                        self.replay(own, beside, (plan, step), recipe);
                    kl = found.kl.take();
                    losses.extend(of_beside);
                    replayed = Some(found);
                    sum
                }
                // What holds the weights does so when there is nothing to learn from.
                None => own.unwrap_or_else(|| self.workers.zeros(&self.decoder)),
            };
            let (gradients, found) = self.with_terms(gradients, kl);
            terms = found;
            match gradients {
                Gradients::Flat(gradients) if self.adapter.is_none() => {
                    norm = global_norm(&gradients);
                    if !norm.is_finite() {
                        return Err(Error::not_finite(plan, step, &unknown, f64::NAN, norm));
                    }
                    self.update_flat(gradients, norm, &recipe.optimizer, lr);
                }
                gradients @ (Gradients::Flat(_) | Gradients::Tensors(_)) => {
                    let found = self.update_in_tensors(gradients, &losses, &recipe.optimizer, lr);
                    norm = f64::from(found.into_scalar::<f32>());
                }
            }
        }
        let sums = rollouts.account(plan, &objective, &layout, &last);
        let replayed = replayed.as_ref();
        let loss = sums.iter().map(|sums| sums.loss).sum::<f64>()
            + replayed.map_or(0.0, |replayed: &Replayed| replayed.loss);
        if !loss.is_finite() || !norm.is_finite() {
            return Err(Error::not_finite(plan, step, &unknown, loss, norm));
        }
        let mut sources: Vec<(u64, f64)> = sums.iter().map(|sums| (0, sums.loss)).collect();
        for row in &step.rows {
            sources[row.source].0 += row.tokens();
        }
        if let Some(replayed) = replayed {
            replayed.book(step, &mut sources);
        }
        let named = |sums: &RolloutSums| match sums.groups {
            0 => Vec::new(),
            _ => sums.named(rl),
        };
        let measures = sums.iter().map(named).collect();
        let norms = replayed.map(|replayed| replayed.norms);
        let terms = values(terms);
        let updates = Some(updates);
        Ok(Measured { loss, gradient_norm: norm, norms, updates, sources, measures, terms })
    }
}
