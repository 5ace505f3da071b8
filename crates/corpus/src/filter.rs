//! Which rows of a file are documents: those that meet the manifest's condition and its sampling.

use std::cmp::Ordering;
use std::fs::File;
use std::path::Path;

use arrow::array::{Array, ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use temper_recipe::{Comparison, Condition, Digest, Manifest, Scalar, Test};

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
                let holds = holds(condition.test(), &batch).map_err(refused)?;
                for holds in holds {
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
fn holds(test: &Test, batch: &RecordBatch) -> Result<Vec<Option<bool>>, String> {
    let both = |a: &Test, b: &Test, join: fn(Option<bool>, Option<bool>) -> Option<bool>| {
        let (a, b) = (holds(a, batch)?, holds(b, batch)?);
        Ok::<_, String>(a.into_iter().zip(b).map(|(a, b)| join(a, b)).collect())
    };
    match test {
        Test::And(a, b) => both(a, b, |a, b| match (a, b) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            (_, _) => None,
        }),
        Test::Or(a, b) => both(a, b, |a, b| match (a, b) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), Some(false)) => Some(false),
            (_, _) => None,
        }),
        Test::Not(test) => {
            Ok(holds(test, batch)?.into_iter().map(|holds| holds.map(|holds| !holds)).collect())
        }
        Test::IsNull(name) => {
            let column = column(batch, name)?;
            Ok((0..column.len()).map(|row| Some(column.is_null(row))).collect())
        }
        Test::IsTrue(name) => {
            compare(column(batch, name)?, name, &Scalar::Boolean(true), |order| order.is_eq())
        }
        Test::Compare(name, comparison, value) => {
            let comparison = *comparison;
            compare(column(batch, name)?, name, value, move |order| match comparison {
                Comparison::Equal => order.is_eq(),
                Comparison::NotEqual => order.is_ne(),
                Comparison::Less => order.is_lt(),
                Comparison::AtMost => order.is_le(),
                Comparison::More => order.is_gt(),
                Comparison::AtLeast => order.is_ge(),
            })
        }
        Test::In(name, values) => {
            let column = column(batch, name)?;
            let mut found: Vec<Option<bool>> =
                (0..column.len()).map(|row| column.is_valid(row).then_some(false)).collect();
            for value in values {
                for (found, is) in
                    found.iter_mut().zip(compare(column, name, value, Ordering::is_eq)?)
                {
                    *found = found.zip(is).map(|(a, b)| a || b);
                }
            }
            Ok(found)
        }
        Test::Like(name, pattern) => {
            let texts = texts(column(batch, name)?, name)?;
            let pattern: Vec<char> = pattern.chars().collect();
            let like = |text: &str| matches(&text.chars().collect::<Vec<_>>(), &pattern);
            Ok(texts.iter().map(|text| text.map(like)).collect())
        }
    }
}

fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef, String> {
    batch.column_by_name(name).ok_or_else(|| format!("no column `{name}`"))
}

fn compare(
    column: &ArrayRef,
    name: &str,
    value: &Scalar,
    is: impl Fn(Ordering) -> bool,
) -> Result<Vec<Option<bool>>, String> {
    let wrong = |expected: &str| {
        format!("column `{name}` holds {}, compared with {expected}", column.data_type())
    };
    match value {
        Scalar::Text(text) => {
            let texts = texts(column, name)?;
            Ok(texts.iter().map(|found| found.map(|found| is(found.cmp(text)))).collect())
        }
        Scalar::Boolean(boolean) => {
            let booleans = column.as_any().downcast_ref::<BooleanArray>();
            let booleans = booleans.ok_or_else(|| wrong("a truth value"))?;
            Ok(booleans.iter().map(|found| found.map(|found| is(found.cmp(boolean)))).collect())
        }
        Scalar::Number(number) => {
            if !column.data_type().is_numeric() {
                return Err(wrong("a number"));
            }
            let floats = cast(column, &DataType::Float64).map_err(|error| error.to_string())?;
            let floats = floats.as_any().downcast_ref::<Float64Array>().expect("it was cast so");
            let compared = |found: f64| found.partial_cmp(number).is_some_and(&is);
            Ok(floats.iter().map(|found| found.map(compared)).collect())
        }
    }
}

fn texts(column: &ArrayRef, name: &str) -> Result<StringArray, String> {
    let kind = column.data_type();
    if !matches!(
        kind,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Dictionary(..)
    ) {
        return Err(format!("column `{name}` holds {kind}, compared with a text"));
    }
    let texts = cast(column, &DataType::Utf8).map_err(|error| error.to_string())?;
    Ok(texts.as_any().downcast_ref::<StringArray>().expect("it was cast so").clone())
}

/// True when `text` matches a pattern of SQL's `LIKE`, in time text × pattern.
fn matches(text: &[char], pattern: &[char]) -> bool {
    // Where the pattern's beginning can have matched the text's.
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    for wanted in pattern {
        let mut next = vec![false; text.len() + 1];
        for at in 0..=text.len() {
            next[at] = match wanted {
                '%' => reached[at] || at > 0 && next[at - 1],
                '_' => at > 0 && reached[at - 1],
                wanted => at > 0 && reached[at - 1] && text[at - 1] == *wanted,
            };
        }
        reached = next;
    }
    reached[text.len()]
}

#[cfg(test)]
mod tests;
