//! Seams of a run: another mix from some step on.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use temper_recipe::{Budget, Recipe};

use crate::decisions::Decision;
use crate::error::Error;
use crate::run_dir::RunDir;

/// Somebody gave a run another mix.
///
/// From its step on this recipe stands in place of the one that the run was started with; accounts
/// restart there.
#[derive(Clone, Debug, PartialEq)]
pub struct Remix {
    /// Steps done when it was given.
    pub step: u64,
    /// The file it was read from, relative to the project where it lies in it.
    pub recipe_file: PathBuf,
    /// The recipe of the run with the new mix.
    pub recipe: Recipe,
    /// When the whole run is over.
    pub budget: Budget,
    /// Where the new mix starts in its sources: a cursor of the mix crate.
    pub start: Value,
}

/// The kind of [`Remix::decision`].
const REMIX: &str = "remix";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Values {
    recipe_file: PathBuf,
    /// As `recipe.resolved.toml` would say it: reading it back gives the same bits.
    recipe: String,
    budget: Budget,
    start: Value,
}

impl Remix {
    /// As it is recorded.
    pub fn decision(&self) -> Decision {
        let values = Values {
            recipe_file: self.recipe_file.clone(),
            recipe: self.recipe.to_toml(),
            budget: self.budget,
            start: self.start.clone(),
        };
        Decision {
            kind: REMIX.to_owned(),
            step: self.step,
            cites: Vec::new(),
            checkpoint: None,
            values: serde_json::to_value(values).expect("texts and numbers are valid JSON"),
        }
    }

    /// True for decisions that are remixes.
    pub fn is(decision: &Decision) -> bool {
        decision.kind == REMIX
    }

    /// What a decision says; `None` for other kinds. `path` is for the error.
    fn of(decision: &Decision, path: &Path) -> Result<Option<Self>, Error> {
        if !Self::is(decision) {
            return Ok(None);
        }
        let damaged = |reason: String| {
            let reason = format!("`{REMIX}` at step {}: {reason}", decision.step);
            Error::Malformed { path: path.to_owned(), reason }
        };
        let Values { recipe_file, recipe, budget, start } =
            serde_json::from_value(decision.values.clone())
                .map_err(|error| damaged(error.to_string()))?;
        let recipe = Recipe::from_resolved(&recipe).map_err(|error| damaged(error.to_string()))?;
        Ok(Some(Self { step: decision.step, recipe_file, recipe, budget, start }))
    }
}

impl RunDir {
    /// The run's remixes, in order.
    ///
    /// # Errors
    /// [`Error::Malformed`] for one that cannot be read.
    pub fn remixes(&self) -> Result<Vec<Remix>, Error> {
        let path = self.decisions_path();
        let decisions = self.decisions()?;
        let remixes = decisions.iter().map(|decision| Remix::of(decision, &path));
        remixes.filter_map(Result::transpose).collect()
    }
}

#[cfg(test)]
mod tests;
