//! Differences between what a run recorded and what is derived again.

use std::fmt;

use serde::Serialize;

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What kind of thing differs.
    pub what: What,
    /// Which one: a file, a source, a step and row.
    pub place: String,
    /// As it stands.
    pub found: String,
    /// As it should stand.
    pub expected: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, place, found, expected } = self;
        write!(f, "{what}: {place}: found {found}, expected {expected}")
    }
}

/// What kind of thing is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// The resolved recipe in the run directory.
    Recipe,
    /// A manifest of a source.
    Manifest,
    /// A file of a corpus.
    Corpus,
    /// A token shard, or a set of them.
    Shard,
    /// The Fisher information that the recipe names, as the run keeps it.
    Fisher,
    /// The documents that the run left out because they were seen before.
    Seen,
    /// The plan that the run recorded.
    Plan,
    /// The ledger's parts.
    Ledger,
    /// The derived columns of a step.
    Step,
    /// The derived columns of a row.
    Row,
    /// What was sampled of a prompt, and what was made of it.
    Rollout,
    /// The chain over the measured columns.
    Chain,
    /// The promise that every source stays within one row of its share.
    Mix,
    /// A checkpoint.
    Checkpoint,
    /// A decision, or an eval that it cites.
    Decision,
    /// Sums over the ledger's tables.
    Total,
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Recipe => "recipe",
            Self::Manifest => "manifest",
            Self::Corpus => "corpus",
            Self::Shard => "shard",
            Self::Fisher => "fisher",
            Self::Seen => "seen",
            Self::Plan => "plan",
            Self::Ledger => "ledger",
            Self::Step => "step",
            Self::Row => "row",
            Self::Rollout => "rollout",
            Self::Chain => "chain",
            Self::Mix => "mix",
            Self::Checkpoint => "checkpoint",
            Self::Decision => "decision",
            Self::Total => "total",
        })
    }
}

/// Findings of one kind that are kept; one changed shard can touch every row of a run.
const MOST_OF_A_KIND: usize = 20;

/// Findings as they come in.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) kept: Vec<Finding>,
    /// Findings beyond those kept.
    pub(crate) n_more: u64,
}

impl Findings {
    pub(crate) fn add(
        &mut self,
        what: What,
        place: impl Into<String>,
        found: impl fmt::Display,
        expected: impl fmt::Display,
    ) {
        if self.kept.iter().filter(|finding| finding.what == what).count() < MOST_OF_A_KIND {
            let (found, expected) = (found.to_string(), expected.to_string());
            self.kept.push(Finding { what, place: place.into(), found, expected });
        } else {
            self.n_more += 1;
        }
    }

    /// Adds a finding unless `found` is `expected`.
    pub(crate) fn compare<T: PartialEq + fmt::Display>(
        &mut self,
        what: What,
        place: &str,
        found: T,
        expected: T,
    ) {
        if found != expected {
            self.add(what, place, found, expected);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_one_kind_does_not_hide_another() {
        let mut findings = Findings::default();
        for row in 0..100u64 {
            findings.compare(What::Row, &format!("row {row}"), row, row + row % 2);
        }
        findings.add(What::Chain, "step 3", "a", "b");
        assert_eq!((findings.kept.len(), findings.n_more), (21, 30));
        assert_eq!(findings.kept[0].to_string(), "row: row 1: found 1, expected 2");
        assert_eq!(findings.kept[20].to_string(), "chain: step 3: found a, expected b");
    }
}
