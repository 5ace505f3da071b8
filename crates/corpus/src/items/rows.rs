//! Rows of evaluation tasks, batch by batch, with the columns that an item needs.

use std::fs::File;
use std::path::{Path, PathBuf};

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, LargeStringArray, RecordBatch,
};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{DataType, Float64Type, Int64Type, TimeUnit, TimestampSecondType};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use temper_recipe::Manifest;
use temper_tokens::DocumentOrigin;

use crate::error::Error;
use crate::filter::Filter;
use crate::place::RowPlace;
use crate::table::{Footer, STRING};
use crate::time;

/// Calls `each` with all batches of rows of all files, which are checked first.
pub(super) fn read(
    manifest: &Manifest,
    manifests_dir: &Path,
    needed: &[&str],
    mut each: impl FnMut(&Rows) -> Result<(), Error>,
) -> Result<(), Error> {
    let optional = [&manifest.columns.id, &manifest.columns.cluster];
    let mut names = needed.to_vec();
    names.extend(optional.into_iter().flatten().map(String::as_str));
    let filter = Filter::of(manifest);
    for (file, listed) in manifest.files.iter().enumerate() {
        let path = manifests_dir.join(&listed.path);
        let footer = Footer::read(&manifest.id, &path)?;
        for name in &names {
            footer.column(name)?;
        }
        footer.check(listed)?;
        let n_rows = footer.metadata().row_groups().iter().map(|group| group.num_rows() as u64);
        let n_rows: Vec<u64> = n_rows.collect();
        let kept = filter.as_ref().map(|filter| filter.rows(&path, file as u32, &n_rows));
        let kept = kept.transpose()?;
        for row_group in 0..footer.metadata().num_row_groups() {
            let failed = |source| Error::RowGroup {
                path: path.clone(),
                row_group: row_group as u32,
                source,
            };
            let opened =
                File::open(&path).map_err(|source| Error::Read { path: path.clone(), source })?;
            let builder = ParquetRecordBatchReaderBuilder::try_new(opened).map_err(failed)?;
            let mask = ProjectionMask::columns(builder.parquet_schema(), names.iter().copied());
            let reader = builder.with_projection(mask).with_row_groups(vec![row_group]).build();
            let mut first_row = 0;
            for batch in reader.map_err(failed)? {
                let batch = batch.map_err(|error| failed(error.into()))?;
                let next = first_row + batch.num_rows();
                let mut numbers: Vec<usize> = (first_row..next).collect();
                let mut batch = batch;
                if let Some(kept) = &kept {
                    let kept = &kept[row_group][first_row..next];
                    let taken = BooleanArray::from(kept.to_vec());
                    batch = filter_record_batch(&batch, &taken)
                        .map_err(|error| failed(error.into()))?;
                    numbers.retain(|row| kept[row - first_row]);
                }
                first_row = next;
                each(&Rows { path: path.clone(), file, row_group, numbers, batch })?;
            }
        }
    }
    Ok(())
}

/// Some rows of one row group.
pub(super) struct Rows {
    path: PathBuf,
    file: usize,
    row_group: usize,
    /// Within the row group.
    numbers: Vec<usize>,
    batch: RecordBatch,
}

impl Rows {
    pub(super) fn place(&self, row: usize) -> RowPlace {
        let row = self.numbers[row] as u32;
        RowPlace { path: self.path.clone(), row_group: self.row_group as u32, row }
    }

    /// Where each row came from.
    pub(super) fn origins(&self) -> impl Iterator<Item = DocumentOrigin> {
        let (file, row_group) = (self.file as u32, self.row_group as u32);
        self.numbers.iter().map(move |row| DocumentOrigin { file, row_group, row: *row as u32 })
    }

    /// Id and cluster of each row.
    pub(super) fn names(&self, manifest: &Manifest) -> Result<Vec<(String, String)>, Error> {
        let strings =
            |name: &Option<String>| name.as_deref().map(|name| self.strings(name)).transpose();
        let ids = strings(&manifest.columns.id)?;
        let clusters = strings(&manifest.columns.cluster)?;
        let name = |row: usize| {
            let id = match &ids {
                Some(ids) => ids.value(row).to_owned(),
                None => format!("{}/{}/{}", self.file, self.row_group, self.numbers[row]),
            };
            let cluster =
                clusters.as_ref().map_or_else(|| id.clone(), |all| all.value(row).to_owned());
            (id, cluster)
        };
        Ok((0..self.batch.num_rows()).map(name).collect())
    }

    pub(super) fn strings(&self, name: &str) -> Result<LargeStringArray, Error> {
        let column = self.column(name, STRING, is_string)?;
        Ok(self.cast(name, &column, &DataType::LargeUtf8, STRING)?.as_string::<i64>().clone())
    }

    pub(super) fn integers(&self, name: &str) -> Result<Int64Array, Error> {
        let expected = "an integer";
        let column = self.column(name, expected, DataType::is_integer)?;
        Ok(self
            .cast(name, &column, &DataType::Int64, expected)?
            .as_primitive::<Int64Type>()
            .clone())
    }

    pub(super) fn numbers(&self, name: &str) -> Result<Float64Array, Error> {
        let expected = "a number";
        let column = self.column(name, expected, DataType::is_numeric)?;
        Ok(self
            .cast(name, &column, &DataType::Float64, expected)?
            .as_primitive::<Float64Type>()
            .clone())
    }

    /// When each row was, in seconds since the beginning of 1970; `None` for null.
    pub(super) fn moments(&self, name: &str) -> Result<Vec<Option<i64>>, Error> {
        let expected = "ISO 8601 in a string, a timestamp or a date";
        let column = self.nullable(name, expected, |kind| {
            let is_moment =
                matches!(kind, DataType::Timestamp(..) | DataType::Date32 | DataType::Date64);
            is_moment || is_string(kind)
        })?;
        if !is_string(column.data_type()) {
            let kind = DataType::Timestamp(TimeUnit::Second, None);
            let seconds = self.cast(name, &column, &kind, expected)?;
            return Ok(seconds.as_primitive::<TimestampSecondType>().iter().collect());
        }
        let texts = self.cast(name, &column, &DataType::LargeUtf8, expected)?;
        let moment = |(row, text): (usize, Option<&str>)| {
            let Some(text) = text else { return Ok(None) };
            let problem = || {
                let problem =
                    format!("`{name}` is `{text}`, expected ISO 8601 (`2026-07-26T18:05:09Z`)");
                Error::Item { place: self.place(row), problem }
            };
            time::seconds(text).map(Some).ok_or_else(problem)
        };
        texts.as_string::<i64>().iter().enumerate().map(moment).collect()
    }

    pub(super) fn lists(&self, name: &str) -> Result<Vec<Vec<String>>, Error> {
        let expected = "a list of strings";
        let column = self.column(name, expected, |kind| {
            matches!(kind, DataType::List(item) | DataType::LargeList(item) if is_string(item.data_type()))
        })?;
        let list = |row: usize| {
            let items = match column.as_list_opt::<i32>() {
                Some(lists) => lists.value(row),
                None => column.as_list::<i64>().value(row),
            };
            let items = self.cast(name, &items, &DataType::LargeUtf8, expected)?;
            if items.null_count() > 0 {
                return Err(Error::Null { place: self.place(row), column: name.to_owned() });
            }
            let items = items.as_string::<i64>();
            Ok((0..items.len()).map(|i| items.value(i).to_owned()).collect())
        };
        (0..self.batch.num_rows()).map(list).collect()
    }

    pub(super) fn not_empty(
        &self,
        texts: &LargeStringArray,
        row: usize,
        column: &str,
    ) -> Result<String, Error> {
        let text = texts.value(row);
        if text.is_empty() {
            let problem = format!("`{column}` is empty, there is nothing to score");
            return Err(Error::Item { place: self.place(row), problem });
        }
        Ok(text.to_owned())
    }

    /// A column of the type its role needs, without nulls.
    fn column(
        &self,
        name: &str,
        expected: &'static str,
        is_right: impl Fn(&DataType) -> bool,
    ) -> Result<ArrayRef, Error> {
        let column = self.nullable(name, expected, is_right)?;
        match (0..column.len()).find(|row| column.is_null(*row)) {
            Some(row) => Err(Error::Null { place: self.place(row), column: name.to_owned() }),
            None => Ok(column),
        }
    }

    /// A column of the type its role needs.
    fn nullable(
        &self,
        name: &str,
        expected: &'static str,
        is_right: impl Fn(&DataType) -> bool,
    ) -> Result<ArrayRef, Error> {
        let column = self.batch.column_by_name(name);
        let column = column.expect("the footer has the column and the projection took it");
        if !is_right(column.data_type()) {
            return Err(self.wrong_type(name, column, expected));
        }
        Ok(ArrayRef::clone(column))
    }

    fn cast(
        &self,
        name: &str,
        column: &ArrayRef,
        kind: &DataType,
        expected: &'static str,
    ) -> Result<ArrayRef, Error> {
        cast(column, kind).map_err(|_| self.wrong_type(name, column, expected))
    }

    fn wrong_type(&self, name: &str, column: &ArrayRef, expected: &'static str) -> Error {
        let found = format!("`{}`", column.data_type());
        Error::ColumnType { path: self.path.clone(), column: name.to_owned(), found, expected }
    }
}

/// Text in any of the ways Arrow holds it.
pub(crate) fn is_string(kind: &DataType) -> bool {
    if let DataType::Dictionary(_, values) = kind { is_string(values) } else { kind.is_string() }
}
