//! One score, by group and category.

use std::collections::BTreeSet;
use std::f64::consts::LN_2;

use serde::{Deserialize, Serialize};
use temper_recipe::{Group, TaskKind};

use crate::decimal::reported;
use crate::suite_score::{SuiteScore, TaskScore};

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
