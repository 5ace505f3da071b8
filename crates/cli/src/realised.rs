//! The asked mix beside the realised one.

use serde::Serialize;
use temper_mix::{Cursor, Error, Plan, SourceForecast};

use crate::print::{Table, thousands};
use crate::tables::{deviation, percent};

/// What one source supplied.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Realised {
    source: String,
    /// Of the mix, 0 to 1.
    asked: f64,
    /// Of what was drawn, 0 to 1.
    realised: f64,
    tokens: u64,
    epochs: f64,
    /// The largest distance from what it was due, after any row, in what shares count.
    largest_deviation: f64,
}

/// Walks the plan again up to `end` and accounts for every row; of a run with remixes, since the last.
pub(crate) fn realised(plan: &Plan, end: &Cursor) -> Result<Vec<Realised>, Error> {
    let counted = plan.counted(end.step - plan.start().step)?;
    let source = |source: &SourceForecast| Realised {
        source: source.name.clone(),
        asked: source.share,
        realised: source.realised,
        tokens: source.tokens,
        epochs: source.epochs,
        largest_deviation: source.largest_deviation,
    };
    Ok(counted.sources.iter().map(source).collect())
}

/// For a person.
pub(crate) fn table(sources: &[Realised], plan: &Plan) -> String {
    let mut table =
        Table::new(&["source", "asked", "realised", "tokens", "epochs", "largest deviation"]);
    for (at, source) in sources.iter().enumerate() {
        table.row(vec![
            source.source.clone(),
            percent(source.asked),
            format!("{:.2} %", 100.0 * source.realised),
            thousands(source.tokens),
            format!("{:.2}", source.epochs),
            deviation(source.largest_deviation, plan.part(at).0),
        ]);
    }
    table.to_string()
}
