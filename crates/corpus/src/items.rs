//! The rows of evaluation tasks, read whole: a suite is small.
//!
//! An item without an `id` column is called `<file>/<row group>/<row>`, all counted from 0; without
//! a `cluster` column each item is a cluster of its own.

use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use arrow::array::{
    Array, ArrayRef, AsArray, Float64Array, Int64Array, LargeStringArray, RecordBatch,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use temper_recipe::Manifest;

use crate::error::{Error, Place};
use crate::table::{Footer, STRING};

/// A whole document to be scored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LossItem {
    /// Unique in the task.
    pub id: String,
    /// What resampling keeps together.
    pub cluster: String,
    /// The document; not empty.
    pub text: String,
}

/// An answer to be scored after its context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerItem {
    /// Unique in the task.
    pub id: String,
    /// What resampling keeps together.
    pub cluster: String,
    /// What comes before; may be empty.
    pub context: String,
    /// What is scored; not empty.
    pub answer: String,
}

/// A choice to be made by likelihood.
#[derive(Clone, Debug, PartialEq)]
pub struct ChoiceItem {
    /// Unique in the task.
    pub id: String,
    /// What resampling keeps together.
    pub cluster: String,
    /// What comes before each choice; may be empty.
    pub context: String,
    /// At least two, none empty.
    pub choices: Vec<String>,
    /// Index of the right one.
    pub gold: usize,
    /// A number that should not decide the answer, where the manifest names one.
    pub confounder: Option<f64>,
}

/// Reads the rows of a task that scores whole documents (`text`).
///
/// # Errors
/// As [`read_choice_items`].
pub fn read_loss_items(manifest: &Manifest, manifests_dir: &Path) -> Result<Vec<LossItem>, Error> {
    let columns = &manifest.columns;
    let text = named(manifest, &columns.text, "text")?;
    let mut items = Vec::new();
    read(manifest, manifests_dir, &[text], |rows| {
        let texts = rows.strings(text)?;
        for (row, (id, cluster)) in rows.names(manifest)?.into_iter().enumerate() {
            let text = rows.not_empty(&texts, row, text)?;
            items.push(LossItem { id, cluster, text });
        }
        Ok(())
    })?;
    check_ids(manifest, items.iter().map(|item| &item.id)).map(|()| items)
}

/// Reads the rows of a task that scores answers (`answer` after `context`).
///
/// # Errors
/// As [`read_choice_items`].
pub fn read_answer_items(
    manifest: &Manifest,
    manifests_dir: &Path,
) -> Result<Vec<AnswerItem>, Error> {
    let columns = &manifest.columns;
    let context = named(manifest, &columns.context, "context")?;
    let answer = named(manifest, &columns.answer, "answer")?;
    let mut items = Vec::new();
    read(manifest, manifests_dir, &[context, answer], |rows| {
        let (contexts, answers) = (rows.strings(context)?, rows.strings(answer)?);
        for (row, (id, cluster)) in rows.names(manifest)?.into_iter().enumerate() {
            let answer = rows.not_empty(&answers, row, answer)?;
            items.push(AnswerItem { id, cluster, context: contexts.value(row).to_owned(), answer });
        }
        Ok(())
    })?;
    check_ids(manifest, items.iter().map(|item| &item.id)).map(|()| items)
}

/// Reads the rows of a task of choices (`choices` after `context`, which may be unnamed; `gold`).
///
/// # Errors
/// [`Error::NoRole`] for a column the manifest must name; what [`crate::Corpus::open`] finds in
/// files; [`Error::ColumnType`], [`Error::Null`], [`Error::RowGroup`]; [`Error::Item`] for a row
/// that cannot be scored or an id used twice; [`Error::Empty`].
pub fn read_choice_items(
    manifest: &Manifest,
    manifests_dir: &Path,
) -> Result<Vec<ChoiceItem>, Error> {
    let columns = &manifest.columns;
    let choices = named(manifest, &columns.choices, "choices")?;
    let gold = named(manifest, &columns.gold, "gold")?;
    let optional = [&columns.context, &columns.confounder];
    let mut needed = vec![choices, gold];
    needed.extend(optional.into_iter().flatten().map(String::as_str));
    let mut items = Vec::new();
    read(manifest, manifests_dir, &needed, |rows| {
        let contexts = columns.context.as_deref().map(|name| rows.strings(name)).transpose()?;
        let confounders =
            columns.confounder.as_deref().map(|name| rows.numbers(name)).transpose()?;
        let (lists, golds) = (rows.lists(choices)?, rows.integers(gold)?);
        for (row, (id, cluster)) in rows.names(manifest)?.into_iter().enumerate() {
            let choices = lists[row].clone();
            let gold = check_choices(&choices, golds.value(row))
                .map_err(|problem| Error::Item { place: rows.place(row), problem })?;
            items.push(ChoiceItem {
                id,
                cluster,
                context: contexts.as_ref().map_or("", |contexts| contexts.value(row)).to_owned(),
                choices,
                gold,
                confounder: confounders.as_ref().map(|numbers| numbers.value(row)),
            });
        }
        Ok(())
    })?;
    check_ids(manifest, items.iter().map(|item| &item.id)).map(|()| items)
}

fn named<'a>(
    manifest: &Manifest,
    column: &'a Option<String>,
    role: &'static str,
) -> Result<&'a str, Error> {
    column.as_deref().ok_or_else(|| Error::NoRole { corpus: manifest.id.clone(), role })
}

fn check_choices(choices: &[String], gold: i64) -> Result<usize, String> {
    if choices.len() < 2 {
        return Err(format!("{} choices, expected at least two", choices.len()));
    }
    if let Some(empty) = choices.iter().position(String::is_empty) {
        return Err(format!("choice {empty} is empty"));
    }
    let index = usize::try_from(gold).ok().filter(|gold| *gold < choices.len());
    index.ok_or_else(|| format!("gold is {gold}, expected 0 to {}", choices.len() - 1))
}

fn check_ids<'a>(manifest: &Manifest, ids: impl Iterator<Item = &'a String>) -> Result<(), Error> {
    let mut seen = HashSet::new();
    let mut n_items = 0;
    for id in ids {
        n_items += 1;
        if !seen.insert(id) {
            return Err(Error::RepeatedId { corpus: manifest.id.clone(), id: id.clone() });
        }
    }
    if n_items == 0 {
        return Err(Error::Empty { corpus: manifest.id.clone(), n_files: manifest.files.len() });
    }
    Ok(())
}

/// Calls `each` with all batches of rows of all files, which are checked first.
fn read(
    manifest: &Manifest,
    manifests_dir: &Path,
    needed: &[&str],
    mut each: impl FnMut(&Rows) -> Result<(), Error>,
) -> Result<(), Error> {
    let optional = [&manifest.columns.id, &manifest.columns.cluster];
    let mut names = needed.to_vec();
    names.extend(optional.into_iter().flatten().map(String::as_str));
    for (file, listed) in manifest.files.iter().enumerate() {
        let path = manifests_dir.join(&listed.path);
        let footer = Footer::read(&manifest.id, &path)?;
        for name in &names {
            footer.column(name)?;
        }
        footer.check(listed)?;
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
                let n_rows = batch.num_rows();
                each(&Rows { path: path.clone(), file, row_group, first_row, batch })?;
                first_row += n_rows;
            }
        }
    }
    Ok(())
}

/// Some rows of one row group.
struct Rows {
    path: PathBuf,
    file: usize,
    row_group: usize,
    first_row: usize,
    batch: RecordBatch,
}

impl Rows {
    fn place(&self, row: usize) -> Place {
        let row = (self.first_row + row) as u32;
        Place { path: self.path.clone(), row_group: self.row_group as u32, row }
    }

    /// Id and cluster of each row.
    fn names(&self, manifest: &Manifest) -> Result<Vec<(String, String)>, Error> {
        let strings =
            |name: &Option<String>| name.as_deref().map(|name| self.strings(name)).transpose();
        let ids = strings(&manifest.columns.id)?;
        let clusters = strings(&manifest.columns.cluster)?;
        let name = |row: usize| {
            let id = match &ids {
                Some(ids) => ids.value(row).to_owned(),
                None => format!("{}/{}/{}", self.file, self.row_group, self.first_row + row),
            };
            let cluster =
                clusters.as_ref().map_or_else(|| id.clone(), |all| all.value(row).to_owned());
            (id, cluster)
        };
        Ok((0..self.batch.num_rows()).map(name).collect())
    }

    fn strings(&self, name: &str) -> Result<LargeStringArray, Error> {
        let column = self.column(name, STRING, is_string)?;
        Ok(self.cast(name, &column, &DataType::LargeUtf8, STRING)?.as_string::<i64>().clone())
    }

    fn integers(&self, name: &str) -> Result<Int64Array, Error> {
        let expected = "an integer";
        let column = self.column(name, expected, DataType::is_integer)?;
        Ok(self
            .cast(name, &column, &DataType::Int64, expected)?
            .as_primitive::<Int64Type>()
            .clone())
    }

    fn numbers(&self, name: &str) -> Result<Float64Array, Error> {
        let expected = "a number";
        let column = self.column(name, expected, DataType::is_numeric)?;
        Ok(self
            .cast(name, &column, &DataType::Float64, expected)?
            .as_primitive::<Float64Type>()
            .clone())
    }

    fn lists(&self, name: &str) -> Result<Vec<Vec<String>>, Error> {
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

    fn not_empty(
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
        let column = self.batch.column_by_name(name);
        let column = column.expect("the footer has the column and the projection took it");
        if !is_right(column.data_type()) {
            return Err(self.wrong_type(name, column, expected));
        }
        match (0..column.len()).find(|row| column.is_null(*row)) {
            Some(row) => Err(Error::Null { place: self.place(row), column: name.to_owned() }),
            None => Ok(ArrayRef::clone(column)),
        }
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

#[cfg(test)]
mod tests;
