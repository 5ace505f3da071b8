//! Where one mix of a run ends and another begins.

use std::sync::Arc;

use temper_recipe::Budget;
use temper_tokens::TokenSource;

use crate::cursor::{Cursor, SourceCursor};
use crate::error::Error;
use crate::packed::Packed;
use crate::plan::Plan;
use crate::refill::Refills;
use crate::rows::{RowSpec, SourceRows};
use crate::spec::PlanSource;

impl Cursor {
    /// Where another mix goes on: sources keep their place by name, those that it leaves out are
    /// parked, and all accounts start at zero.
    ///
    /// # Errors
    /// [`Error::ForeignCursor`] when this is no cursor of the sources `before`.
    pub fn remixed(&self, before: &[PlanSource], after: &[PlanSource]) -> Result<Self, Error> {
        if self.sources.len() != before.len() {
            return Err(Error::ForeignCursor { found: self.sources.len(), expected: before.len() });
        }
        let mut parked = self.parked.clone();
        parked.extend(before.iter().map(|source| source.name.clone()).zip(self.sources.clone()));
        parked.values_mut().for_each(|cursor| cursor.units = 0);
        let take = |source: &PlanSource| parked.remove(&source.name).unwrap_or_default();
        let sources = after.iter().map(take).collect();
        // What is replayed goes on as it was; its accounts start anew with the others.
        let replay = self.replay.clone().map(|mut replay| {
            replay.sources.iter_mut().for_each(|source| source.units = 0);
            replay
        });
        // These a run keeps by itself: what is recorded of a remix follows from plans alone.
        let refills = Refills::default();
        Ok(Self { step: self.step, sources, parked, replay, refills })
    }
}

impl Plan {
    /// Where this plan goes on, given where the run stands: at the seam the plan before left its
    /// cursor in the order of its own sources.
    pub fn enter(&self, cursor: Cursor) -> Cursor {
        match cursor.step == self.start.step {
            true => Cursor { refills: cursor.refills, ..self.start.clone() },
            false => cursor,
        }
    }
}

/// What is left of a budget at `start`.
pub(crate) fn left_of(budget: Budget, start: &Cursor) -> Result<Budget, Error> {
    let nothing = Error::NothingLeft { step: start.step, tokens: start.own_tokens() };
    match budget {
        _ if start.step == 0 => Ok(budget),
        Budget::Tokens(tokens) if tokens > start.own_tokens() => {
            Ok(Budget::Tokens(tokens - start.own_tokens()))
        }
        Budget::Steps(steps) if steps > start.step => Ok(Budget::Steps(steps - start.step)),
        Budget::Tokens(_) | Budget::Steps(_) => Err(nothing),
        // Passes count from where the plan starts.
        Budget::Epochs(_) => Ok(budget),
    }
}

/// Units of a source before `end`.
pub(crate) fn units_before(
    spec: RowSpec,
    tokens: &Arc<dyn TokenSource + Send>,
    packed: Option<Arc<Packed>>,
    end: &SourceCursor,
) -> u64 {
    let spec = RowSpec { max_epochs: u32::MAX, ..spec };
    let mut rows = SourceRows::at(spec, tokens.clone(), packed, SourceCursor::default());
    let place = |cursor: &SourceCursor| (cursor.epoch, cursor.window, cursor.row);
    while place(&rows.cursor()) < place(end) {
        rows.advance();
    }
    rows.cursor().units
}
