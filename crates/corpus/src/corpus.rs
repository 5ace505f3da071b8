//! A corpus: the files of a manifest, checked before a row is read.

mod columns;
mod files;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;
use temper_recipe::{Digest, Hasher, Manifest};
use temper_tokens::DocumentOrigin;

pub use self::files::{TextSize, text_size};

use self::columns::Columns;
use self::files::{CorpusFile, take};
use crate::bad_rows::{DroppedRow, Fault, MOST_NAMED, counted};
use crate::conversations::ConversationFile;
use crate::documents::{DocumentFile, Documents};
use crate::error::Error;
use crate::filter::Filter;
use crate::place::RowPlace;
use crate::texts::TextFile;

/// The files of a manifest, found to be what it says.
#[derive(Debug)]
pub struct Corpus {
    id: String,
    columns: Columns,
    files: Vec<CorpusFile>,
    row_groups: Vec<RowGroup>,
    n_documents: u64,
    /// What decides which rows are documents, where not all are.
    filter_key: Option<String>,
    /// Rows that are no documents because they cannot be learned from; `None` where nobody looked.
    dropped: Option<Dropped>,
}

/// Rows that are no documents because they cannot be learned from.
#[derive(Debug)]
struct Dropped {
    counts: BTreeMap<Fault, u64>,
    /// The first ten thousand.
    named: Vec<DroppedRow>,
    /// Of where they stand.
    digest: Digest,
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
                CorpusFile::open(&id, file as u32, listed, manifests_dir, &columns)
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
        Ok(Self { id, columns, files, row_groups, n_documents, filter_key, dropped: None })
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

    /// Whether its documents are conversations whose last answer was judged.
    pub fn holds_feedback(&self) -> bool {
        match &self.columns {
            Columns::Text(_) => false,
            Columns::Messages(columns) => columns.label.is_some(),
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

    /// Where a row stands.
    pub(crate) fn place(&self, origin: DocumentOrigin) -> RowPlace {
        let DocumentOrigin { file, row_group, row } = origin;
        RowPlace { path: self.path(file).to_owned(), row_group, row }
    }

    /// Whether some of its rows may be such that nothing can be learned from them.
    pub(crate) fn can_have_bad_rows(&self) -> bool {
        self.dropped.is_none()
    }

    /// How many rows are no documents because they cannot be learned from, by fault.
    pub fn dropped(&self) -> &BTreeMap<Fault, u64> {
        const NONE: &BTreeMap<Fault, u64> = &BTreeMap::new();
        self.dropped.as_ref().map_or(NONE, |dropped| &dropped.counts)
    }

    /// The first ten thousand of them, in corpus order.
    pub fn dropped_rows(&self) -> &[DroppedRow] {
        self.dropped.as_ref().map_or(&[], |dropped| &dropped.named)
    }

    /// Which rows these are; `None` where there are none.
    pub fn dropped_digest(&self) -> Option<Digest> {
        let dropped = self.dropped.as_ref().filter(|dropped| !dropped.counts.is_empty());
        dropped.map(|dropped| dropped.digest)
    }

    /// The same without these rows, which stand in corpus order.
    pub(crate) fn without(mut self, rows: &[DroppedRow]) -> Self {
        let mut gone: BTreeMap<(u32, u32), Vec<u32>> = BTreeMap::new();
        let mut hasher = Hasher::new();
        for DroppedRow { origin: DocumentOrigin { file, row_group, row }, .. } in
            rows.iter().copied()
        {
            for number in [file, row_group, row] {
                hasher.update(&number.to_le_bytes());
            }
            gone.entry((file, row_group)).or_default().push(row);
        }
        for ((file, row_group), rows) in gone {
            let file = &mut self.files[file as usize];
            let groups = &file.row_groups;
            let all = || groups.iter().map(|group| vec![true; group.n_documents as usize].into());
            let kept = file.kept.get_or_insert_with(|| all().collect());
            let kept = &mut kept[row_group as usize];
            let mut left = kept.to_vec();
            for row in &rows {
                left[*row as usize] = false;
            }
            *kept = left.into();
            file.row_groups[row_group as usize].n_documents -= rows.len() as u64;
        }
        self.row_groups =
            self.files.iter().flat_map(|file| file.row_groups.iter().copied()).collect();
        self.n_documents -= rows.len() as u64;
        let named = rows.iter().take(MOST_NAMED).copied().collect();
        self.dropped = Some(Dropped { counts: counted(rows), named, digest: hasher.finish() });
        self
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
        let CorpusFile { path, leaf, kept, .. } = &self.files[file as usize];
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

#[cfg(test)]
mod tests;
