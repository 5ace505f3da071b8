//! One optimizer step: lanes forward and backward, one update.

use temper_mix::{Lane, Plan, PlannedStep};
use temper_model::{Decoder, PackedRows, Parameter};
use temper_recipe::Recipe;

use crate::adamw::{AdamW, clip_factor, global_norm};
use crate::error::Error;
use crate::reduce::LaneSum;

/// The network being trained, its exact weights on the host, and the optimizer's moments.
#[derive(Debug)]
pub(crate) struct Trainee {
    pub(crate) decoder: Decoder,
    /// Flat, in the decoder's parameter order.
    pub(crate) values: Vec<f32>,
    pub(crate) adamw: AdamW,
    parameters: Vec<Parameter>,
}

/// What one step measured.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Measured {
    /// Mean loss over the step's tokens that carry loss, nats.
    pub(crate) loss: f64,
    /// The global gradient norm before clipping.
    pub(crate) gradient_norm: f64,
    /// Per source of the plan: tokens that carry loss, and the sum of their losses in nats.
    pub(crate) sources: Vec<(u64, f64)>,
}

impl Trainee {
    /// Takes up a decoder on an autodiff device; `adamw` `None` starts with zero moments.
    pub(crate) fn new(decoder: Decoder, adamw: Option<AdamW>) -> Self {
        let values = decoder.values();
        let adamw = adamw.unwrap_or_else(|| AdamW::new(values.len()));
        Self { parameters: decoder.parameters(), decoder, values, adamw }
    }

    /// Trains on the lanes of `step` at the learning rate `lr`.
    ///
    /// The loss is averaged over all tokens of the step that carry loss, whatever lane they are in.
    ///
    /// # Errors
    /// [`Error::NotFinite`] before anything is updated, when the loss or the gradient is not finite.
    pub(crate) fn train(
        &mut self,
        plan: &Plan,
        step: &PlannedStep,
        lanes: Vec<Lane>,
        recipe: &Recipe,
        lr: f64,
    ) -> Result<Measured, Error> {
        let n_tokens = step.tokens();
        let mut sum = LaneSum::default();
        let mut row_losses = Vec::with_capacity(step.rows.len());
        for lane in lanes {
            let (gradients, losses) = self.lane_gradients(lane, n_tokens);
            sum.push(gradients);
            row_losses.extend(losses);
        }
        let gradients = sum.finish().expect("a planned step has a row");
        let mut sources = vec![(0, 0.0); plan.sources().len()];
        for (row, loss) in step.rows.iter().zip(&row_losses) {
            let source = &mut sources[row.source];
            *source = (source.0 + row.tokens(), source.1 + loss);
        }
        let loss = row_losses.iter().sum::<f64>() / n_tokens as f64;
        let gradient_norm = global_norm(&gradients);
        if !loss.is_finite() || !gradient_norm.is_finite() {
            return Err(Error::not_finite(plan, step, &row_losses, loss, gradient_norm));
        }
        let options = &recipe.optimizer;
        let clip = clip_factor(gradient_norm, options.clip_norm);
        self.adamw.update(&self.parameters, &mut self.values, &gradients, options, lr, clip);
        self.decoder.set_values(&self.values)?;
        Ok(Measured { loss, gradient_norm, sources })
    }

    /// The gradients of one lane, and the loss of each of its rows in nats.
    fn lane_gradients(&self, lane: Lane, n_tokens: u64) -> (Vec<f32>, Vec<f64>) {
        let Lane { n_rows, length, inputs, targets, loss_mask, segments } = lane;
        let rows = PackedRows { n_rows, length, inputs, targets, loss_mask, segments };
        let losses = self.decoder.token_losses(&rows); // [n_rows, length]
        let per_token: Vec<f32> =
            losses.clone().detach().into_data().try_to_vec().expect("losses are 32-bit floats");
        // On the host and in order: the same sum whatever the device and its threads.
        let row_losses = per_token
            .chunks(length)
            .map(|row| row.iter().map(|loss| f64::from(*loss)).sum())
            .collect();
        let mut backward = (losses.sum() / n_tokens as f64).backward();
        let mut gradients = vec![0.0; self.values.len()];
        self.decoder.gradients(&mut backward, &mut gradients);
        (gradients, row_losses)
    }
}

#[cfg(test)]
mod tests;
