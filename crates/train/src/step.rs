//! One optimizer step: lanes forward and backward, one update.

use burn::tensor::Tensor;
use temper_mix::{Lane, Plan, PlannedStep};
use temper_model::{Decoder, Gradients, PackedRows};
use temper_recipe::{Optimizer, OptimizerName, Recipe};

use crate::anchor::{Anchor, Term, values};
use crate::ema::Averages;
use crate::error::Error;
use crate::frozen::Trainable;
use crate::lora::Adapter;
use crate::measured::{Measured, StepNumbers, measure, measure_answers};
use crate::optimizer::{FlatMoments, Memory, Moments, global_norm};
use crate::preference::StepPreference;
use crate::workers::{Goal, Workers};

/// The network being trained, and the optimizer's moments beside it.
#[derive(Debug)]
pub(crate) struct Trainee {
    pub(crate) decoder: Decoder,
    /// What moves the weights, by name.
    pub(crate) optimizer: OptimizerName,
    pub(crate) memory: Memory,
    /// Which of the weights move.
    pub(crate) trainable: Trainable,
    /// What is trained in the place of weights.
    pub(crate) adapter: Option<Adapter>,
    /// What the weights are held to.
    pub(crate) anchor: Option<Anchor>,
    /// The starting model, where curated rows are held to what it says.
    pub(crate) starting: Option<Decoder>,
    /// Averages of what is trained.
    pub(crate) averages: Option<Averages>,
    pub(crate) workers: Workers,
}

impl Trainee {
    /// Takes up a decoder, which lies on the first worker's device; without moments it starts with zeros.
    pub(crate) fn new(
        decoder: Decoder,
        trainable: Trainable,
        optimizer: OptimizerName,
        moments: Option<(u64, FlatMoments)>,
        workers: Workers,
    ) -> Self {
        let memory = Memory::new(&decoder, &trainable, optimizer, moments);
        let workers = workers.with_tables(trainable.has_table(&decoder));
        Self {
            decoder,
            optimizer,
            memory,
            trainable,
            adapter: None,
            anchor: None,
            starting: None,
            averages: None,
            workers,
        }
    }

    /// Takes up the starting model with factors of its changes, which become part of it.
    pub(crate) fn adapting(
        mut decoder: Decoder,
        adapter: Adapter,
        optimizer: OptimizerName,
        moments: Option<(u64, FlatMoments)>,
        workers: Workers,
    ) -> Self {
        let memory = Memory::of_adapter(&adapter, &decoder, optimizer, moments);
        adapter.apply(&mut decoder);
        let trainable = Trainable::all(decoder.config());
        // Factors are of other matrices.
        let workers = workers.with_tables(false);
        Self {
            decoder,
            optimizer,
            memory,
            trainable,
            adapter: Some(adapter),
            anchor: None,
            starting: None,
            averages: None,
            workers,
        }
    }

    /// Trains on the lanes of `step` at the learning rate `lr`.
    ///
    /// The loss is averaged over all tokens of the step that carry loss, whatever lane they are in.
    ///
    /// # Errors
    /// [`Error::NotFinite`] before anything is updated, when the loss or the gradient is not finite
    /// and the host knows already.
    pub(crate) fn train(
        &mut self,
        plan: &Plan,
        step: &PlannedStep,
        lanes: Vec<Lane>,
        preference: Option<&StepPreference<'_>>,
        recipe: &Recipe,
        lr: f64,
    ) -> Result<StepNumbers, Error> {
        let rows: Vec<PackedRows> = lanes.into_iter().map(packed).collect();
        let (own, beside) = rows.split_at(step.own_lanes(recipe.training.micro_batch_size));
        let (mut losses, mut gradients, mut kl) = match preference {
            Some(preference) => {
                let goal = Goal::Preference(preference);
                let (losses, gradients) = self.workers.gradients(&self.decoder, own, goal);
                (losses, gradients, None)
            }
            None => {
                let factor = 1.0 / step.tokens() as f32;
                self.sum_gradients(own, factor, (plan, step.own_rows()), recipe.anchor.as_ref())
            }
        };
        let mut replayed = None;
        if recipe.replay.is_some() {
            let (sum, of_beside, mut found) =
                self.replay(Some(gradients), beside, (plan, step), recipe);
            losses.extend(of_beside);
            kl = found.kl.take();
            (gradients, replayed) = (sum, Some(found));
        }
        let measure = |losses: &[Tensor<2>], norm| match preference {
            None => measure(plan, step, losses, norm),
            Some(preference) => {
                let losses = &losses[..own.len()];
                measure_answers(plan, step, (preference, own, losses), replayed.as_ref(), norm)
            }
        };
        let (gradients, terms) = self.with_terms(gradients, kl);
        match gradients {
            Gradients::Flat(gradients) if self.adapter.is_none() => {
                let norm = global_norm(&gradients);
                let measured = Measured { terms: values(terms), ..measure(&losses, norm)? };
                self.update_flat(gradients, norm, &recipe.optimizer, lr);
                Ok(StepNumbers::Known(measured))
            }
            gradients @ (Gradients::Flat(_) | Gradients::Tensors(_)) => {
                let norm = self.update_in_tensors(gradients, &losses, &recipe.optimizer, lr);
                if preference.is_some() || self.decoder.is_on_cpu() {
                    // The host has read the losses already: those of answers are made there, and so is all
                    // on the CPU.
                    let norm = f64::from(norm.into_scalar::<f32>());
                    let measured = Measured { terms: values(terms), ..measure(&losses, norm)? };
                    return Ok(StepNumbers::Known(measured));
                }
                Ok(StepNumbers::Underway(Box::new((losses, norm, terms))))
            }
        }
    }

    /// The gradient of the whole objective with respect to what moves: with the terms that hold weights, without
    /// what is frozen. Gives these terms and `kl`, which is in the gradient already.
    pub(crate) fn with_terms(
        &mut self,
        mut gradients: Gradients,
        kl: Option<Term>,
    ) -> (Gradients, Vec<Term>) {
        let anchor = self.anchor.as_ref();
        let terms = anchor.map(|anchor| anchor.add(&mut self.decoder, &mut gradients));
        self.trainable.silence(&self.decoder, &mut gradients);
        (gradients, terms.into_iter().flatten().chain(kl).collect())
    }

    /// Trains on rows without asking whether all is finite; waits for nothing.
    pub(crate) fn rehearse(&mut self, rows: &[PackedRows], options: &Optimizer) -> Tensor<2> {
        let n_tokens = rows.iter().map(|rows| rows.n_supervised() as u64).sum();
        let (mut losses, gradients) =
            self.workers.gradients(&self.decoder, rows, mean_over(n_tokens));
        match gradients {
            Gradients::Flat(gradients) => {
                let norm = global_norm(&gradients);
                self.update_flat(gradients, norm, options, options.lr);
            }
            gradients @ Gradients::Tensors(_) => {
                self.update_in_tensors(gradients, &losses, options, options.lr);
            }
        }
        losses.pop().expect("a step has a lane")
    }

    pub(crate) fn update_flat(
        &mut self,
        gradients: Vec<f32>,
        norm: f64,
        options: &Optimizer,
        lr: f64,
    ) {
        let Memory { updates, moments: Moments::Flat(moments) } = &mut self.memory else {
            unreachable!("moments lie with the weights")
        };
        *updates += 1;
        let clip = clip_factor(norm, options.clip_norm);
        let update = (options, lr, *updates);
        moments.update(&mut self.decoder, &self.trainable, &gradients, clip, update);
        self.workers.reuse(Gradients::Flat(gradients));
        self.follow();
    }

    /// Where weights lie on another device, or factors are trained. Gives the norm, `[1]`.
    pub(crate) fn update_in_tensors(
        &mut self,
        gradients: Gradients,
        losses: &[Tensor<2>],
        options: &Optimizer,
        lr: f64,
    ) -> Tensor<1> {
        let Memory { updates, moments: Moments::Tensors(moments) } = &mut self.memory else {
            unreachable!("moments lie with the weights")
        };
        *updates += 1;
        let sums: Vec<_> = losses.iter().map(|losses| losses.clone().sum()).collect();
        let loss_sum = match sums.is_empty() {
            true => Tensor::zeros([1], &self.decoder.device()),
            false => Tensor::cat(sums, 0).sum(),
        };
        let update = (options, lr, *updates);
        let norm = match (&mut self.adapter, gradients) {
            (Some(adapter), gradients) => {
                let decoder = &mut self.decoder;
                let norm = adapter.update(decoder, moments, &gradients, loss_sum, update);
                self.workers.reuse(gradients);
                norm
            }
            (None, Gradients::Tensors(gradients)) => {
                moments.update(&mut self.decoder, &self.trainable, gradients, loss_sum, update)
            }
            (None, Gradients::Flat(_)) => unreachable!("on the CPU all weights move flat"),
        };
        self.follow();
        norm
    }

    /// Takes the averages along, after an update.
    fn follow(&mut self) {
        match (&mut self.averages, &self.adapter) {
            (Some(averages), Some(adapter)) => averages.follow_adapter(adapter),
            (Some(averages), None) => averages.follow(&mut self.decoder, &self.trainable),
            (None, _) => {}
        }
    }
}

fn mean_over(n_tokens: u64) -> Goal<'static> {
    Goal::Sum(1.0 / n_tokens as f32)
}

pub(crate) fn packed(lane: Lane) -> PackedRows {
    let Lane { n_rows, length, inputs, targets, loss_mask, segments } = lane;
    PackedRows { n_rows, length, inputs, targets, loss_mask, segments }
}

/// The factor that brings `norm` down to `clip_norm`; 1 when it is below, or when nothing is clipped.
fn clip_factor(norm: f64, clip_norm: f64) -> f64 {
    if clip_norm > 0.0 && norm > clip_norm { clip_norm / norm } else { 1.0 }
}

#[cfg(test)]
mod tests;
