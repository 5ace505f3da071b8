//! The rows of evaluation tasks, read whole: a suite is small.
//!
//! An item without an `id` column is called `<file>/<row group>/<row>`, all counted from 0; without
//! a `cluster` column each item is a cluster of its own. Rows that the manifest leaves out are no items.

mod chats;
mod periods;
mod rows;

pub use chats::{ChatIds, ChatItem, read_chat_items};
pub use periods::read_periods;
pub(crate) use rows::is_string;

use std::collections::HashSet;
use std::path::Path;

use temper_recipe::Manifest;

use self::rows::read;
use crate::error::Error;

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

#[cfg(test)]
mod tests;
