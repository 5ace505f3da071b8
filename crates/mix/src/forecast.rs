//! What a run will draw, before it draws it.

use crate::plan::Plan;

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
    /// The step that has its first row; `None` when the run ends before it appears.
    pub first_step: Option<u64>,
    /// The largest distance from share × total at any row of the run, in tokens.
    pub largest_deviation: f64,
}

impl Forecast {
    pub(crate) fn of(plan: &Plan) -> Self {
        let mut walk = plan.walk(&plan.start()).expect("a plan's own start is never foreign");
        let mut sources: Vec<SourceForecast> = plan
            .sources()
            .iter()
            .map(|source| SourceForecast {
                name: source.name.clone(),
                share: source.share.as_f64(),
                tokens: 0,
                rows: 0,
                epochs: 0.0,
                first_step: None,
                largest_deviation: 0.0,
            })
            .collect();
        let (mut rows, mut tokens) = (0, 0);
        let rows_per_step = plan.spec.rows_per_step as u64;
        while !plan.is_over(rows / rows_per_step, tokens) {
            let Some(row) = walk.next_row() else { break };
            let drawn_from = &mut sources[row.source];
            drawn_from.rows += 1;
            drawn_from.first_step.get_or_insert(rows / rows_per_step);
            rows += 1;
            tokens += row.tokens();
            for (source, lead) in sources.iter_mut().zip(walk.leads()) {
                source.largest_deviation = source.largest_deviation.max(lead.abs());
            }
        }
        for (i, source) in sources.iter_mut().enumerate() {
            source.tokens = walk.drawn()[i];
            source.epochs = source.tokens as f64 / plan.available(i) as f64;
        }
        let positions = rows * plan.spec.sequence_length as u64;
        Self {
            steps: rows.div_ceil(rows_per_step),
            tokens,
            rows,
            fill: tokens as f64 / positions.max(1) as f64,
            sources,
        }
    }
}
