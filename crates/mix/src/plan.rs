//! A mix that can be kept: checked once, then walked.

mod budget;
mod supplies;

use std::sync::{Arc, OnceLock};

use temper_recipe::Unit;
use temper_tokens::TokenSource;

use self::supplies::Supplies;
use crate::choose::Accounts;
use crate::cursor::{Cursor, SourceCursor};
use crate::error::Error;
use crate::forecast::Forecast;
use crate::packed::{Packed, PackingAccount};
use crate::phases::{Phase, Phases};
use crate::resolve::{Resolved, Supply};
use crate::rows::{RowSpec, SourceRows};
use crate::seam::left_of;
use crate::spec::{PlanSource, PlanSpec};
use crate::walk::Walk;

/// A feasible mix.
///
/// It maintains the invariants named in the crate's documentation.
pub struct Plan {
    pub(crate) spec: PlanSpec,
    /// Before its first step.
    pub(crate) start: Cursor,
    pub(crate) tokens: Vec<Arc<dyn TokenSource + Send>>,
    pub(crate) supplies: Vec<Supply>,
    /// Of what comes after `start`.
    pub(crate) resolved: Resolved,
    pub(crate) phases: Arc<Phases>,
    /// Units of the largest row.
    pub(crate) row: u64,
    /// What is drawn beside it, and the sources of both.
    pub(crate) replay: Option<Box<Self>>,
    pub(crate) all_sources: Vec<PlanSource>,
    /// What passes hold, once it was asked for.
    packed: Vec<OnceLock<Arc<Packed>>>,
    /// The whole run, once it was counted.
    pub(crate) forecast: OnceLock<Forecast>,
}

impl Plan {
    /// Resolves the shares and checks that they can be kept.
    ///
    /// `tokens` are the documents of `spec.sources`, in that order, then those of what is replayed. With
    /// shares of tokens and a budget in tokens this takes no longer for a longer run, and packs nothing;
    /// otherwise every source is packed once, and the run is walked.
    ///
    /// # Errors
    /// [`Error::TooFewTokens`] names every source that falls short, [`Error::NeverDrawn`] every
    /// source whose share is not even a row, both with the ways out; [`Error::Phases`],
    /// [`Error::NothingToPredict`], [`Error::AllTooLong`], [`Error::SharesTooFine`].
    pub fn new(spec: PlanSpec, tokens: Vec<Arc<dyn TokenSource + Send>>) -> Result<Self, Error> {
        let start = Cursor::start(spec.sources.len());
        Self::continued(spec, tokens, start)
    }

    /// [`Plan::new`] for the rest of a run that has another mix behind it, from `start` on.
    ///
    /// The budget is that of the whole run; shares, phases and accounts are of what is left of it. A
    /// source that was drawn before goes on where it stood, and has only the rest of its passes.
    ///
    /// # Errors
    /// Those of [`Plan::new`]; [`Error::NothingLeft`] when the budget is used up.
    pub fn continued(
        spec: PlanSpec,
        tokens: Vec<Arc<dyn TokenSource + Send>>,
        start: Cursor,
    ) -> Result<Self, Error> {
        // What is replayed is put beside the mix when that is known to hold.
        let mut start = start;
        let beside_start = start.replay.take();
        let (found, expected) = (start.sources.len(), spec.sources.len());
        if found != expected {
            return Err(Error::ForeignCursor { found, expected });
        }
        let mut tokens = tokens;
        let beside = tokens.split_off(expected.min(tokens.len()));
        assert_eq!(spec.sources.len(), tokens.len(), "one token source per source");
        let Supplies { supplies, row, packed } = Supplies::of(&spec, &tokens, &start)?;
        let left = PlanSpec { budget: left_of(spec.budget, &start)?, ..spec.clone() };
        let resolved = Resolved::new(&left, &supplies)?;
        let phases = Arc::new(Phases::new(&resolved.phases)?);
        let forecast = OnceLock::new();
        let all_sources = spec.sources.clone();
        let plan = Self {
            spec,
            start,
            tokens,
            supplies,
            resolved,
            phases,
            row,
            replay: None,
            all_sources,
            packed,
            forecast,
        };
        plan.check()?;
        plan.with_replay(beside, beside_start)
    }

    /// What shares count, as a word.
    pub fn unit_name(&self) -> &'static str {
        match self.spec.unit {
            Unit::Tokens => "tokens",
            Unit::Rows => "rows",
            Unit::Documents => "documents",
        }
    }

    /// The sources, in the order that rows number them: those of the mix, then those of what is
    /// replayed.
    pub fn sources(&self) -> &[PlanSource] {
        &self.all_sources
    }

    /// The shares over the run, exactly: what the recipe asks for, or what follows from the sizes.
    pub fn phases(&self) -> &[Phase] {
        &self.resolved.phases
    }

    /// What each source is due, in units, at each moment.
    pub fn targets(&self) -> &Phases {
        &self.phases
    }

    /// The share of `source` in what was drawn after `units` units, 0 to 1.
    pub fn target_share(&self, source: usize, units: u64) -> f64 {
        let (plan, source) = self.part(source);
        if units == 0 {
            return plan.resolved.phases[0].shares[source].as_f64();
        }
        let target = plan.phases.target(source, units) as f64 / plan.phases.whole() as f64;
        target / units as f64
    }

    /// Tokens that one pass over `source` gives.
    pub fn available(&self, source: usize) -> u64 {
        let (plan, source) = self.part(source);
        plan.supplies[source].tokens
    }

    /// The documents of `source`.
    pub fn tokens(&self, source: usize) -> &dyn TokenSource {
        let (plan, source) = self.part(source);
        plan.tokens[source].as_ref()
    }

    /// What packing does to the documents of `source`; packs them all when it is first asked for.
    pub fn packing(&self, source: usize) -> PackingAccount {
        let (plan, source) = self.part(source);
        plan.packed(source).account()
    }

    fn pack_all(&self) {
        (0..self.spec.sources.len()).for_each(|source| _ = self.packed(source));
        self.replay.iter().for_each(|replay| replay.pack_all());
    }

    fn packed(&self, source: usize) -> &Arc<Packed> {
        self.packed[source].get_or_init(|| {
            Arc::new(Packed::new(&self.row_spec(source), self.tokens[source].as_ref()))
        })
    }

    /// Positions per row of the mix.
    pub fn sequence_length(&self) -> usize {
        self.spec.sequence_length
    }

    /// Rows of the mix in a step; the last one may have fewer.
    pub fn rows_per_step(&self) -> usize {
        self.spec.rows_per_step
    }

    /// Units of the largest row: nothing is ever further from its target.
    pub fn largest_row(&self) -> u64 {
        self.row
    }

    /// The cursor before the plan's first step.
    pub fn start(&self) -> &Cursor {
        &self.start
    }

    /// The steps from `cursor` on.
    ///
    /// # Errors
    /// [`Error::ForeignCursor`] when the cursor belongs to another mix.
    pub fn walk(&self, cursor: &Cursor) -> Result<Walk<'_>, Error> {
        Walk::new(self, cursor)
    }

    /// The steps from `step` on, or the end if that comes before, reached from an earlier `cursor`:
    /// rows in between are counted, not read. Packs all sources once.
    ///
    /// # Errors
    /// [`Error::ForeignCursor`] when the cursor belongs to another mix.
    pub fn walk_to(&self, cursor: &Cursor, step: u64) -> Result<Walk<'_>, Error> {
        self.pack_all();
        let mut walk = self.walk(cursor)?;
        walk.skip_steps(step.saturating_sub(cursor.step));
        Ok(walk)
    }

    /// What the plan will draw from its start on, counted row by row, once. Packs all sources once.
    ///
    /// # Errors
    /// [`Error::TooFewTokens`] at the row that a source owes and does not have, which a plan in
    /// tokens has ruled out.
    pub fn forecast(&self) -> Result<Forecast, Error> {
        if let Some(forecast) = self.forecast.get() {
            return Ok(forecast.clone());
        }
        let counted = self.counted(u64::MAX)?;
        Ok(self.forecast.get_or_init(|| counted).clone())
    }

    /// What its first `steps` steps draw.
    ///
    /// # Errors
    /// Those of [`Plan::forecast`].
    pub fn counted(&self, steps: u64) -> Result<Forecast, Error> {
        self.pack_all();
        Forecast::of(self, steps)
    }

    pub(crate) fn accounts(&self, cursor: &Cursor) -> Accounts {
        let drawn = cursor.sources.iter().map(|source| source.units).collect();
        Accounts::new(self.phases.clone(), self.row, drawn)
    }

    /// The rows of `source` from `cursor` on.
    pub(crate) fn rows(&self, source: usize, cursor: SourceCursor) -> SourceRows {
        let packed = self.packed[source].get().cloned();
        SourceRows::at(self.row_spec(source), self.tokens[source].clone(), packed, cursor)
    }

    fn row_spec(&self, source: usize) -> RowSpec {
        RowSpec::new(&self.spec, &self.spec.sources[source])
    }
}

impl std::fmt::Debug for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plan").field("spec", &self.spec).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
