//! What a recipe trains of a model, and what that costs beside weights, gradients and moments.

use std::path::PathBuf;

use anyhow::Result;
use serde::Serialize;
use temper_model::Config;
use temper_recipe::{OptimizerState, Project, Recipe, StoredDtype};
use temper_train::FisherRecord;

use crate::model::Model;
use crate::print::thousands;

/// How many parameters move, of how many; with `[lora]` those of the factors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct TrainedParameters {
    trained: usize,
    of: usize,
    /// What is trained are factors, which are no part of the model's own parameters.
    factors: bool,
}

impl TrainedParameters {
    /// # Errors
    /// Patterns of frozen tensors or targets of factors that do not fit the model.
    pub(crate) fn of(recipe: &Recipe, config: &Config) -> Result<Self> {
        let trained = temper_train::trained_values(recipe, config)?;
        Ok(Self { trained, of: config.n_parameters(), factors: recipe.lora.is_some() })
    }

    /// For a person.
    pub(crate) fn text(self) -> String {
        let (trained, of) = (thousands(self.trained as u64), thousands(self.of as u64));
        match self.factors {
            true => format!("{trained} parameters of factors are trained beside {of} of the model"),
            false if self.trained == self.of => format!("all {of} parameters are trained"),
            false => format!("{trained} of {of} parameters are trained"),
        }
    }

    /// Bytes on the training device that weights, gradients and moments of all parameters do not cover: averages,
    /// starting weights, Fisher information; less the moments of what is frozen.
    pub(crate) fn device_bytes(self, recipe: &Recipe) -> i64 {
        let (trained, all) = (self.trained as i64, self.of as i64);
        let frozen = if self.factors { 0 } else { all - trained };
        let averages = if recipe.ema.is_some() { trained } else { 0 };
        let anchor = recipe.anchor.as_ref();
        let start = if anchor.is_some_and(|anchor| anchor.l2 + anchor.ewc > 0.0) { all } else { 0 };
        let is_asked = anchor.is_some_and(|anchor| anchor.kl > 0.0)
            || recipe.rl.as_ref().is_some_and(|rl| rl.kl > 0.0);
        let starting = if is_asked { all } else { 0 };
        let fisher = if anchor.is_some_and(|anchor| anchor.ewc > 0.0) { all } else { 0 };
        4 * (averages + start + starting + fisher - 2 * frozen)
    }

    /// Bytes of a checkpoint's tensors: weights, two moments, the exact weights beside bf16 ones, and the same
    /// of averages.
    pub(crate) fn checkpoint_bytes(self, recipe: &Recipe) -> u64 {
        let (moving, all) = match self.factors {
            // Factors are small beside the model they are merged into; its moments stand for them.
            true => (self.of as u64, self.of as u64),
            false => (self.trained as u64, self.of as u64),
        };
        let (stored, exact) = match recipe.checkpoint.dtype {
            StoredDtype::F32 => (4 * all, [0, 0]),
            StoredDtype::Bf16 => (2 * all, [4 * all, 4 * moving]),
        };
        let averages = if recipe.ema.is_some() { stored + exact[1] } else { 0 };
        stored + exact[0] + 8 * moving + averages
    }
}

/// Said where the start has moments that fit, and the recipe does not say whether they are kept: nothing is left
/// behind without a word.
pub(crate) fn moments_left(
    recipe: &Recipe,
    says_state: bool,
    model: &Model,
) -> Option<&'static str> {
    let begins_anew = recipe.optimizer.state == OptimizerState::Reset;
    let has_moments = || {
        model.growth.is_none()
            && temper_train::has_moments_for(&model.folder, recipe, &model.config)
    };
    (!says_state && begins_anew && has_moments()).then_some(
        "the optimizer begins anew: the start has its state, `optimizer.state = \"keep\"` would go on with it",
    )
}

/// Where the Fisher information lies that the recipe names.
pub(crate) fn fisher_file(project: &Project, recipe: &Recipe) -> Option<PathBuf> {
    let named = recipe.anchor.as_ref()?.fisher.as_ref()?;
    Some(project.root.join(&named.path))
}

/// What that was measured on.
///
/// # Errors
/// A file that is no Fisher information of a model of this shape.
pub(crate) fn fisher(
    project: &Project,
    recipe: &Recipe,
    config: &Config,
) -> Result<Option<FisherRecord>> {
    let file = fisher_file(project, recipe);
    Ok(file.map(|file| FisherRecord::of_file(&file, config)).transpose()?)
}

/// What is kept beside the weights, and what they are held to, for a person. `fisher` is what the Fisher information
/// that the recipe names was measured on.
pub(crate) fn lines(recipe: &Recipe, fisher: Option<&FisherRecord>) -> Vec<String> {
    let mut lines = Vec::new();
    lines.extend(recipe.ema.map(|ema| {
        format!("  averages are kept, decay {}; each checkpoint has them in `ema/`", ema.decay)
    }));
    if let Some(anchor) = &recipe.anchor {
        if anchor.l2 > 0.0 {
            lines.push(format!("  held to the starting weights, l2 {}", anchor.l2));
        }
        let quoted = |sources: &[String]| {
            let sources = sources.iter().map(|source| format!("`{source}`"));
            sources.collect::<Vec<_>>().join(", ")
        };
        let sources = quoted(&anchor.sources);
        if anchor.ewc > 0.0 {
            let rows = thousands(fisher.map_or(anchor.fisher_rows as u64, |fisher| fisher.rows));
            let (of, from) = match (fisher, &anchor.fisher) {
                (Some(fisher), Some(named)) => {
                    (quoted(&fisher.sources), format!(", read from `{}`,", named.path))
                }
                (None, _) | (_, None) => (sources.clone(), String::new()),
            };
            lines.push(format!(
                "  held to the starting weights as the Fisher information of {rows} rows of {of}{from} says, ewc {}",
                anchor.ewc
            ));
        }
        if anchor.kl > 0.0 {
            lines.push(format!(
                "  held to what the starting model says of {sources}, kl {}",
                anchor.kl
            ));
        }
    }
    lines
}
