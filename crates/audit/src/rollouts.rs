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
    /// From the starting model, nats per token that was learned from; `None` where it was not measured, as with
    /// `rl.kl = 0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub divergence: Option<f64>,
    /// From the model that sampled, before the last update of a step, nats per token that was learned from; `None`
    /// where there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drift: Option<f64>,
    /// The share of tokens that were learned from whose ratio was clipped; `None` where there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clipped: Option<f64>,
    /// Mean of −log p over all that was sampled, nats per token: the entropy, as far as samples tell; `None` where
    /// it was not measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entropy: Option<f64>,
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
    let measured = |name: &str, over: &str| {
        let sum_of = *sums.get(name)?;
        (sum(over) > 0.0).then(|| sum_of / sum(over))
    };
    let mean = |name: &str, over: &str| measured(name, over).unwrap_or(0.0);
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
        divergence: measured("divergence", "learned_tokens"),
        drift: measured("drift", "learned_tokens"),
        clipped: measured("clipped_tokens", "learned_tokens"),
        entropy: measured("entropy", "tokens"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_measured_has_no_mean() {
        let sums = |sums: &[(&str, f64)]| -> Sums {
            sums.iter().map(|(name, sum)| ((*name).to_owned(), *sum)).collect()
        };
        let sampled =
            [("completions", 4.0), ("groups", 2.0), ("equal_groups", 2.0), ("tokens", 8.0)];
        let of = |rest: &[(&str, f64)]| means(&sums(&[&sampled, rest].concat()));

        let learned = of(&[
            ("learned_tokens", 4.0),
            ("divergence", 1.0),
            ("drift", 2.0),
            ("clipped_tokens", 1.0),
            ("entropy", 6.0),
        ]);
        assert_eq!(
            (learned.divergence, learned.drift, learned.clipped, learned.entropy),
            (Some(0.25), Some(0.5), Some(0.25), Some(0.75))
        );
        // No reference, and nothing that was learned from.
        let unlearned = of(&[
            ("learned_tokens", 0.0),
            ("drift", 0.0),
            ("clipped_tokens", 0.0),
            ("entropy", 6.0),
        ]);
        assert_eq!(
            (unlearned.divergence, unlearned.drift, unlearned.clipped, unlearned.entropy),
            (None, None, None, Some(0.75))
        );
        assert_eq!((unlearned.equal_groups, unlearned.tokens), (1.0, 2.0));
        let shown = serde_json::to_value(unlearned).unwrap();
        assert!(shown.get("divergence").is_none() && shown["entropy"] == 0.75, "{shown}");
    }
}
