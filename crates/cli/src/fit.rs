//! What a ceiling of memory makes of a recipe, and what a recipe makes of passes.

use anyhow::{Result, bail};
use serde::Serialize;
use temper_model::{Config, Footprint, LaneShape, PassOptions, Precision};
use temper_recipe::{Precision as RecipePrecision, Recipe, Training};

use crate::device;
use crate::methods::TrainedParameters;
use crate::print::bytes;

/// Logits that may exist at the same time, from many to few.
const MOST_LOGITS: [u64; 4] = [1 << 28, 1 << 25, 1 << 22, 1 << 19];

/// Those that are tried on a device: each group goes through the whole table and its gradient, and memory is what a
/// GPU waits for; on the CPU it is arithmetic. Graphics drivers bound a buffer, some of them at 2^25 floats.
fn most_logits(devices: &str) -> &'static [u64] {
    if device::backend(devices) == "cuda" { &MOST_LOGITS } else { &MOST_LOGITS[1..] }
}

/// A recipe's precision as passes know it.
pub(crate) fn model_precision(precision: RecipePrecision) -> Precision {
    match precision {
        RecipePrecision::F32 => Precision::F32,
        RecipePrecision::Bf16 => Precision::Bf16,
    }
}

/// How passes of a run compute.
pub(crate) fn pass_options(training: &Training) -> PassOptions {
    PassOptions {
        precision: model_precision(training.precision),
        recompute: training.activation_checkpointing,
        most_logits: usize::try_from(training.most_logits).unwrap_or(usize::MAX),
        ..PassOptions::default()
    }
}

/// The recipe with what its `memory` allows: as many rows a lane as fit, without activation
/// checkpointing if possible. Without a ceiling it stays as it is.
///
/// # Errors
/// A ceiling below what one row takes, and those of [`TrainedParameters::of`].
pub(crate) fn fit(recipe: Recipe, config: &Config, devices: &str) -> Result<Recipe> {
    let trained = TrainedParameters::of(&recipe, config)?;
    let Some(ceiling) = recipe.training.memory else { return Ok(recipe) };
    let n_rows = recipe.learned_rows();
    let divisors: Vec<usize> =
        (1..=n_rows).rev().filter(|rows| n_rows.is_multiple_of(*rows)).collect();
    let mut least: Option<(Footprint, usize)> = None;
    for activation_checkpointing in [false, true] {
        for micro_batch_size in &divisors {
            for most_logits in most_logits(devices) {
                let training = Training {
                    micro_batch_size: *micro_batch_size,
                    activation_checkpointing,
                    most_logits: *most_logits,
                    ..recipe.training.clone()
                };
                let fitted = Recipe { training, ..recipe.clone() };
                let footprint = footprint_of(&fitted, trained, config, devices);
                if footprint.bytes() <= ceiling.0 {
                    return Ok(fitted);
                }
                if least.is_none_or(|(least, _)| footprint.bytes() < least.bytes()) {
                    least = Some((footprint, *micro_batch_size));
                }
            }
        }
    }
    let (least, rows) = least.expect("a batch has a divisor");
    let (of, fewer) = match recipe.rl {
        Some(_) => (
            format!(
                "{n_rows} completions that are sampled together, or {rows} row(s) learned from,"
            ),
            ", `training.global_batch_size` or `rl.group_size`",
        ),
        None => (format!("{rows} row(s)"), ""),
    };
    bail!(
        "training.memory: found {}, expected at least {}: {} for weights, gradients and moments, {} for {of} of \
         {} positions with activation checkpointing\n\n\
         hint: lower `training.sequence_length`{fewer}, raise `training.memory`, or train a smaller model",
        bytes(ceiling.0),
        bytes(least.bytes()),
        bytes(least.state),
        bytes(least.activations),
        recipe.training.sequence_length
    )
}

/// What a step of `n_rows` takes at its peak.
///
/// `devices` is the list as the command line names it: workers on the CPU share its memory.
pub(crate) fn footprint(
    training: &Training,
    n_rows: usize,
    config: &Config,
    devices: &str,
) -> Footprint {
    let lane = lane(training, n_rows, devices);
    Footprint::new(config, &pass_options(training), lane, device::is_cpu(devices))
}

fn lane(training: &Training, n_rows: usize, devices: &str) -> LaneShape {
    let on_cpu = device::is_cpu(devices);
    let n_workers = if on_cpu { devices.split(',').count() } else { 1 };
    LaneShape {
        n_rows: training.micro_batch_size,
        length: training.sequence_length,
        n_lanes: n_rows / training.micro_batch_size,
        n_workers,
        near: false,
    }
}

/// What a step of `recipe` takes at its peak, with what it keeps beside weights, gradients and moments.
fn footprint_of(
    recipe: &Recipe,
    trained: TrainedParameters,
    config: &Config,
    devices: &str,
) -> Footprint {
    let training = recipe.largest_lanes();
    let options = pass_options(&training);
    let near = recipe.anchor.as_ref().is_some_and(|anchor| anchor.kl > 0.0);
    let lane = LaneShape { near, ..lane(&training, recipe.learned_rows(), devices) };
    let footprint = match recipe.lora.as_ref().is_some_and(|lora| lora.dropout > 0.0) {
        true => Footprint::with_dropout(config, &options, lane),
        false => Footprint::new(config, &options, lane, device::is_cpu(devices)),
    };
    let state = footprint.state.saturating_add_signed(trained.device_bytes(recipe));
    let footprint = Footprint { state, ..footprint };
    match recipe.rl {
        Some(_) => {
            let (n_sequences, length) = (recipe.learned_rows(), recipe.training.sequence_length);
            footprint.with_rollouts(config, n_sequences, length)
        }
        None => footprint,
    }
}

/// How a step goes through the device.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Passes {
    micro_batch_size: usize,
    lanes: usize,
    activation_checkpointing: bool,
    logit_bytes: u64,
    /// Weights, gradients and two moments, averages and what weights are held to.
    state_bytes: u64,
    /// What a pass keeps, and its largest operation; or keys and values of what is sampled together.
    activation_bytes: u64,
    /// The ceiling, if there is one.
    memory: Option<u64>,
}

impl Passes {
    /// # Errors
    /// Those of [`TrainedParameters::of`].
    pub(crate) fn of(recipe: &Recipe, config: &Config, devices: &str) -> Result<Self> {
        let training = &recipe.training;
        let footprint =
            footprint_of(recipe, TrainedParameters::of(recipe, config)?, config, devices);
        Ok(Self {
            micro_batch_size: training.micro_batch_size,
            lanes: recipe.learned_rows() / training.micro_batch_size,
            activation_checkpointing: training.activation_checkpointing,
            logit_bytes: 4 * training.most_logits,
            state_bytes: footprint.state,
            activation_bytes: footprint.activations,
            memory: training.memory.map(|memory| memory.0),
        })
    }

    /// For a person.
    pub(crate) fn text(&self) -> String {
        let checkpointing = if self.activation_checkpointing { "on" } else { "off" };
        let ceiling = self.memory.map(|memory| format!(" of {}", bytes(memory)));
        format!(
            "  {} lane(s) of {} row(s), activation checkpointing {checkpointing}, at most {} of logits\n  \
             about {}{} on the device: {} for weights, gradients and moments, {} for activations",
            self.lanes,
            self.micro_batch_size,
            bytes(self.logit_bytes),
            bytes(self.state_bytes + self.activation_bytes),
            ceiling.unwrap_or_default(),
            bytes(self.state_bytes),
            bytes(self.activation_bytes),
        )
    }
}

#[cfg(test)]
mod tests;
