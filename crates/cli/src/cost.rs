//! What a run costs: disk, memory, arithmetic, time.

use std::time::Duration;

use anyhow::Result;
use serde::Serialize;
use temper_ledger::Totals;
use temper_mix::{Forecast, Plan, SourceForecast};
use temper_model::Config;
use temper_recipe::{Recipe, Stage};

use crate::disk::{checkpoint_bytes, disk_bytes, kept_checkpoints};
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
    disk_bytes: u64,
    /// How many parameters move, of how many.
    parameters: TrainedParameters,
    /// How a step goes through the device, and what memory it takes there.
    passes: Passes,
    /// Floating-point operations of all forward and backward passes; in RL of completions as long as they may be.
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
        (totals, plan, forecast): (Totals, &Plan, &Forecast),
        tokens_per_second: Option<f64>,
        devices: &str,
    ) -> Result<Self> {
        let parameters = TrainedParameters::of(recipe, &model.config)?;
        Ok(Self {
            checkpoints_written: totals.steps.div_ceil(recipe.checkpoint.every),
            checkpoints_kept: kept_checkpoints(recipe, totals),
            checkpoint_bytes: checkpoint_bytes(recipe, model, parameters),
            disk_bytes: disk_bytes(recipe, model, totals, parameters),
            parameters,
            passes: Passes::of(recipe, &model.config, devices)?,
            flops: flops_of_run(recipe, &model.config, plan, forecast),
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
            format!("  about {:.2e} floating-point operations", self.flops),
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

/// Operations of a run, position by position.
fn flops_of_run(recipe: &Recipe, config: &Config, plan: &Plan, forecast: &Forecast) -> f64 {
    let n_own = plan.own_sources().len();
    let of_source = |(at, source): (usize, &SourceForecast)| {
        let replay = recipe.replay.as_ref().filter(|_| at >= n_own);
        let length =
            replay.map_or(recipe.training.sequence_length, |replay| replay.sequence_length);
        let n_rows = source.rows as f64;
        let positions = match &recipe.rl {
            // A row has room for its prompt and the longest completion.
            Some(rl) if replay.is_none() => n_rows * (rl.group_size * length) as f64,
            Some(_) | None => {
                let all = plan.packing(at);
                n_rows * all.positions as f64 / all.rows.max(1) as f64
            }
        };
        positions * passes(recipe, replay.is_none(), &source.name) * flops(config, length)
    };
    forecast.sources.iter().enumerate().map(of_source).sum()
}

/// How often a row of a source of the stage's `own` mix, or of what is replayed, is trained on. What is sampled, and
/// what the starting model or the model before an update is asked, is a forward pass alone, a third.
fn passes(recipe: &Recipe, own: bool, source: &str) -> f64 {
    let updates = recipe.rl.as_ref().map_or(1, |rl| rl.updates_per_rollout);
    let anchor = recipe.anchor.as_ref().filter(|anchor| anchor.kl > 0.0);
    let is_held = anchor.is_some_and(|anchor| anchor.sources.iter().any(|held| held == source));
    let mut forward = if is_held { updates } else { 0 };
    forward += match &recipe.rl {
        Some(rl) if own => 1 + u32::from(rl.kl > 0.0) + u32::from(rl.updates_per_rollout > 1),
        None if own && recipe.stage == Stage::Dpo => 1,
        Some(_) | None => 0,
    };
    f64::from(updates) + f64::from(forward) / 3.0
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

    #[test]
    fn what_is_asked_is_a_third_of_what_is_learned() {
        let of = |recipe: &str, stage| {
            let path = Path::new("../../recipes/nano").join(recipe);
            let chain = temper_recipe::load_chain(&path, &[]).unwrap();
            let mut recipes = chain.into_iter().map(|loaded| loaded.recipe);
            recipes.find(|recipe| recipe.stage == stage).unwrap()
        };
        let check = |recipe: &Recipe, own: f64, replayed: f64| {
            assert!((passes(recipe, true, "prose") - own).abs() < 1e-12, "{recipe:?}");
            assert!((passes(recipe, false, "prose") - replayed).abs() < 1e-12, "{recipe:?}");
        };
        check(&of("chain.toml", Stage::MidTrain), 1.0, 1.0);
        check(&of("preferences.toml", Stage::Dpo), 4.0 / 3.0, 1.0);
        let mut rewarded = of("chain.toml", Stage::Rl);
        check(&rewarded, 4.0 / 3.0, 1.0);
        let rl = rewarded.rl.as_mut().unwrap();
        (rl.kl, rl.updates_per_rollout) = (0.1, 3);
        check(&rewarded, 4.0, 3.0);
    }
}
