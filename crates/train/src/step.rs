//! One optimizer step: lanes forward and backward, one update.

use burn::tensor::Tensor;
use temper_mix::{Lane, Plan, PlannedStep};
use temper_model::{Decoder, Gradients, PackedRows};
use temper_recipe::{Optimizer, OptimizerName, Recipe};

use crate::error::Error;
use crate::lora::Adapter;
use crate::optimizer::{FlatMoments, Memory, Moments, global_norm};
use crate::preference::StepPreference;
use crate::replay::Replayed;
use crate::workers::{Goal, Workers};

/// The network being trained, and the optimizer's moments beside it.
#[derive(Debug)]
pub(crate) struct Trainee {
    pub(crate) decoder: Decoder,
    /// What moves the weights, by name.
    pub(crate) optimizer: OptimizerName,
    pub(crate) memory: Memory,
    /// What is trained in the place of weights.
    pub(crate) adapter: Option<Adapter>,
    pub(crate) workers: Workers,
}

/// What one step measured.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Measured {
    /// Mean loss over the step's tokens that carry loss, nats; of pairs and completions theirs, and what is
    /// replayed by its weight.
    pub(crate) loss: f64,
    /// The global gradient norm before clipping.
    pub(crate) gradient_norm: f64,
    /// Those of the stage's own loss and of what is replayed beside it, over all weights.
    pub(crate) norms: Option<[f64; 2]>,
    /// Per source of the plan: tokens that carry loss, and the sum of their losses in nats, or of its
    /// pairs' or judged answers' losses.
    pub(crate) sources: Vec<(u64, f64)>,
    /// What else was measured, per source of the plan, as the ledger calls it.
    pub(crate) measures: Vec<Vec<(String, f64)>>,
}

/// A step that was trained, perhaps still under way on a device.
#[derive(Debug)]
pub(crate) enum Trained {
    /// Its numbers are on the host.
    Known(Measured),
    /// Its numbers are on the device, and nobody has waited for them: the losses of each lane,
    /// `[n_rows, length]`, and the global gradient norm, `[1]`.
    Underway(Box<(Vec<Tensor<2>>, Tensor<1>)>),
}

impl Trainee {
    /// Takes up a decoder, which lies on the first worker's device; without moments it starts with zeros.
    pub(crate) fn new(
        decoder: Decoder,
        optimizer: OptimizerName,
        moments: Option<(u64, FlatMoments)>,
        workers: Workers,
    ) -> Self {
        let memory = Memory::new(&decoder, optimizer, moments);
        Self { memory, optimizer, adapter: None, decoder, workers }
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
        Self { memory, optimizer, adapter: Some(adapter), decoder, workers }
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
    ) -> Result<Trained, Error> {
        let rows: Vec<PackedRows> = lanes.into_iter().map(packed).collect();
        let (own, beside) = rows.split_at(step.own_lanes(recipe.training.micro_batch_size));
        let goal = preference.map_or_else(|| mean_over(step.tokens()), Goal::Preference);
        let (mut losses, mut gradients) = self.workers.gradients(&self.decoder, own, goal);
        let mut replayed = None;
        if let Some(replay) = &recipe.replay {
            let (sum, of_beside, found) = self.replay(Some(gradients), beside, replay);
            losses.extend(of_beside);
            (gradients, replayed) = (sum, Some(found));
        }
        let measure = |losses: &[Tensor<2>], norm| match preference {
            None => measure(plan, step, losses, norm),
            Some(preference) => {
                let losses = &losses[..own.len()];
                measure_answers(plan, step, (preference, own, losses), replayed.as_ref(), norm)
            }
        };
        match gradients {
            Gradients::Flat(gradients) if self.adapter.is_none() => {
                let norm = global_norm(&gradients);
                let measured = measure(&losses, norm)?;
                self.update_flat(gradients, norm, &recipe.optimizer, lr);
                Ok(Trained::Known(measured))
            }
            gradients @ (Gradients::Flat(_) | Gradients::Tensors(_)) => {
                let norm = self.update_in_tensors(gradients, &losses, &recipe.optimizer, lr);
                if preference.is_some() || self.decoder.is_on_cpu() {
                    // The host has read the losses already: those of answers are made there, and so is all
                    // on the CPU.
                    let norm = f64::from(norm.into_scalar::<f32>());
                    return Ok(Trained::Known(measure(&losses, norm)?));
                }
                Ok(Trained::Underway(Box::new((losses, norm))))
            }
        }
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
        moments.update(&mut self.decoder, &gradients, options, lr, clip, *updates);
        self.workers.reuse(Gradients::Flat(gradients));
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
        let sums = losses.iter().map(|losses| losses.clone().sum()).collect();
        let loss_sum = Tensor::cat(sums, 0).sum();
        match (&mut self.adapter, gradients) {
            (Some(adapter), gradients) => {
                let update = (options, lr, *updates);
                let decoder = &mut self.decoder;
                let norm = adapter.update(decoder, moments, &gradients, loss_sum, update);
                self.workers.reuse(gradients);
                norm
            }
            (None, Gradients::Tensors(gradients)) => {
                moments.update(&mut self.decoder, gradients, loss_sum, options, lr, *updates)
            }
            (None, Gradients::Flat(_)) => unreachable!("on the CPU all weights move flat"),
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

impl Trained {
    /// Waits for the numbers of the step.
    ///
    /// # Errors
    /// [`Error::NotFinite`] when the loss or the gradient was not finite; nothing was updated.
    pub(crate) fn measured(self, plan: &Plan, step: &PlannedStep) -> Result<Measured, Error> {
        match self {
            Self::Known(measured) => Ok(measured),
            Self::Underway(numbers) => {
                let (losses, norm) = *numbers;
                let norm = f64::from(norm.into_scalar::<f32>());
                measure(plan, step, &losses, norm)
            }
        }
    }
}

/// Adds up losses on the host and in order: the same sums whatever the device and its threads.
fn measure(
    plan: &Plan,
    step: &PlannedStep,
    losses: &[Tensor<2>],
    gradient_norm: f64,
) -> Result<Measured, Error> {
    let row_losses = row_losses(&on_host(losses), plan.sequence_length());
    let mut sources = vec![(0, 0.0); plan.sources().len()];
    for (row, loss) in step.rows.iter().zip(&row_losses) {
        let source = &mut sources[row.source];
        *source = (source.0 + row.tokens(), source.1 + loss);
    }
    let loss = row_losses.iter().sum::<f64>() / step.tokens() as f64;
    if !loss.is_finite() || !gradient_norm.is_finite() {
        return Err(Error::not_finite(plan, step, &row_losses, loss, gradient_norm));
    }
    Ok(Measured { loss, gradient_norm, norms: None, sources, measures: Vec::new() })
}

/// [`measure`] of pairs or judged answers, whose mean loss is the step's.
fn measure_answers(
    plan: &Plan,
    step: &PlannedStep,
    (preference, rows, losses): (&StepPreference<'_>, &[PackedRows], &[Tensor<2>]),
    replayed: Option<&Replayed>,
    gradient_norm: f64,
) -> Result<Measured, Error> {
    let losses = on_host(losses);
    let sums = preference.account(plan, step, rows, &losses);
    let mut sources: Vec<(u64, f64)> = sums.iter().map(|sums| (0, sums.loss)).collect();
    for row in &step.rows {
        sources[row.source].0 += row.tokens();
    }
    let n: u64 = sums.iter().map(|sums| sums.units).sum();
    let mut loss = sums.iter().map(|sums| sums.loss).sum::<f64>() / n as f64;
    if let Some(replayed) = replayed {
        loss += replayed.loss;
        replayed.book(step, &mut sources);
    }
    if !loss.is_finite() || !gradient_norm.is_finite() {
        let row_losses = row_losses(&losses, plan.sequence_length());
        return Err(Error::not_finite(plan, step, &row_losses, loss, gradient_norm));
    }
    let measures = sums.into_iter().map(|sums| sums.named).collect();
    let norms = replayed.map(|replayed| replayed.norms);
    Ok(Measured { loss, gradient_norm, norms, sources, measures })
}

/// The losses of each lane, `[n_rows × length]`.
pub(crate) fn on_host(lanes: &[Tensor<2>]) -> Vec<Vec<f32>> {
    let lanes = lanes.iter().map(|lane| lane.clone().into_data().try_into_vec::<f32>());
    lanes.map(|lane| lane.expect("losses are 32-bit floats")).collect()
}

/// The sum of each row.
pub(crate) fn row_losses(lanes: &[Vec<f32>], length: usize) -> Vec<f64> {
    let sum = |row: &[f32]| row.iter().map(|loss| f64::from(*loss)).sum::<f64>();
    lanes.iter().flat_map(|lane| lane.chunks(length).map(sum)).collect()
}

/// The factor that brings `norm` down to `clip_norm`; 1 when it is below, or when nothing is clipped.
fn clip_factor(norm: f64, clip_norm: f64) -> f64 {
    if clip_norm > 0.0 && norm > clip_norm { clip_norm / norm } else { 1.0 }
}

#[cfg(test)]
mod tests;
