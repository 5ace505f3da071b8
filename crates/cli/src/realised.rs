//! The asked mix beside the realised one.

use serde::Serialize;
use temper_mix::{Cursor, Error, Plan};

use crate::print::{Table, thousands};
use crate::tables::{deviation, percent};

/// What one source supplied.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Realised {
    source: String,
    /// Of the mix, 0 to 1.
    asked: f64,
    /// Of the tokens drawn, 0 to 1.
    realised: f64,
    tokens: u64,
    epochs: f64,
    /// The largest distance from share × total after any row.
    largest_deviation_tokens: f64,
}

/// Walks the plan again up to `end` and accounts for every row.
pub(crate) fn realised(plan: &Plan, end: &Cursor) -> Result<Vec<Realised>, Error> {
    let shares: Vec<f64> = plan.sources().iter().map(|source| source.share.as_f64()).collect();
    let mut drawn = vec![0_u64; shares.len()];
    let mut largest = vec![0.0_f64; shares.len()];
    let (mut total, steps) = (0, plan.walk(&plan.start())?.take(end.step as usize));
    for row in steps.flat_map(|step| step.rows) {
        drawn[row.source] += row.tokens();
        total += row.tokens();
        for (source, share) in shares.iter().enumerate() {
            largest[source] =
                largest[source].max((drawn[source] as f64 - share * total as f64).abs());
        }
    }
    let sources = plan.sources().iter().enumerate().map(|(i, source)| Realised {
        source: source.name.clone(),
        asked: shares[i],
        realised: drawn[i] as f64 / total.max(1) as f64,
        tokens: drawn[i],
        epochs: drawn[i] as f64 / plan.available(i) as f64,
        largest_deviation_tokens: largest[i],
    });
    Ok(sources.collect())
}

/// For a person.
pub(crate) fn table(sources: &[Realised], row_len: usize) -> String {
    let mut table =
        Table::new(&["source", "asked", "realised", "tokens", "epochs", "largest deviation"]);
    for source in sources {
        table.row(vec![
            source.source.clone(),
            percent(source.asked),
            format!("{:.2} %", 100.0 * source.realised),
            thousands(source.tokens),
            format!("{:.2}", source.epochs),
            deviation(source.largest_deviation_tokens, row_len),
        ]);
    }
    table.to_string()
}
