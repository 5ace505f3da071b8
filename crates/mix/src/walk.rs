//! A plan, step by step.

use std::collections::BTreeMap;

use crate::choose::Accounts;
use crate::cursor::{Cursor, SourceCursor};
use crate::error::Error;
use crate::pack::Segment;
use crate::plan::Plan;
use crate::refill::Refills;
use crate::rows::{RowSize, SourceRows};

/// One optimizer step's rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedStep {
    /// The number of the step, from 0.
    pub index: u64,
    /// In lane order, those that are replayed last. The last step of a run may have fewer than the
    /// others.
    pub rows: Vec<PlannedRow>,
    /// How many of them are replayed.
    pub replayed: usize,
    /// Where the next step starts.
    pub next: Cursor,
}

impl PlannedStep {
    /// Tokens that carry loss in this step.
    pub fn tokens(&self) -> u64 {
        self.rows.iter().map(PlannedRow::tokens).sum()
    }

    /// The rows of the mix itself.
    pub fn own_rows(&self) -> &[PlannedRow] {
        &self.rows[..self.rows.len() - self.replayed]
    }

    /// The rows drawn beside it.
    pub fn replayed_rows(&self) -> &[PlannedRow] {
        &self.rows[self.rows.len() - self.replayed..]
    }

    /// Lanes of the mix itself, `rows_per_lane` rows to a lane.
    pub fn own_lanes(&self, rows_per_lane: usize) -> usize {
        self.own_rows().len().div_ceil(rows_per_lane)
    }

    /// The lane of the row `row`: what is replayed begins with a new one.
    pub fn lane_of(&self, row: usize, rows_per_lane: usize) -> usize {
        match row.checked_sub(self.own_rows().len()) {
            None => row / rows_per_lane,
            Some(replayed) => self.own_lanes(rows_per_lane) + replayed / rows_per_lane,
        }
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
    /// Its positions that carry loss.
    pub supervised: u32,
    /// How often another document took the place of what was planned.
    pub refills: u32,
}

impl PlannedRow {
    /// Tokens that carry loss.
    pub fn tokens(&self) -> u64 {
        u64::from(self.supervised)
    }

    /// Positions that hold a token rather than padding.
    pub fn positions(&self) -> u64 {
        self.segments.iter().map(|segment| u64::from(segment.len)).sum()
    }
}

/// The steps of a plan from a cursor on.
pub struct Walk<'a> {
    plan: &'a Plan,
    step: u64,
    tokens: u64,
    accounts: Accounts,
    sources: Vec<SourceRows>,
    /// Those without another row.
    used_up: Vec<usize>,
    parked: BTreeMap<String, SourceCursor>,
    /// What is drawn beside it.
    replay: Option<Box<Self>>,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(plan: &'a Plan, cursor: &Cursor) -> Result<Self, Error> {
        let expected = plan.spec.sources.len();
        let is_beside = |of: usize| cursor.replay.is_some() == (of > expected);
        if cursor.sources.len() != expected || !is_beside(plan.sources().len()) {
            let (found, expected) = (cursor.n_sources(), plan.sources().len());
            return Err(Error::ForeignCursor { found, expected });
        }
        let mut accounts = plan.accounts(cursor);
        let sources = (0..expected).map(|source| plan.rows(source, cursor.sources[source]));
        let sources: Vec<SourceRows> = sources.collect();
        for (source, rows) in sources.iter().enumerate() {
            accounts.offer(source, rows.next_size().map(units));
        }
        let (step, tokens) = (cursor.step, cursor.own_tokens());
        let used_up = (0..expected).filter(|i| sources[*i].next_size().is_none()).collect();
        let parked = cursor.parked.clone();
        let beside = plan.replay.as_deref().zip(cursor.replay.as_deref());
        let replay = beside.map(|(plan, cursor)| Walk::new(plan, cursor).map(Box::new));
        let replay = replay.transpose()?;
        Ok(Self { plan, step, tokens, accounts, sources, used_up, parked, replay })
    }

    /// Passes over `n_steps` steps without reading their rows; fewer when the plan ends before.
    pub(crate) fn skip_steps(&mut self, n_steps: u64) {
        let first = self.step;
        self.skip_own_steps(n_steps);
        let skipped = self.step - first;
        if let Some(replay) = &mut self.replay {
            replay.skip_steps(skipped);
        }
    }

    fn skip_own_steps(&mut self, n_steps: u64) {
        for _ in 0..n_steps {
            let mut rows = 0;
            while rows < self.plan.rows_per_step() && !self.is_over() && self.skip_row().is_some() {
                rows += 1;
            }
            if rows == 0 {
                return;
            }
            self.step += 1;
        }
    }

    /// Where the next step starts, as far as the plan decides it: what took the place of its rows is not known
    /// here.
    pub fn cursor(&self) -> Cursor {
        let sources = self.sources.iter().map(SourceRows::cursor).collect();
        let replay = self.replay.as_ref().map(|replay| Box::new(replay.cursor()));
        let parked = self.parked.clone();
        Cursor { step: self.step, sources, parked, replay, refills: Refills::default() }
    }

    pub(crate) fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// False once a source that is used up is more than a row behind its target.
    pub(crate) fn keeps_shares(&self) -> bool {
        self.used_up.iter().all(|source| !self.accounts.is_owed(*source))
    }

    /// The source whose row is next; `None` when none can be drawn, which [`Plan::new`] has ruled
    /// out for the steps of the plan.
    pub(crate) fn next_source(&mut self) -> Option<usize> {
        self.accounts.choose()
    }

    /// Passes over the next row: its source, and what it holds.
    #[inline]
    pub(crate) fn skip_row(&mut self) -> Option<(usize, RowSize)> {
        let source = self.accounts.choose()?;
        let rows = &mut self.sources[source];
        let size = rows.next_size()?;
        rows.advance();
        let next = rows.next_size().map(units);
        if next.is_none() {
            self.used_up.push(source);
        }
        self.accounts.take(source, next);
        self.tokens += u64::from(size.tokens);
        Some((source, size))
    }

    fn next_row(&mut self) -> Option<PlannedRow> {
        let source = self.accounts.choose()?;
        let (epoch, segments) = self.sources[source].read()?;
        let (_, size) = self.skip_row()?;
        Some(PlannedRow { source, epoch, segments, supervised: size.tokens, refills: 0 })
    }

    fn is_over(&self) -> bool {
        self.plan.is_over(self.step, self.tokens)
    }
}

fn units(size: RowSize) -> u64 {
    u64::from(size.units)
}

impl Iterator for Walk<'_> {
    type Item = PlannedStep;

    fn next(&mut self) -> Option<PlannedStep> {
        let index = self.step;
        let mut rows = Vec::with_capacity(self.plan.rows_per_step());
        while rows.len() < self.plan.rows_per_step() && !self.is_over() {
            let Some(row) = self.next_row() else { break };
            rows.push(row);
        }
        if rows.is_empty() {
            return None;
        }
        self.step += 1;
        let beside = self.replay.as_mut().and_then(|replay| replay.next());
        let beside = beside.map_or_else(Vec::new, |step| step.rows);
        let replayed = beside.len();
        // The sources of what is replayed are numbered after the others.
        let first = self.sources.len();
        rows.extend(beside.into_iter().map(|row| PlannedRow { source: first + row.source, ..row }));
        Some(PlannedStep { index, rows, replayed, next: self.cursor() })
    }
}

impl std::fmt::Debug for Walk<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Walk").field("step", &self.step).finish_non_exhaustive()
    }
}
