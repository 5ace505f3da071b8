//! A plan, step by step.

use crate::choose::Accounts;
use crate::cursor::Cursor;
use crate::error::Error;
use crate::pack::Segment;
use crate::plan::Plan;
use crate::rows::SourceRows;

/// One optimizer step's rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedStep {
    /// The number of the step, from 0.
    pub index: u64,
    /// In lane order. The last step of a run may have fewer than the others.
    pub rows: Vec<PlannedRow>,
    /// Where the next step starts.
    pub next: Cursor,
}

impl PlannedStep {
    /// Tokens that carry loss in this step.
    pub fn tokens(&self) -> u64 {
        self.rows.iter().map(PlannedRow::tokens).sum()
    }
}

/// One packed row, of one source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedRow {
    /// The number of the source in the plan.
    pub source: usize,
    /// Passes over the source before this one.
    pub epoch: u32,
    /// What the row holds, in order; what is left of it is padding.
    pub segments: Vec<Segment>,
}

impl PlannedRow {
    /// Tokens that carry loss.
    pub fn tokens(&self) -> u64 {
        self.segments.iter().map(|segment| u64::from(segment.len)).sum()
    }
}

/// The steps of a plan from a cursor on.
pub struct Walk<'a> {
    plan: &'a Plan,
    step: u64,
    accounts: Accounts,
    sources: Vec<SourceRows>,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(plan: &'a Plan, cursor: &Cursor) -> Result<Self, Error> {
        let expected = plan.sources().len();
        if cursor.sources.len() != expected {
            return Err(Error::ForeignCursor { found: cursor.sources.len(), expected });
        }
        let sources = (0..expected)
            .map(|i| SourceRows::at(plan.row_spec(i), plan.tokens[i].clone(), cursor.sources[i]))
            .collect();
        Ok(Self { plan, step: cursor.step, accounts: plan.accounts(cursor), sources })
    }

    /// Tokens each source is ahead of its share right now.
    pub(crate) fn leads(&self) -> impl Iterator<Item = f64> {
        (0..self.sources.len()).map(|source| self.accounts.lead(source))
    }

    /// False once a source that is used up is more than a row behind its share.
    pub(crate) fn keeps_shares(&self) -> bool {
        let mut sources = self.sources.iter().enumerate();
        sources.all(|(i, source)| !self.accounts.is_owed(i) || source.next_len().is_some())
    }

    /// Tokens drawn from each source.
    pub(crate) fn drawn(&self) -> &[u64] {
        self.accounts.drawn()
    }

    /// The next row, whatever step it falls in; `None` when none can be drawn, which
    /// [`Plan::new`] has ruled out for the steps of the plan.
    pub(crate) fn next_row(&mut self) -> Option<PlannedRow> {
        let next: Vec<_> = self.sources.iter().map(SourceRows::next_len).collect();
        let source = self.accounts.choose(&next)?;
        let (epoch, segments) = self.sources[source].take()?;
        let row = PlannedRow { source, epoch, segments };
        self.accounts.book(source, row.tokens());
        Some(row)
    }
}

impl Iterator for Walk<'_> {
    type Item = PlannedStep;

    fn next(&mut self) -> Option<PlannedStep> {
        let index = self.step;
        let mut rows = Vec::with_capacity(self.plan.spec.rows_per_step);
        while rows.len() < self.plan.spec.rows_per_step
            && !self.plan.is_over(index, self.accounts.total())
        {
            let Some(row) = self.next_row() else { break };
            rows.push(row);
        }
        if rows.is_empty() {
            return None;
        }
        self.step += 1;
        let sources = self.sources.iter().map(SourceRows::cursor).collect();
        Some(PlannedStep { index, rows, next: Cursor { step: self.step, sources } })
    }
}

impl std::fmt::Debug for Walk<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Walk").field("step", &self.step).finish_non_exhaustive()
    }
}
