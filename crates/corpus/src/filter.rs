//! Which rows of a file are documents: those that meet the manifest's condition and its sampling.

use std::fs::File;
use std::path::Path;

use arrow::array::{Array as _, ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray};
use arrow::compute::kernels::cmp;
use arrow::compute::{and_kleene, cast, is_null, like, not, or_kleene};
use arrow::datatypes::DataType;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use temper_recipe::{Comparison, Condition, Digest, Manifest, Predicate, Scalar};

use crate::error::Error;

/// What a manifest says of its rows.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    corpus: String,
    condition: Option<Condition>,
    /// A row is kept when its hash is below this; `None` keeps all.
    below: Option<u64>,
    /// At most so many documents, the first ones.
    pub(crate) most: Option<u64>,
}

impl Filter {
    /// The filter of a manifest; `None` where it keeps every row.
    pub(crate) fn of(manifest: &Manifest) -> Option<Self> {
        let Manifest { id, condition, fraction, max_documents, .. } = manifest;
        if condition.is_none() && fraction.is_none() && max_documents.is_none() {
            return None;
        }
        let below = fraction.filter(|fraction| *fraction < 1.0);
        Some(Self {
            corpus: id.clone(),
            condition: condition.clone(),
            below: below.map(|fraction| (fraction * 2.0_f64.powi(64)) as u64),
            most: *max_documents,
        })
    }

    /// What decides which rows are kept, for the name of their shards.
    pub(crate) fn key(&self) -> String {
        let Self { condition, below, most, .. } = self;
        let condition = condition.as_ref().map_or("", Condition::text);
        format!("where {condition} below {below:?} most {most:?}")
    }

    /// Which rows of each row group of a file are kept, before `most` is looked at.
    ///
    /// # Errors
    /// [`Error::Filter`] for a column that is not there or of a type that is not compared so;
    /// [`Error::Read`], [`Error::NotParquet`].
    pub(crate) fn rows(
        &self,
        path: &Path,
        file: u32,
        n_rows: &[u64],
    ) -> Result<Vec<Vec<bool>>, Error> {
        let mut kept: Vec<Vec<bool>> = n_rows.iter().map(|n| vec![true; *n as usize]).collect();
        if let Some(condition) = &self.condition {
            self.meet(condition, path, &mut kept)?;
        }
        if let Some(below) = self.below {
            for (row_group, rows) in kept.iter_mut().enumerate() {
                for (row, kept) in rows.iter_mut().enumerate() {
                    *kept = *kept && self.hash(file, row_group, row) < below;
                }
            }
        }
        Ok(kept)
    }

    /// A number that depends on the corpus and the place of the row alone.
    fn hash(&self, file: u32, row_group: usize, row: usize) -> u64 {
        let place = format!("{}:{file}:{row_group}:{row}", self.corpus);
        let digest = Digest::of(place.as_bytes());
        u64::from_le_bytes(digest.bytes()[..8].try_into().expect("a digest has 32 bytes"))
    }

    fn meet(
        &self,
        condition: &Condition,
        path: &Path,
        kept: &mut [Vec<bool>],
    ) -> Result<(), Error> {
        let refused = |problem: String| Error::Filter { path: path.to_owned(), problem };
        let open =
            || File::open(path).map_err(|source| Error::Read { path: path.to_owned(), source });
        let bytes = open()?.metadata().map_or(0, |metadata| metadata.len());
        let damaged = |source| Error::NotParquet { path: path.to_owned(), bytes, source };
        for (row_group, kept) in kept.iter_mut().enumerate() {
            let builder = ParquetRecordBatchReaderBuilder::try_new(open()?).map_err(damaged)?;
            let present: Vec<String> =
                builder.schema().fields().iter().map(|field| field.name().clone()).collect();
            if let Some(missing) =
                condition.columns().into_iter().find(|name| !present.iter().any(|has| has == name))
            {
                let present = present.join("`, `");
                return Err(refused(format!("no column `{missing}`, it has `{present}`")));
            }
            let columns = condition.columns();
            let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
            let reader = builder.with_projection(mask).with_row_groups(vec![row_group]).build();
            let mut row = 0;
            for batch in reader.map_err(damaged)? {
                let batch = batch.map_err(|error| refused(error.to_string()))?;
                let holds = holds(condition.predicate(), &batch).map_err(refused)?;
                for holds in &holds {
                    // What is neither true nor false is not met, as in SQL.
                    kept[row] = holds == Some(true);
                    row += 1;
                }
            }
        }
        Ok(())
    }
}

/// Per row: true, false, or neither where a value is missing.
fn holds(predicate: &Predicate, batch: &RecordBatch) -> Result<BooleanArray, String> {
    let found = match predicate {
        Predicate::And(a, b) => and_kleene(&holds(a, batch)?, &holds(b, batch)?),
        Predicate::Or(a, b) => or_kleene(&holds(a, batch)?, &holds(b, batch)?),
        Predicate::Not(predicate) => not(&holds(predicate, batch)?),
        Predicate::IsNull(name) => is_null(column(batch, name)?),
        Predicate::IsTrue(name) => {
            return compare(column(batch, name)?, name, Comparison::Equal, &Scalar::Boolean(true));
        }
        Predicate::Compare(name, comparison, value) => {
            return compare(column(batch, name)?, name, *comparison, value);
        }
        Predicate::In(name, values) => {
            let column = column(batch, name)?;
            let mut found = BooleanArray::from(vec![false; column.len()]);
            for value in values {
                let equal = compare(column, name, Comparison::Equal, value)?;
                found = or_kleene(&found, &equal).map_err(|error| error.to_string())?;
            }
            return Ok(found);
        }
        Predicate::Like(name, pattern) => {
            let (texts, pattern) = (texts(column(batch, name)?, name)?, pattern.clone());
            like(&texts, &StringArray::new_scalar(pattern))
        }
    };
    found.map_err(|error| error.to_string())
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef, String> {
    batch.column_by_name(name).ok_or_else(|| format!("no column `{name}`"))
}

fn compare(
    column: &ArrayRef,
    name: &str,
    comparison: Comparison,
    value: &Scalar,
) -> Result<BooleanArray, String> {
    let wrong = |expected: &str| {
        Err(format!("column `{name}` holds {}, compared with {expected}", column.data_type()))
    };
    let compared = match comparison {
        Comparison::Equal => cmp::eq,
        Comparison::NotEqual => cmp::neq,
        Comparison::Less => cmp::lt,
        Comparison::AtMost => cmp::lt_eq,
        Comparison::More => cmp::gt,
        Comparison::AtLeast => cmp::gt_eq,
    };
    let found = match value {
        Scalar::Text(text) => {
            compared(&texts(column, name)?, &StringArray::new_scalar(text.clone()))
        }
        Scalar::Boolean(boolean) if *column.data_type() == DataType::Boolean => {
            compared(column, &BooleanArray::new_scalar(*boolean))
        }
        Scalar::Boolean(_) => return wrong("a truth value"),
        Scalar::Number(number) if column.data_type().is_numeric() => {
            let floats = cast(column, &DataType::Float64).map_err(|error| error.to_string())?;
            compared(&floats, &Float64Array::new_scalar(*number))
        }
        Scalar::Number(_) => return wrong("a number"),
    };
    found.map_err(|error| error.to_string())
}

fn texts(column: &ArrayRef, name: &str) -> Result<ArrayRef, String> {
    let kind = column.data_type();
    if !matches!(
        kind,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Dictionary(..)
    ) {
        return Err(format!("column `{name}` holds {kind}, compared with a text"));
    }
    cast(column, &DataType::Utf8).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
