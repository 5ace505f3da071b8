//! A corpus: the files of a manifest, checked before a row is read.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::DataType;
use parquet::file::metadata::ParquetMetaData;
use rayon::prelude::*;
use temper_recipe::{Digest, Manifest, ManifestFile};
use temper_tokens::DocumentOrigin;

use crate::conversations::{ConversationFile, MessageColumns};
use crate::documents::{DocumentFile, Documents};
use crate::error::Error;
use crate::filter::Filter;
use crate::table::{self, Footer};
use crate::texts::TextFile;

/// The files of a manifest, found to be what it says.
#[derive(Debug)]
pub struct Corpus {
    id: String,
    columns: Columns,
    files: Vec<CheckedFile>,
    row_groups: Vec<RowGroup>,
    n_documents: u64,
    /// What decides which rows are documents, where not all are.
    filter_key: Option<String>,
}

/// Which columns hold the documents.
#[derive(Clone, Debug)]
enum Columns {
    Text(String),
    Messages(MessageColumns),
}

/// One row group of a corpus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowGroup {
    /// Index of the file in the manifest.
    pub file: u32,
    /// Index of the row group in the file.
    pub row_group: u32,
    /// Its rows that are documents.
    pub n_documents: u64,
    /// Bytes of its columns before compression; less than the text where rows repeat.
    pub text_bytes: u64,
}

#[derive(Debug)]
struct CheckedFile {
    path: PathBuf,
    sha256: Digest,
    /// The first leaf of its column; the only one of a text.
    leaf: usize,
    row_groups: Vec<RowGroup>,
    /// By row group, which rows are documents; `None` for all.
    kept: Option<Vec<Arc<[bool]>>>,
}

impl Corpus {
    /// Opens the files of a corpus of texts or conversations and checks them: there, whole, of the right columns, types,
    /// rows and digest, not empty. Reads every file once for its digest, on all cores.
    ///
    /// # Errors
    /// [`Error::NoRole`] without a `text` or `messages` column in the manifest; [`Error::Missing`],
    /// [`Error::Read`], [`Error::NotParquet`], [`Error::NoColumn`], [`Error::ColumnType`],
    /// [`Error::RowCount`], [`Error::Sha256`] for the first file that has one; [`Error::Filter`],
    /// [`Error::NothingTaken`]; [`Error::Empty`].
    pub fn open(manifest: &Manifest, manifests_dir: &Path) -> Result<Self, Error> {
        let id = manifest.id.clone();
        let columns = Columns::of(manifest)?;
        let checked: Vec<_> = manifest
            .files
            .par_iter()
            .enumerate()
            .map(|(file, listed)| {
                CheckedFile::open(&id, file as u32, listed, manifests_dir, &columns)
            })
            .collect();
        let mut files = checked.into_iter().collect::<Result<Vec<_>, _>>()?;
        let filter = Filter::of(manifest);
        if let Some(filter) = &filter {
            take(&mut files, filter)?;
        }
        let row_groups: Vec<RowGroup> =
            files.iter().flat_map(|file| file.row_groups.iter().copied()).collect();
        let n_documents = row_groups.iter().map(|group| group.n_documents).sum();
        if n_documents == 0 {
            let n_rows = manifest.files.iter().map(|file| file.rows).sum();
            return Err(match filter {
                Some(_) if n_rows > 0 => Error::NothingTaken { corpus: id, n_rows },
                _ => Error::Empty { corpus: id, n_files: files.len() },
            });
        }
        let filter_key = filter.map(|filter| filter.key());
        Ok(Self { id, columns, files, row_groups, n_documents, filter_key })
    }

    /// The manifest's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether its documents are conversations, or pairs of them.
    pub fn holds_conversations(&self) -> bool {
        matches!(self.columns, Columns::Messages(_))
    }

    /// Whether its documents are pairs of conversations.
    pub fn holds_pairs(&self) -> bool {
        match &self.columns {
            Columns::Text(_) => false,
            Columns::Messages(columns) => columns.rejected.is_some(),
        }
    }

    /// The names of the columns that hold the documents.
    pub(crate) fn columns(&self) -> Vec<&str> {
        match &self.columns {
            Columns::Text(text) => vec![text],
            Columns::Messages(columns) => columns.names().collect(),
        }
    }

    /// What decides which rows are documents; `None` where all are.
    pub(crate) fn filter_key(&self) -> Option<&str> {
        self.filter_key.as_deref()
    }

    /// Rows of all files that are documents.
    pub fn n_documents(&self) -> u64 {
        self.n_documents
    }

    /// Which rows are documents, by where they stand.
    pub fn documents_taken(&self) -> impl Fn(DocumentOrigin) -> bool {
        |DocumentOrigin { file, row_group, row }| {
            let kept = self.files.get(file as usize).and_then(|file| file.kept.as_ref());
            kept.is_none_or(|kept| kept[row_group as usize][row as usize])
        }
    }

    /// In corpus order.
    pub fn row_groups(&self) -> &[RowGroup] {
        &self.row_groups
    }

    /// Bytes of the columns before compression; less than the text where rows repeat.
    pub fn text_bytes(&self) -> u64 {
        self.row_groups.iter().map(|group| group.text_bytes).sum()
    }

    /// The digests of the files, in corpus order.
    pub fn sha256s(&self) -> impl Iterator<Item = Digest> {
        self.files.iter().map(|file| file.sha256)
    }

    /// The documents of one row group, in order; one page of a text column is held at a
    /// time, or some conversations.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::NotParquet`], [`Error::RowGroup`]; the iterator yields
    /// [`Error::RowGroup`], [`Error::Null`], [`Error::InvalidUtf8`], [`Error::LongDocument`] and
    /// [`Error::Conversation`].
    pub fn read_row_group(&self, file: u32, row_group: u32) -> Result<Documents, Error> {
        self.open_file(file)?.documents(row_group)
    }

    pub(crate) fn open_file(&self, file: u32) -> Result<DocumentFile, Error> {
        let CheckedFile { path, leaf, kept, .. } = &self.files[file as usize];
        Ok(match &self.columns {
            Columns::Text(column) => {
                DocumentFile::Texts(TextFile::open(path, file, column, *leaf, kept.clone())?)
            }
            Columns::Messages(columns) => DocumentFile::Conversations(ConversationFile::open(
                path,
                file,
                columns.clone(),
                kept.clone(),
            )?),
        })
    }

    /// By row group of a file, which rows are documents; `None` for all.
    pub(crate) fn kept(&self, file: u32) -> Option<Vec<Arc<[bool]>>> {
        self.files[file as usize].kept.clone()
    }

    pub(crate) fn path(&self, file: u32) -> &Path {
        &self.files[file as usize].path
    }
}

/// All texts of a corpus, in order, for training a tokenizer; ends after the first error.
///
/// # Errors
/// As [`Corpus::open`]; the iterator yields what [`Corpus::read_row_group`] does.
pub fn read_texts(
    manifest: &Manifest,
    manifests_dir: &Path,
) -> Result<impl Iterator<Item = Result<String, Error>> + Send + use<>, Error> {
    let corpus = Corpus::open(manifest, manifests_dir)?;
    let mut groups = corpus.row_groups.clone().into_iter();
    let mut documents: Option<Documents> = None;
    let mut failed = false;
    Ok(std::iter::from_fn(move || {
        while !failed {
            if let Some(document) = documents.as_mut().and_then(Iterator::next) {
                failed = document.is_err();
                return Some(document.map(|document| document.text().into_owned()));
            }
            let group = groups.next()?;
            match corpus.read_row_group(group.file, group.row_group) {
                Ok(next) => documents = Some(next),
                Err(error) => {
                    failed = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }))
}

impl Columns {
    fn of(manifest: &Manifest) -> Result<Self, Error> {
        let temper_recipe::Columns { text, messages, rejected, tools, .. } =
            manifest.columns.clone();
        match (text, messages) {
            (Some(text), _) => Ok(Self::Text(text)),
            (None, Some(messages)) => {
                Ok(Self::Messages(MessageColumns { messages, rejected, tools }))
            }
            (None, None) => Err(Error::NoRole { corpus: manifest.id.clone(), role: "text" }),
        }
    }

    /// The leaves of the column, whose type is looked at.
    fn leaves(&self, footer: &Footer) -> Result<Range<usize>, Error> {
        match self {
            Self::Text(column) => {
                if *footer.column(column)? != DataType::Utf8 {
                    return Err(footer.wrong_type(column, table::STRING));
                }
                Ok(footer.leaves(column))
            }
            Self::Messages(columns) => {
                for column in columns.names() {
                    let is_list = |kind: &DataType| matches!(kind, DataType::List(item) if item.data_type().is_nested());
                    let kind = footer.column(column)?;
                    if *kind != DataType::Utf8 && !is_list(kind) {
                        return Err(footer.wrong_type(column, table::MESSAGES));
                    }
                }
                Ok(footer.leaves(&columns.messages))
            }
        }
    }
}

impl CheckedFile {
    fn open(
        id: &str,
        file: u32,
        listed: &ManifestFile,
        manifests_dir: &Path,
        columns: &Columns,
    ) -> Result<Self, Error> {
        let path = manifests_dir.join(&listed.path);
        let footer = Footer::read(id, &path)?;
        let leaves = columns.leaves(&footer)?;
        footer.check(listed)?;
        let row_groups = row_groups(footer.metadata(), file, leaves.clone());
        let leaf = leaves.start;
        Ok(Self { path, sha256: listed.sha256, leaf, row_groups, kept: None })
    }
}

/// Marks which rows are documents, and counts them anew.
fn take(files: &mut [CheckedFile], filter: &Filter) -> Result<(), Error> {
    let kept: Vec<Result<Vec<Vec<bool>>, Error>> = files
        .par_iter()
        .enumerate()
        .map(|(file, checked)| {
            let n_rows: Vec<u64> =
                checked.row_groups.iter().map(|group| group.n_documents).collect();
            filter.rows(&checked.path, file as u32, &n_rows)
        })
        .collect();
    let mut left = filter.most.unwrap_or(u64::MAX);
    for (file, kept) in files.iter_mut().zip(kept) {
        let mut kept = kept?;
        for (group, rows) in file.row_groups.iter_mut().zip(&mut kept) {
            group.n_documents = 0;
            for taken in rows.iter_mut().filter(|taken| **taken) {
                *taken = left > 0;
                left = left.saturating_sub(1);
                group.n_documents += u64::from(*taken);
            }
        }
        file.kept = Some(kept.into_iter().map(Arc::from).collect());
    }
    Ok(())
}

fn row_groups(metadata: &ParquetMetaData, file: u32, leaves: Range<usize>) -> Vec<RowGroup> {
    let groups = metadata.row_groups().iter().enumerate();
    groups
        .map(|(row_group, group)| RowGroup {
            file,
            row_group: row_group as u32,
            n_documents: group.num_rows() as u64,
            text_bytes: leaves
                .clone()
                .map(|leaf| group.column(leaf).uncompressed_size() as u64)
                .sum(),
        })
        .collect()
}

#[cfg(test)]
mod tests;
