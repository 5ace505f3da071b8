//! What judges outside answered of a step under way.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::journal::{Rollout, is_zero};
use super::lines::Lines;
use crate::error::Error;

/// One part of the reward of one completion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Award {
    row: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    refill: u32,
    sample: u32,
    source: String,
    document: u64,
    ids: Vec<u32>,
    /// Which of the recipe's rewards.
    part: usize,
    reward: f64,
}

/// The awards of a step.
#[derive(Debug)]
pub(crate) struct Awards {
    /// From before the run was killed, by row, refill, sample and part.
    known: BTreeMap<[u32; 4], Award>,
    lines: Lines,
}

impl Awards {
    /// Reads what is at `path`.
    pub(crate) fn open(path: PathBuf) -> Result<Self, Error> {
        let (awards, lines) = Lines::open::<Award>(path)?;
        let key = |award: &Award| [award.row, award.refill, award.sample, award.part as u32];
        let known = awards.into_iter().map(|award| (key(&award), award)).collect();
        Ok(Self { known, lines })
    }

    /// What part number `part` of the reward of `entry` was found to be.
    pub(crate) fn of(&self, entry: &Rollout, part: usize) -> Option<f64> {
        let award = self.known.get(&[entry.row, entry.refill, entry.sample, part as u32])?;
        let is_of = (&award.source, award.document) == (&entry.source, entry.document)
            && award.ids == entry.ids;
        is_of.then_some(award.reward)
    }

    /// Writes one down.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn push(&mut self, entry: &Rollout, part: usize, reward: f64) -> Result<(), Error> {
        self.lines.push(&Award {
            row: entry.row,
            refill: entry.refill,
            sample: entry.sample,
            source: entry.source.clone(),
            document: entry.document,
            ids: entry.ids.clone(),
            part,
            reward,
        })
    }

    /// Forgets them, once the journal has them.
    pub(crate) fn remove(self) -> Result<(), Error> {
        self.lines.remove()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn entry(sample: u32, ids: &[u32]) -> Rollout {
        Rollout {
            row: 3,
            refill: 0,
            sample,
            source: "asked".to_owned(),
            document: 7,
            ids: ids.to_vec(),
            text: "acid".to_owned(),
            is_truncated: false,
            rewards: Vec::new(),
            reward: 0.0,
            advantage: 0.0,
            turns: Vec::new(),
        }
    }

    #[test]
    fn outlast_a_kill_but_for_a_line_cut_short() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rollouts/step.jsonl");
        let (first, second) = (entry(0, &[5, 6]), entry(1, &[5]));
        let mut awards = Awards::open(path.clone()).unwrap();
        assert_eq!(awards.of(&first, 1), None);
        awards.push(&first, 1, 0.1).unwrap();
        awards.push(&second, 0, -2.5).unwrap();
        drop(awards);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 4]).unwrap();

        let mut awards = Awards::open(path.clone()).unwrap();
        assert_eq!(awards.of(&first, 1), Some(0.1));
        assert_eq!(awards.of(&first, 0), None);
        assert_eq!(awards.of(&second, 0), None);
        // Of another completion they say nothing.
        assert_eq!(awards.of(&entry(0, &[5, 7]), 1), None);
        assert_eq!(awards.of(&Rollout { document: 8, ..first.clone() }, 1), None);
        assert_eq!(awards.of(&Rollout { refill: 1, ..first.clone() }, 1), None);
        awards.push(&second, 0, -2.5).unwrap();
        assert_eq!(fs::read(&path).unwrap(), whole);
        awards.remove().unwrap();
        assert!(!path.exists());
        Awards::open(path).unwrap().remove().unwrap();
    }
}
