//! What a run will draw, before it draws it.

use crate::error::Error;
use crate::plan::Plan;

/// What a plan draws from its start on, or its beginning.
#[derive(Clone, Debug, PartialEq)]
pub struct Forecast {
    /// Optimizer steps.
    pub steps: u64,
    /// Tokens that carry loss.
    pub tokens: u64,
    /// Rows.
    pub rows: u64,
    /// Positions whose token carries loss, 0 to 1; the others are padding, and what is only read.
    pub fill: f64,
    /// One per source, in the order of the plan.
    pub sources: Vec<SourceForecast>,
}

/// What a run draws from one source.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceForecast {
    /// The source.
    pub name: String,
    /// Of the whole plan, as asked: the mean over its phases.
    pub share: f64,
    /// Tokens that carry loss.
    pub tokens: u64,
    /// What shares count.
    pub units: u64,
    /// Rows.
    pub rows: u64,
    /// Of what its part of the plan draws, in what shares count, 0 to 1.
    pub realised: f64,
    /// Passes over the documents, in tokens.
    pub epochs: f64,
    /// The step that has its first row, since step 0 of the run.
    pub first_step: u64,
    /// The largest distance from its target after any row of the run, in units.
    pub largest_deviation: f64,
}

impl Forecast {
    /// Walks `steps` steps of `plan`, or to its end, counting.
    ///
    /// # Errors
    /// [`Error::TooFewTokens`] at the row that a source owes and does not have.
    pub(crate) fn of(plan: &Plan, steps: u64) -> Result<Self, Error> {
        let own = Self::of_mix(plan, steps)?;
        let Some(replay) = &plan.replay else { return Ok(own) };
        let beside = Self::of_mix(replay, own.steps)?;
        let positions = |of: &Self, plan: &Plan| (of.rows * plan.sequence_length() as u64) as f64;
        let (here, there) = (positions(&own, plan), positions(&beside, replay));
        Ok(Self {
            steps: own.steps,
            tokens: own.tokens + beside.tokens,
            rows: own.rows + beside.rows,
            fill: (own.fill * here + beside.fill * there) / (here + there).max(1.0),
            sources: [own.sources, beside.sources].concat(),
        })
    }

    /// Without what is drawn beside it.
    fn of_mix(plan: &Plan, steps: u64) -> Result<Self, Error> {
        let start = plan.start();
        let mut walk = plan.walk(start)?;
        let mut sources: Vec<SourceForecast> = plan
            .spec
            .sources
            .iter()
            .map(|source| SourceForecast {
                name: source.name.clone(),
                share: 0.0,
                tokens: 0,
                units: 0,
                rows: 0,
                realised: 0.0,
                epochs: 0.0,
                first_step: 0,
                largest_deviation: 0.0,
            })
            .collect();
        let rows_per_step = plan.rows_per_step() as u64;
        let (mut rows, mut tokens) = (0, 0);
        let drawn_before = start.own_tokens();
        let is_over = |rows: u64, tokens: u64| {
            let steps = rows / rows_per_step;
            plan.is_over(start.step + steps, drawn_before + tokens)
        };
        while rows / rows_per_step < steps && !is_over(rows, tokens) {
            let next = walk.next_source();
            // Between its rows a source only falls behind: it is furthest off just before or after.
            let before = next.map_or(0.0, |source| walk.accounts().lead(source).abs());
            let drawn = walk.skip_row().filter(|_| walk.keeps_shares());
            let Some((source, size)) = drawn else {
                let units = plan.expected_units(rows, walk.accounts().total());
                return Err(Error::TooFewTokens { shortages: plan.shortages(units) });
            };
            let after = walk.accounts().lead(source).abs();
            let drawn_from = &mut sources[source];
            if drawn_from.rows == 0 {
                drawn_from.first_step = start.step + rows / rows_per_step;
            }
            drawn_from.rows += 1;
            drawn_from.tokens += u64::from(size.tokens);
            drawn_from.units += u64::from(size.units);
            drawn_from.largest_deviation = drawn_from.largest_deviation.max(before).max(after);
            rows += 1;
            tokens += u64::from(size.tokens);
        }
        let units = walk.accounts().total();
        let units_drawn: u64 = sources.iter().map(|source| source.units).sum();
        for (i, source) in sources.iter_mut().enumerate() {
            let at_the_end = walk.accounts().lead(i).abs();
            source.largest_deviation = source.largest_deviation.max(at_the_end);
            source.realised = source.units as f64 / units_drawn.max(1) as f64;
            source.share = plan.target_share(i, units);
            source.epochs = source.tokens as f64 / plan.available(i) as f64;
        }
        let positions = rows * plan.sequence_length() as u64;
        let fill = tokens as f64 / positions.max(1) as f64;
        Ok(Self { steps: rows.div_ceil(rows_per_step), tokens, rows, fill, sources })
    }
}
