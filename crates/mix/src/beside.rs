//! What is drawn beside a mix, in each of its steps: a plan of its own, whose sources are numbered after
//! the others.

use std::sync::{Arc, OnceLock};

use temper_recipe::Budget;
use temper_tokens::TokenSource;

use crate::cursor::Cursor;
use crate::error::Error;
use crate::plan::Plan;
use crate::spec::{PlanSource, PlanSpec};

impl Plan {
    /// The plan that draws from `source`, and the number that it has there: shares, targets and rows are
    /// those of a part alone.
    pub fn part(&self, source: usize) -> (&Self, usize) {
        match (source.checked_sub(self.spec.sources.len()), &self.replay) {
            (Some(source), Some(replay)) => (replay, source),
            (Some(_) | None, _) => (self, source),
        }
    }

    /// The sources of the mix itself.
    pub fn own_sources(&self) -> &[PlanSource] {
        &self.spec.sources
    }

    /// What is drawn beside it, if anything is.
    pub fn replay(&self) -> Option<&Self> {
        self.replay.as_deref()
    }

    /// Positions of a row of `source`.
    pub fn row_length(&self, source: usize) -> usize {
        self.part(source).0.spec.sequence_length
    }

    /// Puts what `spec.replay` says beside it, from `start` on, for as many steps as there are.
    pub(crate) fn with_replay(
        mut self,
        tokens: Vec<Arc<dyn TokenSource + Send>>,
        start: Option<Box<Cursor>>,
    ) -> Result<Self, Error> {
        let Some(spec) = self.spec.replay.clone() else {
            assert!(tokens.is_empty(), "one token source per source");
            return Ok(self);
        };
        let steps = match self.budget() {
            Budget::Steps(steps) => steps,
            Budget::Tokens(_) => self.start.step + self.counted(u64::MAX)?.steps,
            Budget::Epochs(_) => unreachable!("resolved in Plan::new"),
        };
        let spec = PlanSpec { budget: Budget::Steps(steps), ..*spec };
        let replay = match start {
            Some(start) => Self::continued(spec, tokens, *start)?,
            None if self.start.step == 0 => Self::new(spec, tokens)?,
            None => {
                let (found, own) = (self.start.sources.len(), self.spec.sources.len());
                let expected = own + spec.sources.len();
                return Err(Error::ForeignCursor { found, expected });
            }
        };
        self.start.replay = Some(Box::new(replay.start.clone()));
        // What was counted so far is without it.
        self.forecast = OnceLock::new();
        self.all_sources.extend(replay.spec.sources.iter().cloned());
        self.replay = Some(Box::new(replay));
        Ok(self)
    }
}
