//! What a run will draw, before it draws it.

use temper_recipe::Share;

use crate::error::{Error, NeverDrawn};
use crate::plan::{Plan, PlanSource};

/// The whole run in numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Forecast {
    /// Optimizer steps.
    pub steps: u64,
    /// Tokens that carry loss.
    pub tokens: u64,
    /// Rows.
    pub rows: u64,
    /// Positions that hold a token rather than padding, 0 to 1.
    pub fill: f64,
    /// One per source, in the order of the plan.
    pub sources: Vec<SourceForecast>,
}

/// What a run draws from one source.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceForecast {
    /// The source.
    pub name: String,
    /// Of the whole mix, as asked.
    pub share: f64,
    /// Tokens that carry loss.
    pub tokens: u64,
    /// Rows.
    pub rows: u64,
    /// Passes over the documents, in tokens.
    pub epochs: f64,
    /// The step that has its first row.
    pub first_step: u64,
    /// The largest distance from share × total at any row of the run, in tokens.
    pub largest_deviation: f64,
}

impl Forecast {
    /// Before the first row.
    pub(crate) fn nothing(sources: &[PlanSource]) -> Self {
        let source = |source: &PlanSource| SourceForecast {
            name: source.name.clone(),
            share: source.share.as_f64(),
            tokens: 0,
            rows: 0,
            epochs: 0.0,
            first_step: 0,
            largest_deviation: 0.0,
        };
        let sources = sources.iter().map(source).collect();
        Self { steps: 0, tokens: 0, rows: 0, fill: 0.0, sources }
    }

    /// Walks `plan` to its end.
    ///
    /// # Errors
    /// [`Error::TooFewTokens`] at the row that a source owes and does not have;
    /// [`Error::NeverDrawn`] at the end.
    pub(crate) fn of(plan: &Plan) -> Result<Self, Error> {
        let mut walk = plan.walk(&plan.start())?;
        let mut forecast = Self::nothing(plan.sources());
        let rows_per_step = plan.spec.rows_per_step as u64;
        while !plan.is_over(forecast.rows / rows_per_step, forecast.tokens) {
            let Some(row) = walk.next_row().filter(|_| walk.keeps_shares()) else {
                let total = plan.expected_tokens(forecast.rows, walk.drawn().iter().sum());
                return Err(Error::TooFewTokens { shortages: plan.shortages(total) });
            };
            let drawn_from = &mut forecast.sources[row.source];
            if drawn_from.rows == 0 {
                drawn_from.first_step = forecast.rows / rows_per_step;
            }
            drawn_from.rows += 1;
            forecast.rows += 1;
            forecast.tokens += row.tokens();
            for (source, lead) in forecast.sources.iter_mut().zip(walk.leads()) {
                source.largest_deviation = source.largest_deviation.max(lead.abs());
            }
        }
        for (i, source) in forecast.sources.iter_mut().enumerate() {
            source.tokens = walk.drawn()[i];
            source.epochs = source.tokens as f64 / plan.available(i) as f64;
        }
        forecast.refuse_never_drawn(plan)?;
        forecast.steps = forecast.rows.div_ceil(rows_per_step);
        let positions = forecast.rows * plan.spec.sequence_length as u64;
        forecast.fill = forecast.tokens as f64 / positions as f64;
        Ok(forecast)
    }

    fn refuse_never_drawn(&self, plan: &Plan) -> Result<(), Error> {
        let drawn = plan.sources().iter().zip(&self.sources);
        let never = drawn.filter(|(_, drawn)| drawn.rows == 0).map(|(source, _)| NeverDrawn {
            source: source.name.clone(),
            share: source.share,
            tokens: self.tokens,
            sequence_length: plan.sequence_length(),
            smallest_budget: sure_to_draw(source.share, plan.sequence_length()),
        });
        let sources: Vec<NeverDrawn> = never.collect();
        if sources.is_empty() { Ok(()) } else { Err(Error::NeverDrawn { sources }) }
    }
}

/// The least total of which `share` is more than a row: nobody is further behind than that.
fn sure_to_draw(share: Share, row_len: usize) -> u64 {
    let (numerator, denominator) = (u128::from(share.numerator()), u128::from(share.denominator()));
    let total = row_len as u128 * denominator / numerator.max(1) + 1;
    u64::try_from(total).unwrap_or(u64::MAX)
}
