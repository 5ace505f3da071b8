//! What a run costs: disk, memory, arithmetic, time.

use std::time::Duration;

use anyhow::Result;
use serde::Serialize;
use temper_ledger::Totals;
use temper_model::Config;
use temper_recipe::Recipe;

use crate::disk::{checkpoint_bytes, kept_checkpoints, ledger_bytes};
use crate::fit::Passes;
use crate::methods::TrainedParameters;
use crate::model::Model;
use crate::print::{bytes, thousands};

/// What a run will take, as far as it can be said before it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Cost {
    /// Checkpoints written, and how many of them stay.
    checkpoints_written: u64,
    checkpoints_kept: u64,
    checkpoint_bytes: u64,
    /// Checkpoints and ledger, one checkpoint being written beside the kept ones.
    pub(crate) disk_bytes: u64,
    /// How many parameters move, of how many.
    parameters: TrainedParameters,
    /// How a step goes through the device, and what memory it takes there.
    passes: Passes,
    /// Floating-point operations of all forward and backward passes.
    flops: f64,
    /// At the speed that was given.
    seconds: Option<f64>,
}

impl Cost {
    /// # Errors
    /// Those of [`TrainedParameters::of`].
    pub(crate) fn of(
        recipe: &Recipe,
        model: &Model,
        totals: Totals,
        tokens_per_second: Option<f64>,
        devices: &str,
    ) -> Result<Self> {
        let parameters = TrainedParameters::of(recipe, &model.config)?;
        let checkpoint_bytes = checkpoint_bytes(recipe, model, parameters);
        let checkpoints_kept = kept_checkpoints(recipe, totals);
        let ledger = ledger_bytes(totals);
        Ok(Self {
            checkpoints_written: totals.steps.div_ceil(recipe.checkpoint.every),
            checkpoints_kept,
            checkpoint_bytes,
            disk_bytes: (checkpoints_kept + 1) * checkpoint_bytes + ledger,
            parameters,
            passes: Passes::of(recipe, &model.config, devices)?,
            flops: flops(&model.config, recipe.training.sequence_length) * totals.tokens as f64,
            seconds: tokens_per_second.map(|speed| totals.tokens as f64 / speed),
        })
    }

    /// For a person.
    pub(crate) fn text(&self) -> String {
        let mut lines = vec![
            format!("  {}", self.parameters.text()),
            format!(
                "  checkpoints: {} of {}, {} kept; {} on disk with the ledger",
                thousands(self.checkpoints_written),
                bytes(self.checkpoint_bytes),
                self.checkpoints_kept,
                bytes(self.disk_bytes)
            ),
            self.passes.text(),
            format!("  {:.2e} floating-point operations", self.flops),
        ];
        match self.seconds {
            Some(seconds) => {
                let whole = Duration::from_secs_f64(seconds.min(1e15));
                let human = indicatif::HumanDuration(whole);
                lines
                    .push(format!("  {human}, {:.2} device hours at this speed", seconds / 3600.0));
            }
            None => lines.push(
                "  time: say `--tokens-per-second N`; `temper check --deep` measures a step"
                    .to_owned(),
            ),
        }
        lines.join("\n")
    }
}

/// Operations for a token of training: 6 for each parameter that is multiplied with, and 12 for each
/// layer, position and channel of attention (Chowdhery et al. 2022, arXiv 2204.02311, appendix B), of
/// which a causal mask leaves half. Documents shorter than a row need less.
pub(crate) fn flops(config: &Config, sequence_length: usize) -> f64 {
    let embedding = config.vocab_size * config.hidden_size;
    // A tied embedding is multiplied with as the output matrix.
    let looked_up = if config.tie_word_embeddings { 0 } else { embedding };
    let multiplied = (config.n_parameters() - looked_up) as f64;
    let attended = (config.n_layers() * config.n_heads * config.head_dim * sequence_length) as f64;
    6.0 * multiplied + 6.0 * attended
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn operations_of_a_known_shape() {
        let text =
            std::fs::read_to_string(Path::new("../../checkpoints/nano/pretrained/config.json"));
        let config = Config::from_json(&text.unwrap(), Path::new("config.json")).unwrap();
        // 3,803,392 parameters with a tied embedding; 4 layers of 256 channels over 512 positions.
        assert_eq!(flops(&config, 512), 6.0 * 3_803_392.0 + 6.0 * (4.0 * 256.0 * 512.0));
    }
}
