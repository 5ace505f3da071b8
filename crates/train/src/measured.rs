//! What a step came to, on the host or still on its way there.

use burn::tensor::Tensor;
use temper_mix::{Plan, PlannedStep};
use temper_model::PackedRows;

use crate::anchor::{Term, values};
use crate::error::Error;
use crate::preference::StepPreference;
use crate::replay::Replayed;

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
    /// Updates that were made with what the step sampled.
    pub(crate) updates: Option<u32>,
    /// Per source of the plan: tokens that carry loss, and the sum of their losses in nats, or of its
    /// pairs' or judged answers' losses.
    pub(crate) sources: Vec<(u64, f64)>,
    /// What else was measured, per source of the plan, as the ledger calls it.
    pub(crate) measures: Vec<Vec<(String, f64)>>,
    /// What the anchor added to the objective, term by term; no part of `loss`.
    pub(crate) terms: Vec<(&'static str, f64)>,
}

/// The numbers of a step that was trained, perhaps still under way on a device.
#[derive(Debug)]
pub(crate) enum StepNumbers {
    /// They are on the host.
    Known(Measured),
    /// They are on the device, and nobody has waited for them: the losses of each lane,
    /// `[n_rows, length]`, the global gradient norm, `[1]`, and the terms of the anchor.
    Underway(Box<(Vec<Tensor<2>>, Tensor<1>, Vec<Term>)>),
}

impl StepNumbers {
    /// Waits for them.
    ///
    /// # Errors
    /// [`Error::NotFinite`] when the loss or the gradient was not finite; nothing was updated.
    pub(crate) fn measured(self, plan: &Plan, step: &PlannedStep) -> Result<Measured, Error> {
        match self {
            Self::Known(measured) => Ok(measured),
            Self::Underway(numbers) => {
                let (losses, norm, terms) = *numbers;
                let norm = f64::from(norm.into_scalar::<f32>());
                Ok(Measured { terms: values(terms), ..measure(plan, step, &losses, norm)? })
            }
        }
    }
}

/// Adds up losses on the host and in order: the same sums whatever the device and its threads.
pub(crate) fn measure(
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
    let (norms, updates, measures, terms) = (None, None, Vec::new(), Vec::new());
    Ok(Measured { loss, gradient_norm, norms, updates, sources, measures, terms })
}

/// [`measure`] of pairs or judged answers, whose mean loss is the step's.
pub(crate) fn measure_answers(
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
    let (updates, terms) = (None, Vec::new());
    Ok(Measured { loss, gradient_norm, norms, updates, sources, measures, terms })
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
