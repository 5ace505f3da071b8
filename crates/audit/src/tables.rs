//! The ledger's tables in polars, read lazily.

use polars::prelude::{
    DataType, Expr, IntoLazy as _, LazyFrame, PlRefPath, PolarsResult, ScanArgsParquet,
    ScanSources, col, lit,
};
use temper_ledger::{LedgerReader, Table};

/// All lines of `table`, read when they are asked for.
///
/// Whole numbers come as 64-bit signed ones: sums of 32 bits would wrap around after 4 billion
/// tokens, and differences of unsigned numbers below zero.
pub(crate) fn scan(ledger: &LedgerReader, table: Table) -> PolarsResult<LazyFrame> {
    let mut paths = Vec::with_capacity(ledger.parts().len());
    for part in ledger.parts() {
        paths.push(PlRefPath::try_from_path(part.file(table))?);
    }
    let args = ScanArgsParquet { glob: false, ..ScanArgsParquet::default() };
    let mut lines =
        LazyFrame::scan_parquet_sources(ScanSources::Paths(paths.into_iter().collect()), args)?;
    // An interrupted run may have lines of a step that it did not finish writing.
    let within = col("step").lt(lit(ledger.n_steps()));
    // A ledger of an earlier version may lack a column.
    let columns = lines.collect_schema()?;
    let integers = integers(table).iter().filter(|name| columns.contains(name));
    let integers = integers.map(|name| col(*name).cast(DataType::Int64));
    Ok(lines.filter(within).with_columns(integers.collect::<Vec<Expr>>()))
}

fn integers(table: Table) -> &'static [&'static str] {
    match table {
        Table::Rows => &["step", "row", "lane", "epoch", "tokens", "supervised", "refills"],
        Table::Segments => &[
            "step",
            "row",
            "segment",
            "document",
            "file",
            "row_group",
            "group_row",
            "start",
            "length",
        ],
        Table::Steps => &["step", "tokens"],
        Table::Losses => &["step", "tokens"],
        Table::Measures => &["step"],
    }
}

/// What one source has in a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SourceTotal {
    pub(crate) source: String,
    pub(crate) lines: u64,
    pub(crate) tokens: u64,
}

/// Lines and tokens of each source in `table`, by name; `tokens` is the column to sum.
pub(crate) fn source_totals(
    ledger: &LedgerReader,
    table: Table,
    tokens: &str,
) -> PolarsResult<Vec<SourceTotal>> {
    let totals = scan(ledger, table)?
        .group_by([col("source")])
        .agg([
            col(tokens).sum().alias("tokens"),
            col(tokens).count().cast(DataType::Int64).alias("lines"),
        ])
        .collect()?
        .lazy()
        .sort(["source"], polars::prelude::SortMultipleOptions::default())
        .collect()?;
    let (source, tokens, lines) = (
        totals.column("source")?.str()?,
        totals.column("tokens")?.i64()?,
        totals.column("lines")?.i64()?,
    );
    let total = |i: usize| SourceTotal {
        source: source.get(i).unwrap_or_default().to_owned(),
        lines: lines.get(i).unwrap_or_default() as u64,
        tokens: tokens.get(i).unwrap_or_default() as u64,
    };
    Ok((0..totals.height()).map(total).collect())
}
