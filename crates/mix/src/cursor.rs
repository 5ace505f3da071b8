//! Where a run stands in its data.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::refill::Refills;

/// The state of a plan after some steps; a run that resumes from it goes on with the next row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The next step.
    pub step: u64,
    /// One per source, in the order of the plan.
    pub sources: Vec<SourceCursor>,
    /// Sources that an earlier mix of this run had and this one has not, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parked: BTreeMap<String, SourceCursor>,
    /// Of what is drawn beside the mix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<Box<Self>>,
    /// What took the place of planned rows.
    #[serde(default, skip_serializing_if = "Refills::is_empty")]
    pub refills: Refills,
}

/// The next row of one source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceCursor {
    /// Whole passes over the documents.
    pub epoch: u32,
    /// The packing window within the epoch.
    pub window: u64,
    /// The row within the window.
    pub row: u64,
    /// Tokens drawn since step 0.
    pub tokens: u64,
    /// What shares count, drawn under the mix in force: since step 0 or the last remix.
    pub units: u64,
}

impl Cursor {
    /// The start of a run over `n_sources` sources.
    pub(crate) fn start(n_sources: usize) -> Self {
        let sources = vec![SourceCursor::default(); n_sources];
        let (parked, refills) = (BTreeMap::new(), Refills::default());
        Self { step: 0, sources, parked, replay: None, refills }
    }

    /// Sources that it has a place for.
    pub(crate) fn n_sources(&self) -> usize {
        self.sources.len() + self.replay.as_ref().map_or(0, |replay| replay.n_sources())
    }

    /// Tokens drawn so far from all sources, of what stood in the rows in the end.
    pub fn tokens(&self) -> u64 {
        self.refills.tokens(self.own_tokens())
            + self.replay.as_ref().map_or(0, |replay| replay.tokens())
    }

    /// Tokens that the plan drew so far from the mix itself, which the budget counts.
    pub fn own_tokens(&self) -> u64 {
        self.sources.iter().chain(self.parked.values()).map(|source| source.tokens).sum()
    }
}
