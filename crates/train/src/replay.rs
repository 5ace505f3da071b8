//! What is learned beside pairs and rewards: rows of texts and conversations under cross-entropy.

use burn::tensor::Tensor;
use temper_mix::{Plan, PlannedStep};
use temper_model::{Gradients, PackedRows};
use temper_recipe::Recipe;

use crate::anchor::Term;
use crate::measured::{on_host, row_losses};
use crate::optimizer::{global_norm, norm_in_tensors};
use crate::step::Trainee;

/// What the replayed rows of a step added to it.
#[derive(Debug)]
pub(crate) struct Replayed {
    /// The sum over each row's tokens, nats.
    row_losses: Vec<f64>,
    /// Their mean over tokens, times the weight: what the step's loss gains.
    pub(crate) loss: f64,
    /// The gradient norms of the stage's own loss and of this one, over all weights.
    pub(crate) norms: [f64; 2],
    /// What holds them near the starting model.
    pub(crate) kl: Option<Term>,
}

impl Trainee {
    /// Adds the gradient of replayed rows to the stage's `own`, `None` where nothing else is learned; gives
    /// their losses by lane, `[n_rows, length]`, too.
    pub(crate) fn replay(
        &mut self,
        own: Option<Gradients>,
        rows: &[PackedRows],
        (plan, step): (&Plan, &PlannedStep),
        recipe: &Recipe,
    ) -> (Gradients, Vec<Tensor<2>>, Replayed) {
        let n_tokens: usize = rows.iter().map(PackedRows::n_supervised).sum();
        let weight = recipe.replay.as_ref().map_or(0.0, |replay| replay.weight);
        let factor = weight / n_tokens.max(1) as f64;
        let planned = (plan, step.replayed_rows());
        let (losses, beside, kl) =
            self.sum_gradients(rows, factor as f32, planned, recipe.anchor.as_ref());
        let norms = [own.as_ref().map_or(0.0, norm), norm(&beside)];
        let gradients = match own {
            Some(own) => {
                let sum = own.plus(&beside);
                self.workers.reuse(beside);
                sum
            }
            None => beside,
        };
        let replayed = Replayed { kl, ..Replayed::new(&losses, rows, factor, norms) };
        (gradients, losses, replayed)
    }
}

impl Replayed {
    fn new(losses: &[Tensor<2>], rows: &[PackedRows], factor: f64, norms: [f64; 2]) -> Self {
        let length = rows.first().map_or(1, |rows| rows.length);
        let row_losses = row_losses(&on_host(losses), length);
        let loss = factor * row_losses.iter().sum::<f64>();
        Self { row_losses, loss, norms, kl: None }
    }

    /// Books the losses of `step`'s rows to their sources.
    pub(crate) fn book(&self, step: &PlannedStep, sources: &mut [(u64, f64)]) {
        for (row, loss) in step.replayed_rows().iter().zip(&self.row_losses) {
            sources[row.source].1 += loss;
        }
    }
}

fn norm(gradients: &Gradients) -> f64 {
    match gradients {
        Gradients::Flat(values) => global_norm(values),
        Gradients::Tensors(tensors) => f64::from(norm_in_tensors(tensors).into_scalar::<f32>()),
    }
}
