//! The rows that a run could not learn from, as a table, a line per source and reason.

use polars::frame::DataFrame;
use polars::prelude::{Column, IntoLazy as _, LazyFrame, NamedFrom as _, PolarsResult, Series};
use temper_ledger::SourceData;

/// Of a plan's sources: source, reason, rows.
pub(crate) fn dropped(sources: &[SourceData]) -> PolarsResult<LazyFrame> {
    let (mut names, mut reasons, mut rows) = (Vec::new(), Vec::new(), Vec::new());
    for SourceData { source, dropped, .. } in sources {
        for (reason, n) in dropped {
            names.push(source.as_str());
            reasons.push(reason.as_str());
            rows.push(*n as i64);
        }
    }
    let columns: Vec<Column> = vec![
        Series::new("source".into(), names).into(),
        Series::new("reason".into(), reasons).into(),
        Series::new("rows".into(), rows).into(),
    ];
    Ok(DataFrame::new_infer_height(columns)?.lazy())
}
