//! What is scored: items of token ids, in tasks.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use temper_recipe::{Digest, Group, Hasher, TaskKind};

use crate::error::{Error, ItemProblem};

/// One item of a task, as token ids.
///
/// The caller inserts BOS and EOS as the recipe's policy says. The first id of a sequence has no
/// predecessor and is never a target; so that the first token of a continuation is one, a context
/// holds at least one id: `[bos]` where its text is empty.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Item {
    /// A whole document; all ids but the first are scored.
    Loss {
        /// Unique in the task.
        id: String,
        /// What resampling keeps together.
        cluster: String,
        /// At least two.
        ids: Vec<u32>,
        /// Length of the text in UTF-8.
        bytes: usize,
    },
    /// An answer after a context; the answer is scored.
    AnswerLoss {
        /// Unique in the task.
        id: String,
        /// What resampling keeps together.
        cluster: String,
        /// At least one id.
        context: Vec<u32>,
        /// At least one id.
        answer: Vec<u32>,
        /// Length of the answer in UTF-8.
        bytes: usize,
    },
    /// A context and continuations to choose from; each continuation is scored.
    Choice {
        /// Unique in the task.
        id: String,
        /// What resampling keeps together.
        cluster: String,
        /// At least one id.
        context: Vec<u32>,
        /// At least two, none of them empty.
        choices: Vec<Vec<u32>>,
        /// Index of the right choice.
        gold: usize,
        /// A number that should not decide the answer, such as the prompt's length.
        confounder: Option<f64>,
    },
}

/// A task with its items.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadedTask {
    /// Unique in the suite.
    pub id: String,
    /// Who cares about it.
    pub group: Group,
    /// What is measured; all items are of this kind.
    pub kind: TaskKind,
    /// The category of its corpus.
    pub category: String,
    /// Of choices, the likeliest by its mean per token is taken, not by its sum.
    pub per_token: bool,
    /// The period of each item, by its name; none where the task is not split by time.
    pub periods: BTreeMap<String, String>,
    /// In the order of the corpus.
    pub items: Vec<Item>,
}

/// The digest of everything that is scored: names, kinds, clusters, ids, right answers. Periods change no score.
pub fn tasks_digest(tasks: &[LoadedTask]) -> Digest {
    let mut hasher = Hasher::new();
    let mut add = |json: serde_json::Result<Vec<u8>>| {
        // JSON has no bare line feed, so that the boundaries are part of what is digested.
        hasher.update(&json.expect("plain data serializes"));
        hasher.update(b"\n");
    };
    for task in tasks {
        add(serde_json::to_vec(&(
            &task.id,
            task.group,
            task.kind,
            &task.category,
            task.items.len(),
        )));
        if task.per_token {
            add(serde_json::to_vec("per_token"));
        }
        task.items.iter().for_each(|item| add(serde_json::to_vec(item)));
    }
    hasher.finish()
}

/// Ids of which the ones behind `context` are scored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sequence<'a> {
    pub(crate) context: &'a [u32],
    pub(crate) scored: &'a [u32],
}

impl Sequence<'_> {
    /// Position p has id p as input and id p + 1 as target.
    pub(crate) fn n_positions(&self) -> usize {
        self.context.len() + self.scored.len() - 1
    }

    pub(crate) fn id(&self, index: usize) -> u32 {
        let n_context = self.context.len();
        if index < n_context { self.context[index] } else { self.scored[index - n_context] }
    }

    pub(crate) fn is_scored(&self, position: usize) -> bool {
        position + 1 >= self.context.len()
    }
}

impl Item {
    /// Unique in the task.
    pub fn id(&self) -> &str {
        match self {
            Self::Loss { id, .. } | Self::AnswerLoss { id, .. } | Self::Choice { id, .. } => id,
        }
    }

    /// What resampling keeps together.
    pub fn cluster(&self) -> &str {
        match self {
            Self::Loss { cluster, .. }
            | Self::AnswerLoss { cluster, .. }
            | Self::Choice { cluster, .. } => cluster,
        }
    }

    /// The kind of task that it belongs to.
    pub fn kind(&self) -> TaskKind {
        match self {
            Self::Loss { .. } => TaskKind::Loss,
            Self::AnswerLoss { .. } => TaskKind::AnswerLoss,
            Self::Choice { .. } => TaskKind::Choice,
        }
    }

    /// One for each continuation; a document is a continuation of its first id.
    pub(crate) fn sequences(&self) -> Vec<Sequence<'_>> {
        match self {
            Self::Loss { ids, .. } => {
                let (context, scored) = ids.split_at(1);
                vec![Sequence { context, scored }]
            }
            Self::AnswerLoss { context, answer, .. } => vec![Sequence { context, scored: answer }],
            Self::Choice { context, choices, .. } => {
                choices.iter().map(|choice| Sequence { context, scored: choice }).collect()
            }
        }
    }

    fn check(&self, task: &LoadedTask, vocab_size: usize) -> Result<(), ItemProblem> {
        if self.kind() != task.kind {
            return Err(ItemProblem::Kind {
                found: kind_name(self.kind()),
                expected: kind_name(task.kind),
            });
        }
        match self {
            Self::Loss { ids, .. } if ids.len() < 2 => {
                return Err(ItemProblem::NothingToPredict { n_ids: ids.len() });
            }
            Self::Loss { bytes: 0, .. } | Self::AnswerLoss { bytes: 0, .. } => {
                return Err(ItemProblem::NoBytes);
            }
            Self::Loss { .. } | Self::AnswerLoss { .. } => {}
            Self::Choice { choices, gold, confounder, .. } => {
                let n_choices = choices.len();
                if n_choices < 2 {
                    return Err(ItemProblem::TooFewChoices { found: n_choices });
                }
                if *gold >= n_choices {
                    return Err(ItemProblem::Gold { gold: *gold, n_choices });
                }
                // The first item decides whether the task has a confounder.
                if confounder.is_some() != task.items.first().is_some_and(Self::has_confounder) {
                    let found = if confounder.is_some() { "there" } else { "missing" };
                    return Err(ItemProblem::Confounder { found: found.to_owned() });
                }
                if let Some(value) = confounder.filter(|value| !value.is_finite()) {
                    return Err(ItemProblem::Confounder { found: value.to_string() });
                }
            }
        }
        for (number, sequence) in self.sequences().into_iter().enumerate() {
            if sequence.context.is_empty() {
                return Err(ItemProblem::EmptyContext);
            }
            if sequence.scored.is_empty() {
                return Err(ItemProblem::EmptyContinuation { number });
            }
            let mut ids = sequence.context.iter().chain(sequence.scored);
            if let Some(&id) = ids.find(|id| **id as usize >= vocab_size) {
                return Err(ItemProblem::TokenId { id, vocab_size });
            }
        }
        Ok(())
    }

    fn has_confounder(&self) -> bool {
        matches!(self, Self::Choice { confounder: Some(_), .. })
    }
}

impl LoadedTask {
    /// Checks what the layout and the statistics rely on.
    pub(crate) fn check(&self, vocab_size: usize) -> Result<(), Error> {
        if self.items.is_empty() {
            return Err(Error::EmptyTask { task: self.id.clone() });
        }
        let mut names = BTreeSet::new();
        for item in &self.items {
            let repeated =
                if names.insert(item.id()) { Ok(()) } else { Err(ItemProblem::RepeatedId) };
            repeated
                .and_then(|()| item.check(self, vocab_size))
                .map_err(|problem| self.refusal(item, problem))?;
        }
        Ok(())
    }

    pub(crate) fn refusal(&self, item: &Item, problem: ItemProblem) -> Error {
        Error::Item { task: self.id.clone(), item: item.id().to_owned(), problem }
    }
}

fn kind_name(kind: TaskKind) -> &'static str {
    match kind {
        TaskKind::Loss => "loss",
        TaskKind::AnswerLoss => "answer-loss",
        TaskKind::Choice => "choice",
    }
}

#[cfg(test)]
mod tests;
