//! What an environment said in the episodes of a step under way.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use temper_ask::Turn;

use super::journal::{Rollout, is_zero};
use super::lines::Lines;
use crate::error::Error;

/// A turn of an episode.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    row: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    refill: u32,
    sample: u32,
    source: String,
    document: u64,
    /// Its number; that of the reset is 0.
    number: usize,
    turn: Turn,
}

/// The turns of an episode.
#[derive(Debug)]
struct Played {
    source: String,
    document: u64,
    turns: Vec<Turn>,
}

/// The replies of a step.
#[derive(Debug)]
pub(crate) struct Replies {
    /// From before the run was killed, by row, refill and sample: what its file has, and what its journal has.
    known: [BTreeMap<[u32; 3], Played>; 2],
    lines: Lines,
}

impl Replies {
    /// Reads what is at `path`; of a step that was over and is sampled anew also what its journal has.
    pub(crate) fn open(path: PathBuf, journaled: Option<Vec<Rollout>>) -> Result<Self, Error> {
        let (read, lines) = Lines::open::<Line>(path)?;
        let mut written = BTreeMap::new();
        for Line { row, refill, sample, source, document, number, turn } in read {
            let new = || Played { source: source.clone(), document, turns: Vec::new() };
            let played: &mut Played = written.entry([row, refill, sample]).or_insert_with(new);
            // What was said after another history is of no use.
            if (&played.source, played.document) != (&source, document) {
                *played = new();
            }
            played.turns.truncate(number);
            if played.turns.len() == number {
                played.turns.push(turn);
            }
        }
        let journaled = journaled.into_iter().flatten().map(|entry| {
            let Rollout { row, refill, sample, source, document, turns, .. } = entry;
            ([row, refill, sample], Played { source, document, turns })
        });
        Ok(Self { known: [written, journaled.collect()], lines })
    }

    /// The turn that followed those of `entry` when the model answered the same.
    pub(crate) fn of(&self, entry: &Rollout, answered: &[u32]) -> Option<&Turn> {
        self.known.iter().find_map(|known| {
            let played = known.get(&[entry.row, entry.refill, entry.sample])?;
            let (before, after) = played.turns.split_at_checked(entry.turns.len())?;
            let is_of = (&played.source, played.document) == (&entry.source, entry.document)
                && before == entry.turns;
            after.first().filter(|next| is_of && next.ids == answered)
        })
    }

    /// Writes down the turn that follows those of `entry`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn push(&mut self, entry: &Rollout, turn: &Turn) -> Result<(), Error> {
        self.lines.push(&Line {
            row: entry.row,
            refill: entry.refill,
            sample: entry.sample,
            source: entry.source.clone(),
            document: entry.document,
            number: entry.turns.len(),
            turn: turn.clone(),
        })
    }

    /// Forgets them, once the journal has them.
    pub(crate) fn remove(self) -> Result<(), Error> {
        self.lines.remove()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn turn(ids: &[u32], said: &str) -> Turn {
        let message = json!({ "role": "user", "content": said }).as_object().unwrap().clone();
        let (ids, text) = (ids.to_vec(), String::new());
        Turn { ids, text, messages: vec![message], reward: 0.1, is_done: false }
    }

    fn entry(sample: u32, turns: Vec<Turn>) -> Rollout {
        Rollout {
            row: 3,
            refill: 0,
            sample,
            source: "asked".to_owned(),
            document: 7,
            ids: Vec::new(),
            text: String::new(),
            is_truncated: false,
            rewards: Vec::new(),
            reward: 0.0,
            advantage: 0.0,
            turns,
        }
    }

    #[test]
    fn outlast_a_kill_and_count_for_the_same_history() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rollouts/step.jsonl");
        let (reset, first, second) = (turn(&[], "a"), turn(&[5], "b"), turn(&[5, 6], "c"));
        let mut replies = Replies::open(path.clone(), None).unwrap();
        assert_eq!(replies.of(&entry(0, Vec::new()), &[]), None);
        let mut before = Vec::new();
        for turn in [&reset, &first, &second] {
            replies.push(&entry(0, before.clone()), turn).unwrap();
            before.push(turn.clone());
        }
        let replies = Replies::open(path.clone(), None).unwrap();
        assert_eq!(replies.of(&entry(0, before[..1].to_vec()), &[5]), Some(&first));
        assert_eq!(replies.of(&entry(0, before[..1].to_vec()), &[6]), None);
        assert_eq!(replies.of(&entry(0, before.clone()), &[5]), None);
        assert_eq!(replies.of(&entry(1, before[..1].to_vec()), &[5]), None);
        let other = vec![reset.clone(), turn(&[5], "d")];
        assert_eq!(replies.of(&entry(0, other.clone()), &[5, 6]), None);

        // Another first reply makes what followed the old one of no use.
        let mut replies = Replies::open(path.clone(), None).unwrap();
        replies.push(&entry(0, before[..1].to_vec()), &other[1]).unwrap();
        let replies = Replies::open(path.clone(), None).unwrap();
        assert_eq!(replies.of(&entry(0, before[..1].to_vec()), &[5]), Some(&other[1]));
        assert_eq!(replies.of(&entry(0, other.clone()), &[5, 6]), None);

        // A step that was over and is sampled anew has both, what came last first.
        let replies = Replies::open(path, Some(vec![entry(0, before.clone())])).unwrap();
        assert_eq!(replies.of(&entry(0, before[..2].to_vec()), &[5, 6]), Some(&second));
        assert_eq!(replies.of(&entry(0, before[..1].to_vec()), &[5]), Some(&other[1]));
    }
}
