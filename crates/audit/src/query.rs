//! The ledger asked in SQL.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use polars::frame::DataFrame;
use polars::prelude::{AnyValue, ParquetWriter, PolarsResult};
use polars::sql::SQLContext;
use serde_json::{Map, Value};
use temper_ledger::{LedgerReader, RunDir, Table};

use crate::dropped::{dropped, dropped_rows, truncated};
use crate::error::Error;
use crate::evals::evals;
use crate::tables::scan;

/// What a query gives.
#[derive(Clone, Debug)]
pub struct Answer {
    frame: DataFrame,
    columns: Vec<String>,
    /// Line by line, a value per column.
    lines: Vec<Vec<Value>>,
}

/// Asks the ledger of a run in SQL. Tables: `rows` (also called `ledger`), `segments`, `steps`,
/// `losses`, `measures`; `dropped`, which has how many rows of each source were not learned
/// from, by reason; `dropped_rows`, which has where the first of them stand; `truncated`, which has how many
/// conversations of each source were cut; and `evals`, which has a line per scored step and item.
///
/// Columns that the query does not need are not read.
///
/// # Errors
/// [`Error::Query`] with polars' words; [`Error::NothingRecorded`]; [`Error::Run`] when the path is
/// no run or its ledger has a gap.
pub fn query(run: &Path, sql: &str) -> Result<Answer, Error> {
    let run = RunDir::open(run)?;
    let ledger = LedgerReader::open(&run)?;
    if ledger.n_steps() == 0 {
        return Err(Error::NothingRecorded { path: ledger.folder().to_owned() });
    }
    // Evals are read whole, so only for a query that names them.
    let scores = sql.to_lowercase().contains("evals").then(|| evals(&run)).transpose()?;
    let sources = run.plan()?.map(|plan| plan.sources).unwrap_or_default();
    let asked = || -> PolarsResult<DataFrame> {
        let mut context = SQLContext::new();
        for table in Table::ALL {
            context.register(table.name(), scan(&ledger, table)?);
        }
        context.register("ledger", scan(&ledger, Table::Rows)?);
        context.register("dropped", dropped(&sources)?);
        context.register("dropped_rows", dropped_rows(&sources)?);
        context.register("truncated", truncated(&sources)?);
        if let Some(scores) = scores {
            context.register("evals", scores?);
        }
        context.execute(sql)?.collect()
    };
    let frame = asked().map_err(|cause| Error::Query { sql: sql.to_owned(), cause })?;
    Ok(Answer::of(frame))
}

impl Answer {
    fn of(frame: DataFrame) -> Self {
        let columns = frame.columns().iter().map(|column| column.name().to_string()).collect();
        let value = |column: &polars::prelude::Column, line: usize| {
            column.get(line).map_or(Value::Null, |value| json(&value))
        };
        let lines = (0..frame.height())
            .map(|line| frame.columns().iter().map(|column| value(column, line)).collect())
            .collect();
        Self { frame, columns, lines }
    }

    /// The names of the columns.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The lines, a value per column.
    pub fn lines(&self) -> &[Vec<Value>] {
        &self.lines
    }

    /// Writes the answer to a new file, CSV or Parquet by its name.
    ///
    /// # Errors
    /// [`Error::Answer`] for another name, a file that is there already, or a full disk.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let failed = |problem: String| Error::Answer { path: path.to_owned(), problem };
        let extension = path.extension().and_then(|extension| extension.to_str());
        let bytes = match extension {
            Some("csv") => self.to_csv().map_err(|error| failed(error.to_string()))?,
            Some("parquet") => {
                let mut bytes = Vec::new();
                let written = ParquetWriter::new(&mut bytes).finish(&mut self.frame.clone());
                written.map_err(|error| failed(error.to_string()))?;
                bytes
            }
            _ => return Err(failed("it is no .csv and no .parquet".to_owned())),
        };
        let file = File::create_new(path);
        let written = file.and_then(|mut file| file.write_all(&bytes));
        written.map_err(|error| failed(error.to_string()))
    }

    fn to_csv(&self) -> csv::Result<Vec<u8>> {
        let mut out = csv::Writer::from_writer(Vec::new());
        out.write_record(&self.columns)?;
        for line in &self.lines {
            // Nothing, rather than the word `null`.
            let cells =
                line.iter().map(|value| if value.is_null() { String::new() } else { cell(value) });
            out.write_record(cells)?;
        }
        out.into_inner().map_err(|error| error.into_error().into())
    }

    /// One object per line.
    pub fn to_json(&self) -> Value {
        let object = |line: &Vec<Value>| {
            let fields = self.columns.iter().cloned().zip(line.iter().cloned());
            Value::Object(fields.collect::<Map<_, _>>())
        };
        self.lines.iter().map(object).collect()
    }

    /// A table in plain text, all lines of it, numbers to the right.
    pub fn to_text(&self) -> String {
        let cells: Vec<Vec<String>> =
            self.lines.iter().map(|line| line.iter().map(cell).collect()).collect();
        let width = |i: usize| {
            let widths = cells.iter().map(|line| line[i].chars().count());
            widths.chain([self.columns[i].chars().count()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        let is_number =
            |i: usize| self.lines.iter().all(|line| line[i].is_number() || line[i].is_null());
        let mut text = String::new();
        for line in std::iter::once(&self.columns).chain(&cells) {
            let mut padded = String::new();
            for (i, cell) in line.iter().enumerate() {
                let gap = if i == 0 { "" } else { "  " };
                let width = widths[i];
                let written = if is_number(i) {
                    write!(padded, "{gap}{cell:>width$}")
                } else {
                    write!(padded, "{gap}{cell:<width$}")
                };
                written.expect("writing to a string never fails");
            }
            text.push_str(padded.trim_end());
            text.push('\n');
        }
        text
    }
}

fn cell(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Which variants there are depends on polars' features; those no query on these tables gives are
/// written as polars writes them.
#[allow(clippy::wildcard_enum_match_arm)]
fn json(value: &AnyValue<'_>) -> Value {
    match value {
        AnyValue::Null => Value::Null,
        AnyValue::Boolean(value) => (*value).into(),
        AnyValue::String(value) => (*value).into(),
        AnyValue::StringOwned(value) => value.as_str().into(),
        AnyValue::UInt64(value) => (*value).into(),
        AnyValue::Float32(_) | AnyValue::Float64(_) => {
            // JSON has no infinity and no NaN.
            value
                .extract::<f64>()
                .filter(|value| value.is_finite())
                .map_or_else(|| value.to_string().into(), Value::from)
        }
        other => other.extract::<i64>().map_or_else(|| other.to_string().into(), Value::from),
    }
}

#[cfg(test)]
mod tests;
