//! What `run.json`, `plan.json` and `outcome.json` say.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use temper_recipe::{Digest, Recipe, Stage};

use crate::lineage::Lineage;
use crate::seen::SeenRecord;
use crate::source_data::SourceData;

/// How and on what a run was started. No environment variables, no clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunInfo {
    /// Of temper.
    pub version: String,
    /// The commit temper was built from, where known.
    pub commit: Option<String>,
    /// Cargo features temper was built with.
    pub features: Vec<String>,
    /// What decides the bits of the weights: backend, driver, model, instruction set.
    pub device_kind: String,
    /// The device's driver, where it has one.
    pub driver: Option<String>,
    /// Instruction sets of the CPU.
    pub cpu_flags: Vec<String>,
    /// Threads that computed.
    pub threads: usize,
    /// The command line.
    pub arguments: Vec<String>,
    /// The recipe file, relative to the project where it lies in it.
    pub recipe_file: PathBuf,
    /// `key=value` changes to it.
    pub overrides: Vec<String>,
    /// Where the weights came from.
    pub started_from: Lineage,
    /// What was changed about their vocabulary before step 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub growth: Option<Growth>,
}

/// New token ids that a run began with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Growth {
    /// Rows of the embedding as they were stored.
    pub from: usize,
    /// Rows of the embedding in training.
    pub to: usize,
    /// The tokens that the recipe or its chat template added to the tokenizer.
    pub added_tokens: Vec<String>,
    /// What the new rows of embedding and output matrix were set to.
    pub initialization: String,
}

/// `run.json`: written once, when the run is created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The run's name.
    pub name: String,
    /// What kind of training it is.
    pub stage: Stage,
    /// [`Recipe::digest`] of the resolved recipe.
    pub recipe: Digest,
    /// How and on what it was started.
    pub info: RunInfo,
}

impl Identity {
    pub(crate) fn new(recipe: &Recipe, info: &RunInfo) -> Self {
        Self {
            name: recipe.name.clone(),
            stage: recipe.stage,
            recipe: recipe.digest(),
            info: info.clone(),
        }
    }
}

/// `plan.json`: what the run is going to do, and on which bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanRecord {
    /// Optimizer steps.
    pub steps: u64,
    /// Tokens that carry loss.
    pub tokens: u64,
    /// Those of the mix itself, which a budget counts, where something is replayed beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_tokens: Option<u64>,
    /// Rows.
    pub rows: u64,
    /// The step from which the mix in force holds: 0, or that of the last remix.
    #[serde(default)]
    pub mix_from: u64,
    /// The digest of the tokenizer.
    pub tokenizer: Digest,
    /// One per source that the run ever drew from, in the order in which its mixes named them.
    pub sources: Vec<SourceData>,
}

/// How long a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    /// Optimizer steps.
    pub steps: u64,
    /// Tokens that carry loss.
    pub tokens: u64,
    /// Those of the mix itself, which a budget counts.
    pub own_tokens: u64,
    /// Rows.
    pub rows: u64,
    /// The step from which the mix in force holds.
    pub mix_from: u64,
}

impl PlanRecord {
    /// How long the run is going to be.
    pub fn totals(&self) -> Totals {
        let Self { steps, tokens, own_tokens, rows, mix_from, .. } = *self;
        Totals { steps, tokens, own_tokens: own_tokens.unwrap_or(tokens), rows, mix_from }
    }

    /// What differs in the data that both name, one phrase each: it must not change before a resume.
    pub fn changed_data(&self, other: &Self) -> Vec<String> {
        let mut changes = Vec::new();
        if self.tokenizer != other.tokenizer {
            changes.push(change("tokenizer", &self.tokenizer, &other.tokenizer));
        }
        for before in &self.sources {
            let source = &before.source;
            let now = other.sources.iter().find(|data| data.source == *source);
            let Some(now) = now else { continue };
            if before.manifest != now.manifest {
                changes.push(change(
                    &format!("manifest of `{source}`"),
                    &before.manifest,
                    &now.manifest,
                ));
            }
            if before.digest != now.digest {
                changes.push(change(&format!("shards of `{source}`"), &before.digest, &now.digest));
            }
            if before.seen != now.seen {
                let said = |seen: &Option<SeenRecord>| {
                    seen.map_or("none".to_owned(), |seen| {
                        format!("{} ({})", seen.documents, seen.digest.short())
                    })
                };
                let (found, started) = (said(&now.seen), said(&before.seen));
                changes.push(format!(
                    "documents of `{source}` left out as seen: found {found}, the run was started with {started}"
                ));
            }
        }
        changes
    }

    /// Names the sources of `before` as well: a run answers for all data it has ever drawn from.
    pub fn after(mut self, before: &Self) -> Self {
        let is_new = |data: &SourceData| before.sources.iter().all(|old| old.source != data.source);
        let new: Vec<SourceData> = self.sources.into_iter().filter(is_new).collect();
        self.sources = before.sources.iter().cloned().chain(new).collect();
        self
    }
}

fn change(subject: &str, before: &Digest, now: &Digest) -> String {
    format!("{subject}: found {}, the run was started with {}", now.short(), before.short())
}

/// `outcome.json`: how the run ended. A killed run has none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// How.
    pub end: End,
    /// Steps done.
    pub step: u64,
    /// One sentence for a person.
    pub reason: Option<String>,
    /// Figures of the last table, for `temper report`.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub summary: Value,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// The budget is used up.
    Finished,
    /// A gate stopped it.
    Stopped,
    /// A signal stopped it, after a checkpoint.
    Interrupted,
    /// An error ended it.
    Failed,
}

#[cfg(test)]
mod tests;
