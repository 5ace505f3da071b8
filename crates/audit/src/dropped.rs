//! The rows that a run did not learn from, and those that it cut, as tables.

use polars::frame::DataFrame;
use polars::prelude::{Column, IntoLazy as _, LazyFrame, NamedFrom as _, PolarsResult, Series};
use temper_ledger::{DroppedRow, SourceData};

/// Of a plan's sources, a line per source and reason: source, reason, rows.
pub(crate) fn dropped(sources: &[SourceData]) -> PolarsResult<LazyFrame> {
    let (mut names, mut reasons, mut rows) = (Vec::new(), Vec::new(), Vec::new());
    for data in sources {
        for (reason, n) in data.all_dropped() {
            names.push(data.source.as_str());
            reasons.push(reason);
            rows.push(n as i64);
        }
    }
    table(vec![
        Series::new("source".into(), names).into(),
        Series::new("reason".into(), reasons).into(),
        Series::new("rows".into(), rows).into(),
    ])
}

/// A line per row that is named: source, reason, file, row_group, group_row, as in `segments`.
pub(crate) fn dropped_rows(sources: &[SourceData]) -> PolarsResult<LazyFrame> {
    let named = || {
        sources.iter().flat_map(|data| data.dropped_rows.iter().map(move |row| (&data.source, row)))
    };
    let texts = |name: &str, of: fn(&(&String, &DroppedRow)) -> String| -> Column {
        Series::new(name.into(), named().map(|row| of(&row)).collect::<Vec<_>>()).into()
    };
    let numbers = |name: &str, of: fn(&DroppedRow) -> u32| -> Column {
        Series::new(name.into(), named().map(|(_, row)| of(row)).collect::<Vec<_>>()).into()
    };
    table(vec![
        texts("source", |(source, _)| (*source).clone()),
        texts("reason", |(_, row)| row.reason.clone()),
        numbers("file", |row| row.file),
        numbers("row_group", |row| row.row_group),
        numbers("group_row", |row| row.row),
    ])
}

/// A line per source of which documents are cut because they are longer than a row: source, rows.
pub(crate) fn truncated(sources: &[SourceData]) -> PolarsResult<LazyFrame> {
    let n = |data: &SourceData| data.too_long.map_or(0, |too_long| too_long.truncated) as i64;
    let cut: Vec<&SourceData> = sources.iter().filter(|data| n(data) > 0).collect();
    let names: Vec<&str> = cut.iter().map(|data| data.source.as_str()).collect();
    let rows: Vec<i64> = cut.iter().map(|data| n(data)).collect();
    table(vec![Series::new("source".into(), names).into(), Series::new("rows".into(), rows).into()])
}

fn table(columns: Vec<Column>) -> PolarsResult<LazyFrame> {
    Ok(DataFrame::new_infer_height(columns)?.lazy())
}
