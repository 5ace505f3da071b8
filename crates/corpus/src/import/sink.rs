//! Rows into a Parquet file.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanBuilder, LargeStringBuilder, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use temper_recipe::Digest;
use temper_tokens::Staged;

use crate::documents::LONGEST_DOCUMENT_BYTES;
use crate::error::Error;
use crate::import::bad::BadInputs;
use crate::import::conversation::Turns;
use crate::import::feedback::{JudgedTurns, LeftOut};
use crate::import::messages::MessagesBuilder;
use crate::import::pair::PairTurns;
use crate::import::prompt::PromptTurns;
use crate::import::{ImportOptions, ImportReport, RowForm, stem};
use crate::place::RowNumber;

pub(crate) const ID: &str = "id";
pub(crate) const TEXT: &str = "text";
pub(crate) const MESSAGES: &str = "messages";
pub(crate) const ANSWER: &str = "answer";
pub(crate) const REJECTED: &str = "rejected";
pub(crate) const TOOLS: &str = "tools";
pub(crate) const LABEL: &str = "label";
const TIME: &str = "time";

/// Rows of a row group, the unit of an interrupted tokenization.
const ROW_GROUP_ROWS: usize = 2000;

/// Rows are handed to the writer when they hold this much text, long before a row group is full.
const BATCH_BYTES: usize = 8 << 20;

/// A row group ends early when it holds this much: it is kept in memory until then.
const ROW_GROUP_BYTES: usize = 64 << 20;

/// One row of an input.
pub(crate) struct Row {
    pub(crate) id: Option<String>,
    pub(crate) content: RowContent,
    /// In the order of the options.
    pub(crate) kept: Vec<Option<String>>,
}

/// What a document is made of.
pub(crate) enum RowContent {
    Text(String),
    Conversation(Turns),
    Pair(Box<PairTurns>),
    Prompt(PromptTurns),
    Judged(JudgedTurns),
    /// A correction and what it corrects, and when it was made.
    Edited(Box<PairTurns>, Option<String>),
}

/// The Parquet file being written; dropped before [`Sink::finish`], it leaves nothing.
pub(crate) struct Sink {
    staged: Staged,
    writer: ArrowWriter<File>,
    schema: Arc<Schema>,
    /// Id, text or tools, kept, and of prompts the answer or of feedback the time.
    columns: Vec<LargeStringBuilder>,
    /// Of conversations, and of pairs the other answer.
    messages: Vec<MessagesBuilder>,
    /// Of judged answers; the last column.
    labels: Option<BooleanBuilder>,
    n_liked: u64,
    /// Of prompts.
    without_reference: Option<u64>,
    left_out: BTreeMap<LeftOut, u64>,
    bad: BadInputs,
    batch_rows: usize,
    batch_bytes: usize,
    n_rows: u64,
    text_bytes: u64,
}

impl Sink {
    pub(crate) fn create(out: &Path, options: &ImportOptions) -> Result<Self, Error> {
        let refused = |problem: String| Error::Import { path: out.to_owned(), problem };
        let (content, of_messages) = match options.form {
            RowForm::Texts => (TEXT, &[][..]),
            RowForm::Conversations | RowForm::Prompts | RowForm::Feedback(_) => {
                (TOOLS, &[MESSAGES][..])
            }
            RowForm::Pairs | RowForm::Edits => (TOOLS, &[MESSAGES, REJECTED][..]),
        };
        let beside = match options.form {
            RowForm::Texts | RowForm::Conversations | RowForm::Pairs => None,
            RowForm::Prompts => Some(ANSWER),
            RowForm::Feedback(_) | RowForm::Edits => Some(TIME),
        };
        let has_labels = matches!(options.form, RowForm::Feedback(_));
        let mut names = vec![ID, content];
        names.extend(options.keep.iter().map(String::as_str));
        names.extend(beside);
        names.extend(of_messages);
        names.extend(has_labels.then_some(LABEL));
        if let Some(twice) = (1..names.len()).find(|i| names[..*i].contains(&names[*i])) {
            return Err(refused(format!("it would have two columns `{}`", names[twice])));
        }
        let field = |name: &&str| match *name {
            name if of_messages.contains(&name) => MessagesBuilder::field(name),
            LABEL if has_labels => Field::new(LABEL, DataType::Boolean, false),
            name => Field::new(name, DataType::LargeUtf8, ![ID, TEXT].contains(&name)),
        };
        let schema = Arc::new(Schema::new(names.iter().map(field).collect::<Vec<_>>()));
        let level = ZstdLevel::try_new(3).expect("zstd has a level 3");
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(level))
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .set_max_row_group_bytes(Some(ROW_GROUP_BYTES))
            // Documents repeat rarely, and their shape without a dictionary is the text itself.
            .set_dictionary_enabled(false)
            .build();
        let mut staged = Staged::create(out)?;
        let writer = ArrowWriter::try_new(staged.handle()?, Arc::clone(&schema), Some(properties))
            .map_err(|error| refused(error.to_string()))?;
        let messages: Vec<_> = of_messages.iter().map(|_| MessagesBuilder::new()).collect();
        let n_strings = names.len() - messages.len() - usize::from(has_labels);
        let columns = (0..n_strings).map(|_| LargeStringBuilder::new()).collect();
        Ok(Self {
            staged,
            writer,
            schema,
            columns,
            messages,
            labels: has_labels.then(BooleanBuilder::new),
            n_liked: 0,
            without_reference: (options.form == RowForm::Prompts).then_some(0),
            left_out: BTreeMap::new(),
            bad: BadInputs::default(),
            batch_rows: 0,
            batch_bytes: 0,
            n_rows: 0,
            text_bytes: 0,
        })
    }

    pub(crate) fn n_rows(&self) -> u64 {
        self.n_rows
    }

    /// Rows that were not written, by reason.
    pub(crate) fn left_out(&self) -> &BTreeMap<LeftOut, u64> {
        &self.left_out
    }

    /// Rows that cannot be imported.
    pub(crate) fn bad(&self) -> &BadInputs {
        &self.bad
    }

    /// Counts a row that cannot be imported.
    pub(crate) fn refuse(&mut self, input: &Path, at: RowNumber, problem: String) {
        self.bad.add(input, at, problem);
    }

    /// Counts a row that is not written.
    pub(crate) fn leave_out(&mut self, why: LeftOut) {
        *self.left_out.entry(why).or_default() += 1;
    }

    /// Adds a row that stands `at` this place of `input`, or counts it where it cannot be imported.
    pub(crate) fn push(&mut self, input: &Path, at: RowNumber, row: Row) -> Result<(), Error> {
        let text_bytes = match &row.content {
            RowContent::Text(text) => text.len(),
            RowContent::Conversation(turns) => turns.text_bytes(),
            RowContent::Pair(pair) => pair.text_bytes(),
            RowContent::Prompt(prompt) => prompt.turns.text_bytes(),
            RowContent::Judged(judged) => judged.turns.text_bytes(),
            RowContent::Edited(pair, _) => pair.text_bytes(),
        };
        if text_bytes == 0 {
            self.refuse(input, at, "the text is empty".to_owned());
            return Ok(());
        }
        if text_bytes as u64 > LONGEST_DOCUMENT_BYTES {
            let found = text_bytes;
            let expected = format!("expected at most {LONGEST_DOCUMENT_BYTES}");
            self.refuse(input, at, format!("a document of {found} bytes, {expected}"));
            return Ok(());
        }
        let id = row.id.unwrap_or_else(|| format!("{}-{}", stem(input), self.n_rows));
        // The answer of a prompt, or the time of feedback.
        let mut beside = None;
        let content = match row.content {
            RowContent::Text(text) => Some(text),
            RowContent::Conversation(turns) => {
                self.append_messages(&[&turns], text_bytes);
                turns.tools
            }
            RowContent::Pair(pair) => {
                self.append_messages(&[&pair.chosen, &pair.rejected], text_bytes);
                pair.chosen.tools
            }
            RowContent::Prompt(prompt) => {
                self.append_messages(&[&prompt.turns], text_bytes);
                self.count_reference(prompt.answer.as_deref());
                beside = Some(prompt.answer);
                prompt.turns.tools
            }
            RowContent::Judged(judged) => {
                self.append_messages(&[&judged.turns], text_bytes);
                self.append_label(judged.label);
                beside = Some(judged.time);
                judged.turns.tools
            }
            RowContent::Edited(pair, time) => {
                self.append_messages(&[&pair.chosen, &pair.rejected], text_bytes);
                beside = Some(time);
                pair.chosen.tools
            }
        };
        let cells = [Some(id), content].into_iter().chain(row.kept).chain(beside);
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            self.batch_bytes += cell.as_ref().map_or(0, String::len);
            column.append_option(cell);
        }
        self.batch_rows += 1;
        self.n_rows += 1;
        self.text_bytes += text_bytes as u64;
        if self.batch_rows == ROW_GROUP_ROWS || self.batch_bytes >= BATCH_BYTES {
            self.write_batch()?;
        }
        Ok(())
    }

    /// Options and rows are of one form: there is a builder for each.
    fn append_messages(&mut self, turns: &[&Turns], text_bytes: usize) {
        for (builder, turns) in self.messages.iter_mut().zip(turns) {
            builder.append(&turns.messages);
        }
        self.batch_bytes += text_bytes;
    }

    fn append_label(&mut self, label: bool) {
        let labels = self.labels.as_mut().expect("options and rows are of one form");
        labels.append_value(label);
        self.n_liked += u64::from(label);
    }

    fn count_reference(&mut self, answer: Option<&str>) {
        let missing = self.without_reference.as_mut().expect("options and rows are of one form");
        *missing += u64::from(answer.is_none());
    }

    pub(crate) fn finish(mut self) -> Result<ImportReport, Error> {
        self.write_batch()?;
        // Not `into_inner`, which would write the footer a second time.
        let finished = self.writer.finish();
        finished.map_err(|error| self.failed(error))?;
        let labels = self.labels.is_some().then_some([self.n_liked, self.n_rows - self.n_liked]);
        let Self {
            staged,
            n_rows: rows,
            text_bytes,
            left_out,
            bad: dropped,
            without_reference,
            ..
        } = self;
        let read = |source| Error::Read { path: staged.path().to_owned(), source };
        let sha256 = Digest::of_file(staged.partial_path()).map_err(read)?;
        let bytes = std::fs::metadata(staged.partial_path()).map_err(read)?.len();
        staged.commit()?;
        Ok(ImportReport {
            rows,
            text_bytes,
            bytes,
            sha256,
            labels,
            without_reference,
            left_out,
            dropped,
        })
    }

    fn write_batch(&mut self) -> Result<(), Error> {
        let columns = self.columns.iter_mut().map(|column| Arc::new(column.finish()) as ArrayRef);
        let messages = self.messages.iter_mut().map(MessagesBuilder::finish);
        let labels = self.labels.iter_mut().map(|labels| Arc::new(labels.finish()) as ArrayRef);
        let columns = columns.chain(messages).chain(labels).collect();
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns)
            .expect("all columns are as the schema says and grow together");
        (self.batch_rows, self.batch_bytes) = (0, 0);
        let written = self.writer.write(&batch);
        written.map_err(|error| self.failed(error))
    }

    /// Parquet wraps the errors of the file: they come out as failed writes, with their way out.
    fn failed(&self, error: ParquetError) -> Error {
        let path = self.staged.path().to_owned();
        let ParquetError::External(inner) = error else {
            return Error::Import { path, problem: error.to_string() };
        };
        match inner.downcast::<std::io::Error>() {
            Ok(source) => temper_tokens::Error::Write { path, source: *source }.into(),
            Err(other) => Error::Import { path, problem: other.to_string() },
        }
    }
}
