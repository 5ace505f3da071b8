//! Asked and realised: what each source supplied, at every prefix of the run.

use serde::Serialize;
use temper_ledger::RowRecord;
use temper_mix::Plan;
use temper_recipe::{Recipe, Unit};

/// What one source supplied.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SourceAudit {
    /// The source.
    pub source: String,
    /// Its share of what was recorded, as asked, 0 to 1; `None` without a plan.
    pub asked: Option<f64>,
    /// Its share of what was recorded, 0 to 1.
    pub realised: f64,
    /// Recorded tokens that carry loss.
    pub tokens: u64,
    /// Recorded rows.
    pub rows: u64,
    /// Passes over its documents, in tokens; `None` without its shards.
    pub epochs: Option<f64>,
    /// The step of its first row; `None` when it has none.
    pub first_step: Option<u64>,
    /// Where it was furthest from its share.
    pub largest_deviation: Deviation,
}

/// A distance from what a source is due, after some row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Deviation {
    /// In what shares count; positive when ahead.
    pub units: f64,
    /// In rows, of the largest there is.
    pub rows: f64,
    /// The step of the row it was reached with.
    pub step: u64,
    /// That row within the step.
    pub row: u32,
}

/// One source while rows come in.
#[derive(Debug)]
struct Account {
    name: String,
    tokens: u64,
    units: u64,
    rows: u64,
    first_step: Option<u64>,
    largest: Deviation,
    /// `largest`, exactly: the lead times the denominator of the shares.
    scaled: i128,
}

/// The accounts of all sources.
#[derive(Debug)]
pub(crate) struct Accounts<'a> {
    accounts: Vec<Account>,
    /// What was due; without it, nothing is said about deviations.
    plan: Option<&'a Plan>,
    unit: Unit,
    tokens: u64,
    units: u64,
    rows: u64,
}

impl<'a> Accounts<'a> {
    pub(crate) fn new(recipe: &Recipe, plan: Option<&'a Plan>) -> Self {
        let account = |source: &temper_recipe::Source| Account {
            name: source.corpus.clone(),
            tokens: 0,
            units: 0,
            rows: 0,
            first_step: None,
            largest: Deviation::default(),
            scaled: 0,
        };
        let accounts = recipe.mixture.sources.iter().map(account).collect();
        Self { accounts, plan, unit: recipe.mixture.unit, tokens: 0, units: 0, rows: 0 }
    }

    /// Books a row; false when the recipe has no such source.
    pub(crate) fn book(&mut self, row: &RowRecord) -> bool {
        let Some(account) = self.accounts.iter_mut().find(|account| account.name == row.source)
        else {
            return false;
        };
        let tokens = u64::from(row.supervised);
        let units = match self.unit {
            Unit::Tokens => tokens,
            Unit::Rows => 1,
            Unit::Documents => {
                row.segments.iter().filter(|segment| segment.start == 0).count() as u64
            }
        };
        account.tokens += tokens;
        account.units += units;
        account.rows += 1;
        account.first_step.get_or_insert(row.step);
        self.tokens += tokens;
        self.units += units;
        self.rows += 1;
        // A row of one source moves the target of all.
        if let Some(plan) = self.plan {
            for (source, account) in self.accounts.iter_mut().enumerate() {
                account.compare(plan, source, self.units, row);
            }
        }
        true
    }

    /// Tokens of all sources.
    pub(crate) fn tokens(&self) -> u64 {
        self.tokens
    }

    /// Rows of all sources.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Tokens and rows of each source, by name.
    pub(crate) fn totals(&self) -> impl Iterator<Item = (&str, u64, u64)> {
        self.accounts.iter().map(|account| (account.name.as_str(), account.tokens, account.rows))
    }

    /// The accounts as they stand.
    pub(crate) fn audited(&self) -> Vec<SourceAudit> {
        let source = |(i, account): (usize, &Account)| SourceAudit {
            source: account.name.clone(),
            asked: self.plan.map(|plan| plan.target_share(i, self.units)),
            realised: account.units as f64 / self.units.max(1) as f64,
            tokens: account.tokens,
            rows: account.rows,
            epochs: self.plan.map(|plan| account.tokens as f64 / plan.available(i).max(1) as f64),
            first_step: account.first_step,
            largest_deviation: account.largest,
        };
        self.accounts.iter().enumerate().map(source).collect()
    }

    /// Sources that were more than a row away from what they were due, exactly.
    pub(crate) fn beyond_a_row(&self) -> impl Iterator<Item = (&str, Deviation)> {
        let a_row = self.plan.map_or(i128::MAX, |plan| {
            i128::from(plan.largest_row()) * i128::from(plan.targets().whole())
        });
        self.accounts
            .iter()
            .filter(move |account| account.scaled.abs() > a_row)
            .map(|account| (account.name.as_str(), account.largest))
    }
}

impl Account {
    fn compare(&mut self, plan: &Plan, source: usize, total: u64, row: &RowRecord) {
        let targets = plan.targets();
        let drawn = i128::from(self.units) * i128::from(targets.whole());
        let scaled = drawn - targets.target(source, total) as i128;
        if scaled.abs() > self.scaled.abs() {
            let units = scaled as f64 / targets.whole() as f64;
            self.scaled = scaled;
            self.largest = Deviation {
                units,
                rows: units / plan.largest_row() as f64,
                step: row.step,
                row: row.row,
            };
        }
    }
}
