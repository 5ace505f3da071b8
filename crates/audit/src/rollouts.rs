//! What a run with rewards learned: the completions of its first and of its last steps.

use std::collections::BTreeMap;

use serde::Serialize;
use temper_ledger::{RunDir, StepReport};

use crate::ends::by_source;
use crate::error::Error;

/// Completions at the beginning and at the end of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RolloutReport {
    /// One per source, in the order of their names.
    pub sources: Vec<SourceRollouts>,
}

/// The completions of one source.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SourceRollouts {
    /// The source, by name.
    pub source: String,
    /// In the first tenth of the run's steps.
    pub first: Completions,
    /// In the last tenth.
    pub last: Completions,
}

/// Means over some completions; each was sampled before it was learned from. Those that were thrown away count
/// as sampled, not as learned from.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Completions {
    /// How many.
    pub completions: u64,
    /// The reward.
    pub reward: f64,
    /// Its parts, by name, before their weights.
    pub parts: BTreeMap<String, f64>,
    /// Answers of an episode; `None` without an environment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turns: Option<f64>,
    /// Tokens.
    pub tokens: f64,
    /// The share that did not end by itself.
    pub truncated: f64,
    /// The share of groups whose completions were all equally good: nothing is learned from them.
    pub equal_groups: f64,
    /// Groups of other prompts that took the place of such, for each prompt of the plan.
    pub refills: f64,
    /// From the starting model, nats per token.
    pub divergence: f64,
    /// From the model that sampled, before the last update of a step, nats per token.
    pub drift: f64,
    /// The share of tokens whose ratio was clipped.
    pub clipped: f64,
    /// Mean of −log p of what was sampled, nats per token: the entropy, as far as samples tell.
    pub entropy: f64,
}

/// The completions that a run sampled; `None` where there were none.
///
/// # Errors
/// [`Error::Run`] when the path is no run or its ledger has a gap.
pub fn rollouts(run: &RunDir) -> Result<Option<RolloutReport>, Error> {
    let sources = by_source(
        run,
        add,
        |sums| sums.contains_key("completions"),
        |source, first, last| SourceRollouts { source, first: means(first), last: means(last) },
    )?;
    Ok((!sources.is_empty()).then_some(RolloutReport { sources }))
}

type Sums = BTreeMap<String, f64>;

fn add(sums: &mut BTreeMap<String, [Sums; 2]>, end: usize, report: &StepReport) {
    for measure in &report.measures {
        let of_source = &mut sums.entry(measure.source.clone()).or_default()[end];
        *of_source.entry(measure.name.clone()).or_default() += measure.value;
    }
}

fn means(sums: &Sums) -> Completions {
    let sum = |name: &str| sums.get(name).copied().unwrap_or(0.0);
    let mean = |name: &str, over: &str| if sum(over) > 0.0 { sum(name) / sum(over) } else { 0.0 };
    let parts = sums.keys().filter_map(|name| {
        let part = name.strip_prefix("reward_")?;
        Some((part.to_owned(), mean(name, "completions")))
    });
    Completions {
        completions: sum("completions") as u64,
        reward: mean("reward", "completions"),
        parts: parts.collect(),
        turns: sums.contains_key("turns").then(|| mean("turns", "completions")),
        tokens: mean("tokens", "completions"),
        truncated: mean("truncated", "completions"),
        equal_groups: mean("equal_groups", "groups"),
        refills: sum("refills") / (sum("groups") - sum("refills")).max(1.0),
        divergence: mean("divergence", "learned_tokens"),
        drift: mean("drift", "learned_tokens"),
        clipped: mean("clipped_tokens", "learned_tokens"),
        entropy: mean("surprise", "learned_tokens"),
    }
}
