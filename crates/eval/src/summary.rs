//! One score, task by task and by group and category.

use std::collections::BTreeSet;
use std::f64::consts::LN_2;

use serde::{Deserialize, Serialize};
use temper_recipe::{Group, TaskKind};

use crate::baselines::Baselines;
use crate::bootstrap::{Clusters, Term};
use crate::decimal::reported;
use crate::suite_score::{ItemScore, SuiteScore, TaskScore};

/// One task without its items.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskSummary {
    /// Its name.
    pub task: String,
    /// Who cares about it.
    pub group: Group,
    /// What is measured.
    pub kind: TaskKind,
    /// The category of its corpus.
    pub category: String,
    /// How many items.
    pub n_items: usize,
    /// How many clusters they lie in.
    pub n_clusters: usize,
    /// Items whose context was cut to fit a window.
    pub n_truncated: usize,
    /// Scored tokens.
    pub tokens: u64,
    /// Nats per token; in a choice task those of the right choices.
    pub loss: f64,
    /// `None` for choices.
    pub bits_per_byte: Option<f64>,
    /// `None` except for choices.
    pub accuracy: Option<f64>,
    /// Of the accuracy in a choice task and of the loss elsewhere, by cluster: items of one cluster
    /// are not independent. `None` with one cluster.
    pub standard_error: Option<f64>,
    /// What the accuracy has to be read beside; `None` except for choices, and for a period.
    pub baselines: Option<Baselines>,
}

/// Several tasks of one kind taken together; tokens, bytes and items weigh the same in all of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    /// Who cares about the tasks.
    pub group: Group,
    /// The category of their corpora; `None` for all categories of the group.
    pub category: Option<String>,
    /// What is measured.
    pub kind: TaskKind,
    /// How many tasks.
    pub n_tasks: usize,
    /// Items in them.
    pub n_items: usize,
    /// Scored tokens in them.
    pub tokens: u64,
    /// Nats per token.
    pub loss: f64,
    /// `None` for choices.
    pub bits_per_byte: Option<f64>,
    /// `None` except for choices.
    pub accuracy: Option<f64>,
}

/// Sums up each task, in the order of the suite.
pub fn task_summaries(score: &SuiteScore) -> Vec<TaskSummary> {
    score.tasks.iter().map(summarize_task).collect()
}

/// Sums up each period of the tasks that are split by time, as `task/period`.
pub fn period_summaries(score: &SuiteScore) -> Vec<TaskSummary> {
    let periods = score.tasks.iter().flat_map(TaskScore::by_period);
    periods.map(|task| summarize_task(&task)).collect()
}

fn summarize_task(task: &TaskScore) -> TaskSummary {
    let is_choice = task.kind == TaskKind::Choice;
    let term = |item: &ItemScore| match is_choice {
        true => Term { difference: f64::from(item.correct == Some(true)), weight: 1.0 },
        false => Term { difference: item.nats, weight: item.tokens as f64 },
    };
    let clusters = Clusters::new(task.items.iter().map(|item| (item.cluster.as_str(), term(item))));
    TaskSummary {
        task: task.id.clone(),
        group: task.group,
        kind: task.kind,
        category: task.category.clone(),
        n_items: task.items.len(),
        n_clusters: clusters.len(),
        n_truncated: task.n_truncated(),
        tokens: task.tokens(),
        loss: reported(task.loss()),
        bits_per_byte: task.bits_per_byte().map(reported),
        accuracy: task.accuracy().map(reported),
        standard_error: clusters.standard_error().map(reported),
        baselines: task.baselines,
    }
}

/// Sums a score up: for each group and kind first the whole, then each category; in the order in
/// which the suite has them.
pub fn summary(score: &SuiteScore) -> Vec<Summary> {
    let mut summaries: Vec<Summary> = Vec::new();
    for task in &score.tasks {
        let sort = (task.group, task.kind);
        if summaries.iter().any(|summary| (summary.group, summary.kind) == sort) {
            continue;
        }
        let of_kind: Vec<&TaskScore> =
            score.tasks.iter().filter(|other| (other.group, other.kind) == sort).collect();
        summaries.push(summarize(&of_kind, None));
        let mut categories = BTreeSet::new();
        for category in of_kind.iter().map(|task| &task.category) {
            if categories.insert(category) {
                let tasks: Vec<&TaskScore> =
                    of_kind.iter().copied().filter(|task| task.category == *category).collect();
                summaries.push(summarize(&tasks, Some(category.clone())));
            }
        }
    }
    summaries
}

/// `tasks` are of one group and kind, and not empty.
fn summarize(tasks: &[&TaskScore], category: Option<String>) -> Summary {
    let first = tasks[0];
    let items = || tasks.iter().flat_map(|task| &task.items);
    let nats: f64 = items().map(|item| item.nats).sum();
    let tokens = items().map(|item| item.tokens).sum();
    let bytes: u64 = items().map(|item| item.bytes).sum();
    let n_items = items().count();
    let n_correct = items().filter(|item| item.correct == Some(true)).count();
    let is_choice = first.kind == TaskKind::Choice;
    Summary {
        group: first.group,
        category,
        kind: first.kind,
        n_tasks: tasks.len(),
        n_items,
        tokens,
        loss: reported(nats / tokens as f64),
        bits_per_byte: (!is_choice).then(|| reported(nats / LN_2 / bytes as f64)),
        accuracy: is_choice.then(|| reported(n_correct as f64 / n_items as f64)),
    }
}

#[cfg(test)]
mod tests;
