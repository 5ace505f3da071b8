//! The score of one checkpoint on one suite, and how it is stored.

use std::collections::BTreeSet;
use std::f64::consts::LN_2;

use serde::{Deserialize, Serialize};
use temper_recipe::{Digest, Group, TaskKind};

use crate::baselines::Baselines;
use crate::decimal::finite;
use crate::error::Error;

/// How items are laid out and batched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScoreOptions {
    /// Positions in a window; changes what a long document scores.
    pub sequence_length: usize,
    /// Rows that are computed at a time; changes rounding, memory and speed only.
    pub batch_rows: usize,
}

/// Everything that a score depends on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// Of the model: [`temper_model::weights_digest`].
    pub weights: Digest,
    /// Of the suite and its manifests.
    pub suite: Digest,
    /// Of the tokenizer.
    pub tokenizer: Digest,
    /// Of the tokenized items: [`crate::tasks_digest`].
    pub items: Digest,
    /// The device kind; another one rounds differently.
    pub device: String,
    /// Window and batch.
    pub options: ScoreOptions,
}

/// The score of one checkpoint on one suite. It holds names and numbers, no text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SuiteScore {
    /// What was scored with what.
    pub provenance: Provenance,
    /// In the order of the suite.
    pub tasks: Vec<TaskScore>,
}

/// The score of one task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskScore {
    /// Its name.
    pub id: String,
    /// Who cares about it.
    pub group: Group,
    /// What is measured.
    pub kind: TaskKind,
    /// The category of its corpus.
    pub category: String,
    /// In the order of the corpus.
    pub items: Vec<ItemScore>,
    /// What a choice task gives away without a model; only there.
    pub baselines: Option<Baselines>,
}

/// The score of one item.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItemScore {
    /// Its name.
    pub id: String,
    /// What resampling keeps together.
    pub cluster: String,
    /// Minus the log-likelihood of the document, the answer or the right choice, to 10⁻⁶ nats.
    #[serde(serialize_with = "finite")]
    pub nats: f64,
    /// Scored tokens in it.
    pub tokens: u64,
    /// Scored bytes of UTF-8; 0 in a choice task.
    pub bytes: u64,
    /// In a choice task: whether the right choice is likelier than every other.
    pub correct: Option<bool>,
    /// Context tokens cut off on the left because the item did not fit a window.
    pub dropped: u64,
    /// When it is from, where the task is split by time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<String>,
}

impl TaskScore {
    /// Nats per token, tokens weighing the same; in a choice task that of the right choices.
    pub fn loss(&self) -> f64 {
        ratio(self.nats(), self.tokens())
    }

    /// Bits per byte of UTF-8: comparable between tokenizers. `None` in a choice task.
    pub fn bits_per_byte(&self) -> Option<f64> {
        let bytes: u64 = self.items.iter().map(|item| item.bytes).sum();
        (self.kind != TaskKind::Choice).then(|| ratio(self.nats() / LN_2, bytes))
    }

    /// The share of items answered right, 0 to 1; `None` outside choice tasks.
    pub fn accuracy(&self) -> Option<f64> {
        let n_correct = self.items.iter().filter(|item| item.correct == Some(true)).count();
        (self.kind == TaskKind::Choice).then(|| ratio(n_correct as f64, self.items.len() as u64))
    }

    /// Items whose context was cut.
    pub fn n_truncated(&self) -> usize {
        self.items.iter().filter(|item| item.dropped > 0).count()
    }

    /// How many clusters the items lie in.
    pub fn n_clusters(&self) -> usize {
        self.items.iter().map(|item| &item.cluster).collect::<BTreeSet<_>>().len()
    }

    /// The score of the items of each period, in the order of periods, as that of the task `task/period`. What a
    /// choice task gives away is said of the whole alone.
    pub(crate) fn by_period(&self) -> Vec<Self> {
        let periods = self.items.iter().filter_map(|item| item.period.as_ref());
        let of_period = |period: &String| {
            let items = self.items.iter().filter(|item| item.period.as_ref() == Some(period));
            Self {
                id: format!("{}/{period}", self.id),
                group: self.group,
                kind: self.kind,
                category: self.category.clone(),
                items: items.cloned().collect(),
                baselines: None,
            }
        };
        periods.collect::<BTreeSet<_>>().into_iter().map(of_period).collect()
    }

    pub(crate) fn nats(&self) -> f64 {
        self.items.iter().map(|item| item.nats).sum()
    }

    pub(crate) fn tokens(&self) -> u64 {
        self.items.iter().map(|item| item.tokens).sum()
    }

    fn check(&self) -> Result<(), Error> {
        let refuse = |problem: String| Err(Error::Score { task: self.id.clone(), problem });
        let is_choice = self.kind == TaskKind::Choice;
        if self.items.is_empty() {
            return refuse("found no items, expected at least one".to_owned());
        }
        if self.baselines.is_some() != is_choice {
            return refuse(
                "baselines belong to choice tasks, and every choice task has them".to_owned(),
            );
        }
        for item in &self.items {
            let problem = if !item.nats.is_finite() || item.nats < 0.0 {
                format!("{} nats, expected a finite number of at least 0", item.nats)
            } else if item.tokens == 0 {
                "0 tokens, expected at least 1".to_owned()
            } else if (item.bytes == 0) != is_choice {
                format!("{} bytes, expected 0 in a choice task and more elsewhere", item.bytes)
            } else if item.correct.is_some() != is_choice {
                "`correct` belongs to choice tasks, and every item there has it".to_owned()
            } else {
                continue;
            };
            return refuse(format!("item `{}`: {problem}", item.id));
        }
        Ok(())
    }
}

impl SuiteScore {
    /// Checks what comparing and summing rely on; [`crate::score`] makes no other scores.
    ///
    /// # Errors
    /// [`Error::RepeatedTask`], or [`Error::Score`] for the first task that is not whole.
    pub fn check(&self) -> Result<(), Error> {
        let mut names = BTreeSet::new();
        for task in &self.tasks {
            if !names.insert(&task.id) {
                return Err(Error::RepeatedTask { task: task.id.clone() });
            }
            task.check()?;
        }
        Ok(())
    }

    /// The score as JSON; equal scores give equal bytes, and [`SuiteScore::from_json`] gives the
    /// score back to the last bit.
    ///
    /// # Errors
    /// As [`SuiteScore::check`].
    pub fn to_json(&self) -> Result<String, Error> {
        self.check()?;
        serde_json::to_string(self).map_err(|source| Error::Json { source })
    }

    /// Reads what [`SuiteScore::to_json`] wrote.
    ///
    /// # Errors
    /// [`Error::Json`] for another text, and as [`SuiteScore::check`].
    pub fn from_json(text: &str) -> Result<Self, Error> {
        let score: Self = serde_json::from_str(text).map_err(|source| Error::Json { source })?;
        score.check()?;
        Ok(score)
    }
}

/// Nothing over nothing is 0, so that a report has no NaN; checked scores never ask for it.
fn ratio(numerator: f64, denominator: u64) -> f64 {
    numerator / denominator.max(1) as f64
}

#[cfg(test)]
mod tests;
