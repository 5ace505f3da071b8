//! Asked and realised: what each source supplied, at every prefix of the run.

use serde::Serialize;
use temper_ledger::RowRecord;
use temper_recipe::{Recipe, Share};

/// What one source supplied.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SourceAudit {
    /// The source.
    pub source: String,
    /// Its share of the mix in the recipe, 0 to 1.
    pub asked: f64,
    /// Its share of the recorded tokens, 0 to 1.
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

/// A distance from share × total, after some row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Deviation {
    /// In tokens; positive when ahead of the share.
    pub tokens: f64,
    /// In rows of the recipe's sequence length.
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
    share: Share,
    tokens: u64,
    rows: u64,
    first_step: Option<u64>,
    largest: Deviation,
    /// `largest`, exactly: the lead times the denominator of the share.
    scaled: i128,
}

/// The accounts of all sources.
#[derive(Debug)]
pub(crate) struct Accounts {
    accounts: Vec<Account>,
    total: u64,
    rows: u64,
    row_len: u64,
}

impl Accounts {
    pub(crate) fn new(recipe: &Recipe) -> Self {
        let account = |source: &temper_recipe::Source| Account {
            name: source.corpus.clone(),
            share: source.share,
            tokens: 0,
            rows: 0,
            first_step: None,
            largest: Deviation::default(),
            scaled: 0,
        };
        Self {
            accounts: recipe.mixture.sources.iter().map(account).collect(),
            total: 0,
            rows: 0,
            row_len: recipe.training.sequence_length as u64,
        }
    }

    /// Books a row; false when the recipe has no such source.
    pub(crate) fn book(&mut self, row: &RowRecord) -> bool {
        let Some(account) = self.accounts.iter_mut().find(|account| account.name == row.source)
        else {
            return false;
        };
        let tokens = u64::from(row.supervised);
        account.tokens += tokens;
        account.rows += 1;
        account.first_step.get_or_insert(row.step);
        self.total += tokens;
        self.rows += 1;
        // A row of one source moves the target of all.
        for account in &mut self.accounts {
            account.compare(self.total, self.row_len, row);
        }
        true
    }

    /// Tokens of all sources.
    pub(crate) fn tokens(&self) -> u64 {
        self.total
    }

    /// Rows of all sources.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    /// Tokens and rows of each source, by name.
    pub(crate) fn totals(&self) -> impl Iterator<Item = (&str, u64, u64)> {
        self.accounts.iter().map(|account| (account.name.as_str(), account.tokens, account.rows))
    }

    /// The accounts as they stand; `available` gives the tokens of one pass over a source.
    pub(crate) fn audited(&self, available: impl Fn(usize) -> Option<u64>) -> Vec<SourceAudit> {
        let source = |(i, account): (usize, &Account)| SourceAudit {
            source: account.name.clone(),
            asked: account.share.as_f64(),
            realised: account.tokens as f64 / self.total.max(1) as f64,
            tokens: account.tokens,
            rows: account.rows,
            epochs: available(i).map(|tokens| account.tokens as f64 / tokens.max(1) as f64),
            first_step: account.first_step,
            largest_deviation: account.largest,
        };
        self.accounts.iter().enumerate().map(source).collect()
    }

    /// Sources that were more than a row away from their share, exactly.
    pub(crate) fn beyond_a_row(&self) -> impl Iterator<Item = (&str, Deviation)> {
        let row_len = i128::from(self.row_len);
        self.accounts
            .iter()
            .filter(move |account| {
                account.scaled.abs() > row_len * i128::from(account.share.denominator())
            })
            .map(|account| (account.name.as_str(), account.largest))
    }
}

impl Account {
    fn compare(&mut self, total: u64, row_len: u64, row: &RowRecord) {
        let (numerator, denominator) = (self.share.numerator(), self.share.denominator());
        let drawn = i128::from(self.tokens) * i128::from(denominator);
        let scaled = drawn - i128::from(total) * i128::from(numerator);
        if scaled.abs() > self.scaled.abs() {
            let tokens = scaled as f64 / denominator as f64;
            self.scaled = scaled;
            self.largest =
                Deviation { tokens, rows: tokens / row_len as f64, step: row.step, row: row.row };
        }
    }
}
