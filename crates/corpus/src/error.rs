//! What can go wrong between a file and its documents.

use std::io;
use std::path::PathBuf;

use parquet::errors::ParquetError;
use temper_recipe::Digest;

use crate::bad_rows::Fault;
use crate::import::BadInputs;
use crate::place::{RowNumber, RowPlace};

/// The crate's error. Every variant names its subject; rows and row groups count from 0, lines from 1.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The manifest names a file that is not there.
    #[error("corpus `{corpus}`: no file `{}`\n\nhint: paths in a manifest are relative to the folder of manifests", path.display())]
    Missing {
        /// The manifest's id.
        corpus: String,
        /// Where the file should be.
        path: PathBuf,
    },

    /// The manifest's condition cannot be put to the rows of a file.
    #[error("`{}`: the manifest's `where`: {problem}\n\nhint: correct the condition in the manifest", path.display())]
    Filter {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },

    /// A task cannot be split into periods by this column.
    #[error("`{}`: `periods.column` is `{column}`: {problem}\n\nhint: name another column in the suite", path.display())]
    Periods {
        /// The file.
        path: PathBuf,
        /// The name in the suite.
        column: String,
        /// What is wrong.
        problem: String,
    },

    /// No row is left.
    #[error(
        "corpus `{corpus}`: none of {n_rows} rows is taken, expected at least one\n\nhint: loosen `where` or `fraction` in its manifest"
    )]
    NothingTaken {
        /// The manifest's id.
        corpus: String,
        /// Rows in all files.
        n_rows: u64,
    },

    /// A file is there and cannot be read.
    #[error("cannot read `{}`\n\nhint: check that the file is there and readable", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },

    /// The footer of a file cannot be read.
    #[error("`{}` ({bytes} bytes) is no whole Parquet file; truncated, or another format\n\nhint: fetch it again, or make Parquet of it with `temper corpus import`", path.display())]
    NotParquet {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// What the parquet library said.
        source: ParquetError,
    },

    /// The data of a row group cannot be read.
    #[error("cannot read `{}`, row group {row_group}\n\nhint: the file is damaged; fetch or write it again", path.display())]
    RowGroup {
        /// The file.
        path: PathBuf,
        /// Index of the row group.
        row_group: u32,
        /// What the parquet library said.
        source: ParquetError,
    },

    /// A file has more or fewer rows than its manifest says.
    #[error("`{}` has {found} rows, its manifest says {expected}\n\nhint: if the file is right, write its rows and sha256 into the manifest", path.display())]
    RowCount {
        /// The file.
        path: PathBuf,
        /// Rows in the file.
        found: u64,
        /// Rows in the manifest.
        expected: u64,
    },

    /// A file's bytes are not those the manifest names.
    #[error("`{}` has sha256 {found}, its manifest says {expected}\n\nhint: fetch the file again; if it is right, write its sha256 into the manifest", path.display())]
    Sha256 {
        /// The file.
        path: PathBuf,
        /// Of the bytes on disk.
        found: Digest,
        /// In the manifest.
        expected: Digest,
    },

    /// The manifest does not say which column to read.
    #[error(
        "corpus `{corpus}`: its manifest names no `{role}` column\n\nhint: set `columns.{role}`"
    )]
    NoRole {
        /// The manifest's id.
        corpus: String,
        /// What the column is for.
        role: &'static str,
    },

    /// A file has no column of this name.
    #[error("`{}` has no column `{column}`; it has {}\n\nhint: correct the column's name in the manifest", path.display(), present.join(", "))]
    NoColumn {
        /// The file.
        path: PathBuf,
        /// The name in the manifest.
        column: String,
        /// The names in the file.
        present: Vec<String>,
    },

    /// A column has another type than its role needs.
    #[error("`{}`: column `{column}` is {found}, expected {expected}\n\nhint: name another column in the manifest, or write this one again", path.display())]
    ColumnType {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// Its type.
        found: String,
        /// The type its role needs.
        expected: &'static str,
    },

    /// A corpus without rows.
    #[error(
        "corpus `{corpus}` is empty: {n_files} files, no rows\n\nhint: leave it out of the recipe, or name its files in the manifest"
    )]
    Empty {
        /// The manifest's id.
        corpus: String,
        /// Files in the manifest.
        n_files: usize,
    },

    /// A value that must be there is null.
    #[error(
        "{place}: `{column}` is null\n\nhint: remove the row or give it a value, or leave it out of a mix with \
         `data_mixing.on_bad_row = \"drop\"`; a missing document is never taken for an empty one"
    )]
    Null {
        /// The row.
        place: RowPlace,
        /// The column.
        column: String,
    },

    /// Bytes that are no text.
    #[error(
        "{place}: `{column}` is no UTF-8 from byte {valid} on\n\nhint: write the file again from text in UTF-8, or leave \
         such rows out of a mix with `data_mixing.on_bad_row = \"drop\"`"
    )]
    InvalidUtf8 {
        /// The row.
        place: RowPlace,
        /// The column.
        column: String,
        /// Bytes before the first wrong one.
        valid: usize,
    },

    /// A row that is no conversation.
    #[error(
        "{place}: {problem}\n\nhint: correct or remove the row (`temper check` names all such rows), or leave \
         them out with `data_mixing.on_bad_row = \"drop\"`"
    )]
    Conversation {
        /// The row.
        place: RowPlace,
        /// What is wrong.
        fault: Fault,
        /// What was found and what was expected.
        problem: String,
    },

    /// Conversations, and a model that has no way to write them down.
    #[error(
        "corpus `{corpus}` holds conversations, and the model has no chat template\n\nhint: name one with `model.chat_template`, or start from a checkpoint that has one"
    )]
    NoChatTemplate {
        /// The manifest's id.
        corpus: String,
    },

    /// Pairs are asked for where there are none.
    #[error(
        "corpus `{corpus}` holds no pairs, expected a manifest with `columns.messages` and \
         `columns.rejected`\n\nhint: import preference data with `temper corpus import --pairs`"
    )]
    NoPairs {
        /// The manifest's id.
        corpus: String,
    },

    /// Judged answers are asked for where there are none.
    #[error(
        "corpus `{corpus}` holds no judged answers, expected a manifest with `columns.messages` and \
         `columns.label`\n\nhint: import a log with `temper corpus import --feedback`"
    )]
    NoFeedback {
        /// The manifest's id.
        corpus: String,
    },

    /// A document too large to hold.
    #[error(
        "{place}: a document of {bytes} bytes, expected at most {limit}\n\nhint: split it, or leave it out of a \
         mix with `data_mixing.on_bad_row = \"drop\"`"
    )]
    LongDocument {
        /// The row.
        place: RowPlace,
        /// Bytes of the document.
        bytes: u64,
        /// The limit.
        limit: u64,
    },

    /// A row of an evaluation task that cannot be scored.
    #[error("{place}: {problem}\n\nhint: correct or remove the row")]
    Item {
        /// The row.
        place: RowPlace,
        /// What was found and what was expected.
        problem: String,
    },

    /// Two rows of an evaluation task have the same id.
    #[error(
        "corpus `{corpus}`: two rows have the id `{id}`, results are compared by id\n\nhint: give each row its own id"
    )]
    RepeatedId {
        /// The manifest's id.
        corpus: String,
        /// The id.
        id: String,
    },

    /// A document that the tokenizer refused.
    #[error("{place}: cannot be tokenized")]
    Document {
        /// The row.
        place: RowPlace,
        /// Why.
        source: temper_tokens::Error,
    },

    /// A conversation that cannot be learned from.
    #[error(
        "{place}: cannot be learned from\n\nhint: correct or remove the row (`temper check` names all such \
         rows), or leave them out with `data_mixing.on_bad_row = \"drop\"`"
    )]
    Row {
        /// The row.
        place: RowPlace,
        /// Why.
        source: Box<temper_tokens::Error>,
    },

    /// A prompt whose reference nobody can judge by.
    #[error(
        "{place}: `{column}`: {problem}\n\nhint: correct or remove the row (`temper check` names all such rows), \
         choose another verifier, or leave them out with `data_mixing.on_bad_row = \"drop\"`"
    )]
    Reference {
        /// The row.
        place: RowPlace,
        /// The column.
        column: String,
        /// What is wrong.
        fault: Fault,
        /// What was found and what was expected.
        problem: String,
    },

    /// Bad rows are dropped, and nothing is left.
    #[error(
        "corpus `{corpus}`: none of its rows can be learned from: {counts}\n\nhint: `temper check` names them"
    )]
    AllDropped {
        /// The manifest's id.
        corpus: String,
        /// How many, by fault.
        counts: String,
    },

    /// Whatever the tokenizer or the shards report.
    #[error(transparent)]
    Tokens(#[from] temper_tokens::Error),

    /// The stop flag was raised; what is written stays and is used again.
    #[error(
        "tokenizing `{corpus}` was stopped after {n_done} of {n_documents} documents; the next run continues there"
    )]
    Stopped {
        /// The manifest's id.
        corpus: String,
        /// Documents in whole shards.
        n_done: u64,
        /// Documents in all.
        n_documents: u64,
    },

    /// The cache cannot be listed, locked or cleaned.
    #[error("cannot use the cache `{}`\n\nhint: make the folder writable, or move it away; what it held is made again", path.display())]
    Cache {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },

    /// Another process writes the entry that should go.
    #[error("cache entry `{}` is being written by another process\n\nhint: try again when it has finished", path.display())]
    CacheInUse {
        /// The entry.
        path: PathBuf,
    },

    /// Rows that cannot be imported.
    #[error(
        "{0}\n\nhint: correct or remove them, or leave them out with `--on-bad-row drop`; nothing was written"
    )]
    ImportRows(BadInputs),

    /// A file that cannot be read on from somewhere.
    #[error("`{}`, {at}: {problem}\n\nhint: correct the file, which cannot be read on from there; nothing was written", path.display())]
    ImportEnds {
        /// The file.
        path: PathBuf,
        /// Where in it.
        at: RowNumber,
        /// What was found and what was expected.
        problem: String,
    },

    /// Rows that cannot be written as a corpus of their own.
    #[error("cannot write corpus `{id}`: {problem}\n\nhint: name another, or remove what is there")]
    Subset {
        /// Its id.
        id: String,
        /// What was found and what was expected.
        problem: String,
    },

    /// A file that cannot be imported.
    #[error("cannot import `{}`: {problem}\n\nhint: nothing was written; `temper corpus import --help` shows what can be imported", path.display())]
    Import {
        /// The file.
        path: PathBuf,
        /// What was found and what was expected.
        problem: String,
    },
}
