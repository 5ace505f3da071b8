//! What changed between two scores of one suite.

use serde::{Deserialize, Serialize};
use temper_recipe::{Digest, Group, TaskKind};

use crate::bootstrap::{Clusters, Interval, Term};
use crate::decimal::reported;
use crate::error::Error;
use crate::suite_score::{ItemScore, SuiteScore, TaskScore};

/// Resamples of an interval, at least.
const N_RESAMPLES: u32 = 2_000;
/// Looks that [`N_RESAMPLES`] give a tail of ten resamples; more looks draw more.
const LOOKS_PER_RESAMPLING: u32 = 10;
/// Below this number of clusters an interval is too short (Cameron, Gelbach and Miller 2008).
pub const FEW_CLUSTERS: usize = 5;
/// What a 95 % interval leaves outside either end.
const REPORT_TAIL: f64 = 0.025;
/// What all looks at a gate together leave outside one end.
const GATE_TAIL: f64 = 0.05;
/// Items named in a refusal.
const MAX_NAMED: usize = 3;

/// What changed between two scores of one suite, task by task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForgettingReport {
    /// Digest of the weights before.
    pub before: Digest,
    /// Digest of the weights after.
    pub after: Digest,
    /// Digest of the suite.
    pub suite: Digest,
    /// How many looks at the gate `harm_interval` is corrected for.
    pub looks: u32,
    /// Resamples behind each interval.
    pub resamples: u32,
    /// In the order of the suite.
    pub tasks: Vec<TaskForgetting>,
    /// Of the tasks that are split by time each period, as `task/period`. No gate looks at them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub periods: Vec<TaskForgetting>,
}

/// What a task is compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// Nats per token.
    Loss,
    /// The share of items answered right.
    Accuracy,
}

/// What changed in one task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskForgetting {
    /// Its name.
    pub task: String,
    /// Who cares about it.
    pub group: Group,
    /// What is measured.
    pub kind: TaskKind,
    /// The category of its corpus.
    pub category: String,
    /// The unit of what follows: accuracy in choice tasks, loss elsewhere.
    pub metric: Metric,
    /// The first score.
    pub before: f64,
    /// The second score.
    pub after: f64,
    /// After minus before, paired per item.
    pub delta: f64,
    /// Of `delta`, at 95 %; `None` with one cluster.
    pub interval: Option<Interval>,
    /// `delta` turned so that more is worse.
    pub harm: f64,
    /// Of `harm`, for the gate: either end is one-sided at 95 %, over all looks (Bonferroni).
    pub harm_interval: Option<Interval>,
    /// Share of items that became worse: from right to wrong, or with a higher loss.
    pub share_worse: f64,
    /// Share of items that became better: from wrong to right, or with a lower loss.
    pub share_better: f64,
    /// How many items were compared.
    pub n_items: usize,
    /// How many clusters were resampled.
    pub n_clusters: usize,
    /// Below five clusters: the intervals are then too short, and better not relied on.
    pub few_clusters: bool,
}

/// Compares two scores of the same items.
///
/// `looks` is how many times a run looks at its gate in all, 1 for a single comparison. Looking
/// often would make a breach by chance more likely, so each look gets its share of the 5 %. At
/// least 2,000 resamples are drawn, more for more than 10 looks, so that a tail has ten of them.
///
/// # Errors
/// [`Error::NotComparable`] naming every difference in suite, tokenizer, window or items;
/// [`Error::NoLooks`]; and as [`SuiteScore::check`].
pub fn forgetting(
    before: &SuiteScore,
    after: &SuiteScore,
    seed: u64,
    looks: u32,
) -> Result<ForgettingReport, Error> {
    if looks == 0 {
        return Err(Error::NoLooks);
    }
    before.check()?;
    after.check()?;
    let differences = differences(before, after);
    if !differences.is_empty() {
        return Err(Error::NotComparable { differences });
    }
    let resamples = N_RESAMPLES.saturating_mul(looks.div_ceil(LOOKS_PER_RESAMPLING));
    let compared =
        |before: &TaskScore, after: &TaskScore| compare(before, after, seed, looks, resamples);
    let tasks = before.tasks.iter().zip(&after.tasks);
    let periods = tasks
        .clone()
        .flat_map(|(before, after)| before.by_period().into_iter().zip(after.by_period()));
    Ok(ForgettingReport {
        before: before.provenance.weights,
        after: after.provenance.weights,
        suite: before.provenance.suite,
        looks,
        resamples,
        tasks: tasks.map(|(before, after)| compared(before, after)).collect(),
        periods: periods.map(|(before, after)| compared(&before, &after)).collect(),
    })
}

fn compare(
    before: &TaskScore,
    after: &TaskScore,
    seed: u64,
    looks: u32,
    resamples: u32,
) -> TaskForgetting {
    let pairs = || before.items.iter().zip(&after.items);
    let metric = if before.kind == TaskKind::Choice { Metric::Accuracy } else { Metric::Loss };
    let clusters = Clusters::new(
        pairs().map(|(before, after)| (before.cluster.as_str(), term(metric, before, after))),
    );
    let drawn = clusters.resample(resamples, seed, &before.id);
    let delta = reported(clusters.ratio());
    let gate_interval = drawn.as_ref().map(|drawn| drawn.interval(GATE_TAIL / f64::from(looks)));
    let (harm, harm_interval) = match metric {
        Metric::Loss => (delta, gate_interval),
        Metric::Accuracy => (0.0 - delta, gate_interval.map(Interval::negated)),
    };
    let n_items = before.items.len();
    let share = |n: usize| reported(n as f64 / n_items as f64);
    TaskForgetting {
        task: before.id.clone(),
        group: before.group,
        kind: before.kind,
        category: before.category.clone(),
        metric,
        before: value(metric, before),
        after: value(metric, after),
        delta,
        interval: drawn.map(|drawn| drawn.interval(REPORT_TAIL)),
        harm,
        harm_interval,
        share_worse: share(
            pairs().filter(|(before, after)| is_worse(metric, before, after)).count(),
        ),
        share_better: share(
            pairs().filter(|(before, after)| is_worse(metric, after, before)).count(),
        ),
        n_items,
        n_clusters: clusters.len(),
        few_clusters: clusters.len() < FEW_CLUSTERS,
    }
}

fn value(metric: Metric, task: &TaskScore) -> f64 {
    reported(match metric {
        Metric::Loss => task.loss(),
        Metric::Accuracy => task.accuracy().expect("choice tasks have an accuracy"),
    })
}

fn term(metric: Metric, before: &ItemScore, after: &ItemScore) -> Term {
    match metric {
        Metric::Loss => Term { difference: after.nats - before.nats, weight: before.tokens as f64 },
        Metric::Accuracy => Term { difference: points(after) - points(before), weight: 1.0 },
    }
}

fn points(item: &ItemScore) -> f64 {
    if item.correct == Some(true) { 1.0 } else { 0.0 }
}

fn is_worse(metric: Metric, before: &ItemScore, after: &ItemScore) -> bool {
    match metric {
        Metric::Loss => after.nats > before.nats,
        Metric::Accuracy => points(after) < points(before),
    }
}

/// Everything that makes a pairing of items meaningless, one phrase each.
fn differences(before: &SuiteScore, after: &SuiteScore) -> Vec<String> {
    let (a, b) = (&before.provenance, &after.provenance);
    let mut found = Vec::new();
    let mut digests = |name: &str, a: Digest, b: Digest| {
        if a != b {
            found.push(format!("{name}: {}… before, {}… after", a.short(), b.short()));
        }
    };
    digests("suite", a.suite, b.suite);
    digests("tokenizer", a.tokenizer, b.tokenizer);
    digests("items", a.items, b.items);
    let (length, other) = (a.options.sequence_length, b.options.sequence_length);
    if length != other {
        found.push(format!("sequence length: {length} before, {other} after"));
    }
    let names =
        |score: &SuiteScore| score.tasks.iter().map(|task| task.id.clone()).collect::<Vec<_>>();
    if names(before) != names(after) {
        found.push(format!(
            "tasks: {} before, {} after",
            listed(&names(before)),
            listed(&names(after))
        ));
        return found;
    }
    for (before, after) in before.tasks.iter().zip(&after.tasks) {
        item_differences(before, after, &mut found);
    }
    found
}

fn item_differences(before: &TaskScore, after: &TaskScore, found: &mut Vec<String>) {
    let kind = |task: &TaskScore| (task.group, task.kind, task.category.clone());
    if kind(before) != kind(after) {
        found.push(format!(
            "task `{}`: {:?} before, {:?} after",
            before.id,
            kind(before),
            kind(after)
        ));
    }
    let (n, other) = (before.items.len(), after.items.len());
    if n != other {
        found.push(format!("task `{}`: {n} items before, {other} after", before.id));
        return;
    }
    let key = |item: &ItemScore| {
        let names = (item.id.clone(), item.cluster.clone(), item.period.clone());
        (names, item.tokens, item.bytes, item.dropped)
    };
    let differing: Vec<String> = before
        .items
        .iter()
        .zip(&after.items)
        .filter(|(before, after)| key(before) != key(after))
        .map(|(before, _)| before.id.clone())
        .collect();
    if !differing.is_empty() {
        let n_differing = differing.len();
        let named = listed(&differing[..n_differing.min(MAX_NAMED)]);
        let more = if n_differing > MAX_NAMED { ", …" } else { "" };
        found.push(format!(
            "task `{}`: {n_differing} of {n} items differ in name, cluster, period or length: {named}{more}",
            before.id
        ));
    }
}

fn listed(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
