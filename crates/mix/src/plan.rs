//! A mix that can be kept: checked once, then walked.

use std::sync::Arc;

use temper_recipe::{Budget, Recipe, Share};
use temper_tokens::TokenSource;

use crate::choose::Accounts;
use crate::cursor::Cursor;
use crate::error::{Error, Shortage};
use crate::forecast::Forecast;
use crate::rows::RowSpec;
use crate::walk::Walk;

/// What a plan is made of, besides the tokens.
#[derive(Clone, Debug)]
pub struct PlanSpec {
    /// The recipe's seed.
    pub seed: u64,
    /// When the run is over.
    pub budget: Budget,
    /// Positions per row.
    pub sequence_length: usize,
    /// Rows per step.
    pub rows_per_step: usize,
    /// Documents that are packed together.
    pub packing_window: usize,
    /// Shares must sum to one.
    pub sources: Vec<PlanSource>,
}

/// One source of a plan.
#[derive(Clone, Debug)]
pub struct PlanSource {
    /// Its order depends on its name, not on its place: arms of a comparison share it.
    pub name: String,
    /// Of the whole mix.
    pub share: Share,
    /// Passes over its documents that the plan may use.
    pub max_epochs: u32,
}

impl PlanSpec {
    /// The mix of `recipe` for `budget`, which is the recipe's own unless the run was extended.
    pub fn new(recipe: &Recipe, budget: Budget) -> Self {
        let sources = recipe.mixture.sources.iter().map(|source| PlanSource {
            name: source.corpus.clone(),
            share: source.share,
            max_epochs: source.max_epochs,
        });
        Self {
            seed: recipe.seed,
            budget,
            sequence_length: recipe.training.sequence_length,
            rows_per_step: recipe.training.global_batch_size,
            packing_window: recipe.mixture.packing_window,
            sources: sources.collect(),
        }
    }
}

/// A feasible mix.
///
/// It maintains the invariants named in the crate's documentation.
pub struct Plan {
    pub(crate) spec: PlanSpec,
    pub(crate) tokens: Vec<Arc<dyn TokenSource + Send>>,
    available: Vec<u64>,
    /// In tokens or steps; an asked number of epochs has become tokens.
    budget: Budget,
    forecast: Forecast,
}

impl Plan {
    /// Walks the whole run once, without reading a token: every source has rows to its end.
    ///
    /// `tokens` are the documents of `spec.sources`, in that order. Packs all windows of the run. A
    /// budget in epochs becomes one in tokens here.
    ///
    /// # Errors
    /// [`Error::TooFewTokens`] names every source that falls short, [`Error::NeverDrawn`] every
    /// source whose share rounds to nothing, both with the ways out.
    pub fn new(spec: PlanSpec, tokens: Vec<Arc<dyn TokenSource + Send>>) -> Result<Self, Error> {
        assert_eq!(spec.sources.len(), tokens.len(), "one token source per source");
        let available: Vec<u64> = tokens.iter().map(|source| positions(source.as_ref())).collect();
        for (source, (tokens, available)) in spec.sources.iter().zip(tokens.iter().zip(&available))
        {
            if *available == 0 {
                let n_documents = tokens.n_documents();
                return Err(Error::NothingToPredict {
                    source_name: source.name.clone(),
                    n_documents,
                });
            }
        }
        let shares: Vec<Share> = spec.sources.iter().map(|source| source.share).collect();
        let n_sources = shares.len();
        Accounts::new(&shares, 1, vec![0; n_sources]).ok_or(Error::SharesTooFine { n_sources })?;
        let budget = in_tokens_or_steps(spec.budget, &spec.sources, &available);
        let forecast = Forecast::nothing(&spec.sources);
        let mut plan = Self { spec, tokens, available, budget, forecast };
        // Before the walk: a budget far beyond the corpora is refused at once.
        if let Budget::Tokens(tokens) = budget {
            let shortages = plan.shortages(tokens);
            if !shortages.is_empty() {
                return Err(Error::TooFewTokens { shortages });
            }
        }
        plan.forecast = Forecast::of(&plan)?;
        Ok(plan)
    }

    /// The sources that cannot supply their shares of `total` tokens.
    pub(crate) fn shortages(&self, total: u64) -> Vec<Shortage> {
        let sources = self.spec.sources.iter().zip(&self.available);
        sources.filter_map(|(source, available)| shortage(source, *available, total)).collect()
    }

    /// The sources, in the order that rows and cursors number them.
    pub fn sources(&self) -> &[PlanSource] {
        &self.spec.sources
    }

    /// Tokens that one pass over `source` gives.
    pub fn available(&self, source: usize) -> u64 {
        self.available[source]
    }

    /// The documents of `source`.
    pub fn tokens(&self, source: usize) -> &dyn TokenSource {
        self.tokens[source].as_ref()
    }

    /// Positions per row.
    pub fn sequence_length(&self) -> usize {
        self.spec.sequence_length
    }

    /// The cursor before step 0.
    pub fn start(&self) -> Cursor {
        Cursor::start(self.spec.sources.len())
    }

    /// The steps from `cursor` on.
    ///
    /// # Errors
    /// [`Error::ForeignCursor`] when the cursor belongs to another mix.
    pub fn walk(&self, cursor: &Cursor) -> Result<Walk<'_>, Error> {
        Walk::new(self, cursor)
    }

    /// What the whole run will draw, as [`Plan::new`] counted it.
    pub fn forecast(&self) -> Forecast {
        self.forecast.clone()
    }

    /// The share of the budget behind `cursor`, 0 to 1.
    pub fn progress(&self, cursor: &Cursor) -> f64 {
        let part = match self.budget {
            Budget::Tokens(tokens) => cursor.tokens() as f64 / tokens.max(1) as f64,
            Budget::Steps(steps) => cursor.step as f64 / steps.max(1) as f64,
            Budget::Epochs(_) => unreachable!("resolved in Plan::new"),
        };
        part.min(1.0)
    }

    /// Tokens of the whole run, judged from its first `rows` rows of `tokens` tokens.
    pub(crate) fn expected_tokens(&self, rows: u64, tokens: u64) -> u64 {
        match self.budget {
            Budget::Tokens(budget) => budget,
            Budget::Steps(steps) => {
                let all = u128::from(steps) * self.spec.rows_per_step as u128;
                let expected = (all * u128::from(tokens)).div_ceil(u128::from(rows.max(1)));
                u64::try_from(expected).unwrap_or(u64::MAX)
            }
            Budget::Epochs(_) => unreachable!("resolved in Plan::new"),
        }
    }

    pub(crate) fn is_over(&self, step: u64, tokens: u64) -> bool {
        match self.budget {
            Budget::Tokens(budget) => tokens >= budget,
            Budget::Steps(steps) => step >= steps,
            Budget::Epochs(_) => unreachable!("resolved in Plan::new"),
        }
    }

    pub(crate) fn accounts(&self, cursor: &Cursor) -> Accounts {
        let shares: Vec<Share> = self.spec.sources.iter().map(|source| source.share).collect();
        let drawn = cursor.sources.iter().map(|source| source.drawn).collect();
        Accounts::new(&shares, self.spec.sequence_length as u64, drawn)
            .expect("a common denominator was found in Plan::new")
    }

    pub(crate) fn row_spec(&self, source: usize) -> RowSpec {
        RowSpec {
            seed: self.spec.seed,
            source: self.spec.sources[source].name.clone(),
            row_len: u32::try_from(self.spec.sequence_length).expect("the recipe allows 2^20"),
            window: self.spec.packing_window as u64,
            max_epochs: self.spec.sources[source].max_epochs,
        }
    }
}

impl std::fmt::Debug for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plan").field("spec", &self.spec).finish_non_exhaustive()
    }
}

/// Positions of all documents: the tokens that can carry loss.
fn positions(source: &dyn TokenSource) -> u64 {
    (0..source.n_documents())
        .map(|document| source.document_len(document).saturating_sub(1) as u64)
        .sum()
}

/// Epochs count passes over the source that is used up first.
fn in_tokens_or_steps(budget: Budget, sources: &[PlanSource], available: &[u64]) -> Budget {
    let Budget::Epochs(epochs) = budget else { return budget };
    let tokens = sources
        .iter()
        .zip(available)
        .map(|(source, available)| epochs * *available as f64 / source.share.as_f64())
        .fold(f64::INFINITY, f64::min);
    Budget::Tokens(tokens as u64)
}

fn shortage(source: &PlanSource, available: u64, total: u64) -> Option<Shortage> {
    let (numerator, denominator) =
        (u128::from(source.share.numerator()), u128::from(source.share.denominator()));
    let supply = u128::from(available) * u128::from(source.max_epochs);
    let needed = (u128::from(total) * numerator).div_ceil(denominator);
    (needed > supply).then(|| Shortage {
        source: source.name.clone(),
        needed: needed as u64,
        available,
        max_epochs: source.max_epochs,
        largest_budget: (supply * denominator / numerator) as u64,
    })
}

#[cfg(test)]
mod tests;
