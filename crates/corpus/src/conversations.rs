//! The conversations of one row group: a column of messages, and perhaps one of tools.
//!
//! Messages are a list of structs, as datasets have them, or JSON in a string. Keys whose value is null
//! are left out: Parquet gives every struct the keys of all.

// Of JSON values only the expected kinds matter.
#![allow(clippy::wildcard_enum_match_arm)]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder, RowSelection,
    RowSelector,
};
use parquet::errors::ParquetError;
use serde_json::{Map, Value};
use temper_tokens::{Conversation, DocumentOrigin};

use crate::bad_rows::Fault;
use crate::calls::{normalise_messages, read_text};
use crate::documents::{Content, Document, LONGEST_DOCUMENT_BYTES, Pair};
use crate::error::Error;
use crate::json::{self, Problem, json};
use crate::place::RowPlace;

/// Rows that are held at a time.
const BATCH_ROWS: usize = 64;

/// Which columns hold a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MessageColumns {
    pub(crate) messages: String,
    /// The same with another answer, of pairs.
    pub(crate) rejected: Option<String>,
    /// Whether the last message was liked, of judged answers.
    pub(crate) label: Option<String>,
    pub(crate) tools: Option<String>,
}

impl MessageColumns {
    /// All of them.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.of_messages().chain(self.label.as_deref())
    }

    /// Those that hold messages or tools.
    pub(crate) fn of_messages(&self) -> impl Iterator<Item = &str> {
        let Self { messages, rejected, tools, label: _ } = self;
        [Some(messages), rejected.as_ref(), tools.as_ref()]
            .into_iter()
            .flatten()
            .map(String::as_str)
    }
}

/// A Parquet file of a corpus, open for reading conversations.
pub(crate) struct ConversationFile {
    path: PathBuf,
    file: u32,
    columns: MessageColumns,
    kept: Option<Vec<Arc<[bool]>>>,
    opened: File,
    metadata: ArrowReaderMetadata,
}

impl ConversationFile {
    /// Opens file number `file` of a corpus, whose columns have been looked at. By row group, `kept` says
    /// which rows are documents; `None` for all.
    pub(crate) fn open(
        path: &Path,
        file: u32,
        columns: MessageColumns,
        kept: Option<Vec<Arc<[bool]>>>,
    ) -> Result<Self, Error> {
        let opened =
            File::open(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        let bytes = opened.metadata().map_or(0, |metadata| metadata.len());
        let not_parquet = |source| Error::NotParquet { path: path.to_owned(), bytes, source };
        let metadata = json::open(&opened).map_err(not_parquet)?;
        Ok(Self { path: path.to_owned(), file, columns, kept, opened, metadata })
    }

    pub(crate) fn conversations(&self, row_group: u32) -> Result<Conversations, Error> {
        let failed = |source| Error::RowGroup { path: self.path.clone(), row_group, source };
        let opened = self.opened.try_clone();
        let opened = opened.map_err(|source| Error::Read { path: self.path.clone(), source })?;
        let schema = self.metadata.metadata().file_metadata().schema_descr();
        let mut builder =
            ParquetRecordBatchReaderBuilder::new_with_metadata(opened, self.metadata.clone())
                .with_projection(ProjectionMask::columns(schema, self.columns.names()))
                .with_row_groups(vec![row_group as usize])
                .with_batch_size(BATCH_ROWS);
        let kept = self.kept.as_ref().map(|kept| &kept[row_group as usize]);
        if let Some(kept) = kept {
            builder = builder.with_row_selection(selection(kept));
        }
        let n_rows = self.metadata.metadata().row_group(row_group as usize).num_rows() as u32;
        let is_kept = |row: &u32| kept.is_none_or(|kept| kept[*row as usize]);
        Ok(Conversations {
            columns: self.columns.clone(),
            place: RowPlace { path: self.path.clone(), row_group, row: 0 },
            file: self.file,
            rows: (0..n_rows).filter(is_kept).collect::<Vec<_>>().into_iter(),
            reader: builder.build().map_err(failed)?,
            batch: None,
            has_failed: false,
        })
    }
}

/// Iterates over the conversations of one row group, in order; ends after the first error that is not of one
/// row.
pub(crate) struct Conversations {
    columns: MessageColumns,
    /// The row that is read.
    place: RowPlace,
    file: u32,
    /// The rows that are documents, and not read yet.
    rows: std::vec::IntoIter<u32>,
    reader: ParquetRecordBatchReader,
    /// Rows read ahead, and which of them is next.
    batch: Option<(RecordBatch, usize)>,
    has_failed: bool,
}

impl Conversations {
    fn read(&mut self, row: u32) -> Result<Document, Error> {
        self.place.row = row;
        let (batch, at) = self.next_row()?;
        let faulty = |fault, problem| {
            let place = self.place.clone();
            Error::Conversation { place, fault, problem }
        };
        let refused = |problem| faulty(Fault::Form, problem);
        let column = |name: &str| {
            let column = batch.column_by_name(name).expect("the column was asked for");
            json(column.as_ref(), at).map_err(|error| match error.problem {
                Problem::Utf8 { valid } => Error::InvalidUtf8 {
                    place: self.place.clone(),
                    column: format!("{name}{}", error.at),
                    valid,
                },
                Problem::Type(_) | Problem::Cast(_) => refused(error.to_string()),
            })
        };
        let tools = self.columns.tools.as_deref().map(column).transpose()?;
        let tools = tools.map(parsed).transpose();
        let tools = tools.map_err(|error| refused(format!("tools: {error}")))?;
        let tools = tools.filter(|tools| !tools.is_null());
        let conversation = |name: &str| {
            let messages = parsed(column(name)?).and_then(normalise_messages);
            let messages = messages.map_err(|error| refused(format!("{name}: {error}")))?;
            if messages.is_null() {
                return Err(Error::Null { place: self.place.clone(), column: name.to_owned() });
            }
            let mut whole = Map::new();
            whole.insert("messages".to_owned(), messages);
            whole.extend(tools.clone().map(|tools| ("tools".to_owned(), tools)));
            Conversation::from_json(Value::Object(whole))
                .map_err(|error| refused(first_line(&error.to_string())))
        };
        let unpaired = |problem| faulty(Fault::Pair, problem);
        let chosen = conversation(&self.columns.messages)?;
        let rejected = self.columns.rejected.as_deref().map(conversation).transpose()?;
        let label = self.columns.label.as_deref().map(|name| match column(name)? {
            Value::Bool(label) => Ok(label),
            _ => Err(Error::Null { place: self.place.clone(), column: name.to_owned() }),
        });
        let content = match (rejected, label.transpose()?) {
            (None, None) => Content::Conversation(chosen),
            (None, Some(label)) => Content::Judged(chosen, label),
            (Some(rejected), _) => {
                Content::Pair(Box::new(Pair::new(chosen, rejected).map_err(unpaired)?))
            }
        };
        let RowPlace { row_group, row, .. } = self.place;
        let origin = DocumentOrigin { file: self.file, row_group, row };
        let document = Document { origin, content };
        let bytes = document.text().len() as u64;
        if bytes > LONGEST_DOCUMENT_BYTES {
            let place = self.place.clone();
            return Err(Error::LongDocument { place, bytes, limit: LONGEST_DOCUMENT_BYTES });
        }
        Ok(document)
    }

    /// The batch in which the next row stands, and where.
    fn next_row(&mut self) -> Result<(RecordBatch, usize), Error> {
        let failed = |source: ArrowError| Error::RowGroup {
            path: self.place.path.clone(),
            row_group: self.place.row_group,
            source: ParquetError::ArrowError(source.to_string()),
        };
        loop {
            if let Some((batch, next)) = &mut self.batch
                && *next < batch.num_rows()
            {
                *next += 1;
                return Ok((batch.clone(), *next - 1));
            }
            match self.reader.next() {
                Some(batch) => self.batch = Some((batch.map_err(failed)?, 0)),
                None => {
                    let ends = format!("ends before row {}", self.place.row);
                    return Err(failed(ArrowError::ParquetError(ends)));
                }
            }
        }
    }
}

impl Iterator for Conversations {
    type Item = Result<Document, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_failed {
            return None;
        }
        let row = self.rows.next()?;
        let document = self.read(row);
        self.has_failed = document.as_ref().is_err_and(|error| Fault::of(error).is_none());
        Some(document)
    }
}

/// The rows of a row group that are documents.
pub(crate) fn selection(kept: &[bool]) -> RowSelection {
    let runs = kept.chunk_by(|a, b| a == b).map(|run| match run[0] {
        true => RowSelector::select(run.len()),
        false => RowSelector::skip(run.len()),
    });
    RowSelection::from(runs.collect::<Vec<_>>())
}

/// A list, or the JSON of one in a string.
fn parsed(value: Value) -> Result<Value, String> {
    match value {
        Value::String(text) => read_text(&text, "JSON").map_err(|problem| format!("it {problem}")),
        other => Ok(other),
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
