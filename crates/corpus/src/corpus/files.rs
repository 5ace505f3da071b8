//! The files of a corpus, and which of their rows are documents.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::file::metadata::ParquetMetaData;
use rayon::prelude::*;
use temper_recipe::{Digest, Manifest, ManifestFile};

use super::columns::Columns;
use super::{Corpus, RowGroup};
use crate::error::Error;
use crate::filter::Filter;
use crate::table::Footer;

/// A file of a corpus, found to be what its manifest says.
#[derive(Debug)]
pub(super) struct CheckedFile {
    pub(super) path: PathBuf,
    pub(super) sha256: Digest,
    /// The first leaf of its column; the only one of a text.
    pub(super) leaf: usize,
    pub(super) row_groups: Vec<RowGroup>,
    /// By row group, which rows are documents; `None` for all.
    pub(super) kept: Option<Vec<Arc<[bool]>>>,
}

impl CheckedFile {
    pub(super) fn open(
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

    /// Its row groups, and how many rows each has, taken or not.
    fn taken(&self) -> impl Iterator<Item = (&RowGroup, u64)> {
        self.row_groups.iter().enumerate().map(|(at, group)| {
            let n_rows = self.kept.as_ref().map(|kept| kept[at].len() as u64);
            (group, n_rows.unwrap_or(group.n_documents))
        })
    }
}

/// How much text a corpus holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TextSize {
    /// Rows that are documents.
    pub documents: u64,
    /// Bytes of their columns before compression; less than the text where rows repeat.
    pub bytes: u64,
}

/// Documents and bytes of a corpus, as the footers of its files say: no row is read, unless the manifest takes only
/// some. Then the corpus is opened, and of a row group's bytes the part of its rows counts that is taken.
///
/// # Errors
/// [`Error::NoRole`], [`Error::Missing`], [`Error::Read`], [`Error::NotParquet`], [`Error::NoColumn`] and
/// [`Error::ColumnType`]; where only some rows are taken those of [`Corpus::open`].
pub fn text_size(manifest: &Manifest, manifests_dir: &Path) -> Result<TextSize, Error> {
    if Filter::of(manifest).is_some() {
        let files = Corpus::open(manifest, manifests_dir)?.files;
        let groups = files.iter().flat_map(CheckedFile::taken);
        return Ok(
            groups.fold(TextSize::default(), |size, (group, n_rows)| size.with(group, n_rows))
        );
    }
    let columns = Columns::of(manifest)?;
    let mut size = TextSize::default();
    for listed in &manifest.files {
        let footer = Footer::read(&manifest.id, &manifests_dir.join(&listed.path))?;
        let groups = row_groups(footer.metadata(), 0, columns.leaves(&footer)?);
        size = groups.iter().fold(size, |size, group| size.with(group, group.n_documents));
    }
    Ok(size)
}

impl TextSize {
    /// With a row group of `n_rows` rows.
    fn with(self, group: &RowGroup, n_rows: u64) -> Self {
        let taken = u128::from(group.text_bytes) * u128::from(group.n_documents);
        Self {
            documents: self.documents + group.n_documents,
            bytes: self.bytes + (taken / u128::from(n_rows.max(1))) as u64,
        }
    }
}

/// Marks which rows are documents, and counts them anew.
pub(super) fn take(files: &mut [CheckedFile], filter: &Filter) -> Result<(), Error> {
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
