//! Completions and their rewards on disk, a file for each step, before anything is learned from them.

use std::fs;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use temper_ask::Turn;
use temper_ledger::RunDir;
use temper_tokens::Staged;

use super::awards::Awards;
use super::replies::Replies;
use crate::error::Error;

/// One completion, a line of a step's file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rollout {
    /// The row of the step that has the prompt.
    pub row: u32,
    /// How many groups of other prompts stood in the row before, whose completions were all equally good.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub refill: u32,
    /// Which of the group.
    pub sample: u32,
    /// The source, by name.
    pub source: String,
    /// The document of the source.
    pub document: u64,
    /// What was sampled; of an episode the answers one after the other.
    pub ids: Vec<u32>,
    /// As text; of an episode the last answer.
    pub text: String,
    /// Whether it did not end by itself.
    pub is_truncated: bool,
    /// Part by part, in the order of the recipe's rewards.
    pub rewards: Vec<f64>,
    /// Their weighted sum, and what an environment gave.
    pub reward: f64,
    /// Within its group.
    pub advantage: f64,
    /// Of an episode, the reset first; none without an environment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub turns: Vec<Turn>,
}

impl Rollout {
    /// What the environment gave for all answers; 0 without one.
    pub fn environment_reward(&self) -> f64 {
        self.turns.iter().fold(0.0, |sum, turn| sum + turn.reward)
    }

    /// Answers: one without an environment.
    pub fn n_answers(&self) -> usize {
        self.turns.len().checked_sub(1).unwrap_or(1)
    }

    /// Whether `other` is the same completion of the same prompt.
    pub(crate) fn is_of(&self, other: &Self) -> bool {
        (self.row, self.refill, self.sample) == (other.row, other.refill, other.sample)
            && (&self.source, self.document) == (&other.source, other.document)
            && (&self.ids, &self.turns) == (&other.ids, &other.turns)
    }
}

pub(crate) fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// What a run sampled in a step and how it was judged, group after group, those that took the place of others
/// last; `None` where nothing whole is on disk.
pub fn rollouts(run: &RunDir, step: u64) -> Option<Vec<Rollout>> {
    Journal::new(run).read(step)
}

/// The journal of a run.
#[derive(Clone, Debug)]
pub(crate) struct Journal {
    folder: PathBuf,
}

impl Journal {
    pub(crate) fn new(run: &RunDir) -> Self {
        Self { folder: run.path().join("private/rollouts") }
    }

    /// What was written of a step before the run was killed; `None` for nothing whole.
    pub(crate) fn read(&self, step: u64) -> Option<Vec<Rollout>> {
        let text = fs::read_to_string(self.path(step)).ok()?;
        text.lines().map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Writes what a step sampled, whole or not at all.
    pub(crate) fn write(&self, step: u64, entries: &[Rollout]) -> Result<(), Error> {
        let path = self.path(step);
        fs::create_dir_all(&self.folder).map_err(Error::io("write", &self.folder))?;
        let line = |entry: &Rollout| {
            serde_json::to_string(entry).expect("numbers and texts are JSON") + "\n"
        };
        let text: String = entries.iter().map(line).collect();
        Ok(Staged::write(&path, text.as_bytes())?)
    }

    /// What judges outside answered of a step that was not written yet.
    pub(crate) fn awards(&self, step: u64) -> Result<Awards, Error> {
        Awards::open(self.folder.join(format!("step-{step:06}.awards.jsonl")))
    }

    /// What an environment said in a step.
    pub(crate) fn replies(&self, step: u64) -> Result<Replies, Error> {
        let path = self.folder.join(format!("step-{step:06}.replies.jsonl"));
        Replies::open(path, self.read(step))
    }

    fn path(&self, step: u64) -> PathBuf {
        self.folder.join(format!("step-{step:06}.jsonl"))
    }
}
