//! The files of a corpus, and which of their rows are documents.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::file::metadata::ParquetMetaData;
use rayon::prelude::*;
use temper_recipe::{Digest, Manifest, ManifestFile};

use super::RowGroup;
use super::columns::Columns;
use crate::error::Error;
use crate::filter::Filter;
use crate::table::Footer;

/// A file of a corpus, as its footer says.
#[derive(Debug)]
pub(super) struct CorpusFile {
    pub(super) path: PathBuf,
    /// As its manifest says.
    pub(super) sha256: Digest,
    /// The first leaf of its column; the only one of a text.
    pub(super) leaf: usize,
    pub(super) row_groups: Vec<RowGroup>,
    /// By row group, which rows are documents; `None` for all.
    pub(super) kept: Option<Vec<Arc<[bool]>>>,
}

impl CorpusFile {
    /// Finds it to be what its manifest says; reads the whole file.
    pub(super) fn open(
        id: &str,
        file: u32,
        listed: &ManifestFile,
        manifests_dir: &Path,
        columns: &Columns,
    ) -> Result<Self, Error> {
        let (read, footer) = Self::read(id, file, listed, manifests_dir, columns)?;
        footer.check(listed)?;
        Ok(read)
    }

    /// Reads its footer, which is not held against the rows and the digest of the manifest.
    fn read(
        id: &str,
        file: u32,
        listed: &ManifestFile,
        manifests_dir: &Path,
        columns: &Columns,
    ) -> Result<(Self, Footer), Error> {
        let path = manifests_dir.join(&listed.path);
        let footer = Footer::read(id, &path)?;
        let leaves = columns.leaves(&footer)?;
        let leaf = leaves.start;
        let row_groups = row_groups(footer.metadata(), file, leaves);
        Ok((Self { path, sha256: listed.sha256, leaf, row_groups, kept: None }, footer))
    }

    /// Its row groups, and how many rows each has, documents or not.
    fn row_groups_and_rows(&self) -> impl Iterator<Item = (&RowGroup, u64)> {
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

/// Documents and bytes of a corpus, as the footers of its files say, which are not held against the manifest. Where
/// that takes only some rows, the columns of its condition are read, and of a row group's bytes the part of its rows
/// counts that is taken.
///
/// # Errors
/// [`Error::NoRole`], [`Error::Missing`], [`Error::Read`], [`Error::NotParquet`], [`Error::NoColumn`],
/// [`Error::ColumnType`] and [`Error::Filter`].
pub fn text_size(manifest: &Manifest, manifests_dir: &Path) -> Result<TextSize, Error> {
    let columns = Columns::of(manifest)?;
    let mut files = Vec::with_capacity(manifest.files.len());
    for (file, listed) in manifest.files.iter().enumerate() {
        let (read, _) =
            CorpusFile::read(&manifest.id, file as u32, listed, manifests_dir, &columns)?;
        files.push(read);
    }
    if let Some(filter) = Filter::of(manifest) {
        take(&mut files, &filter)?;
    }
    let groups = files.iter().flat_map(CorpusFile::row_groups_and_rows);
    Ok(groups.fold(TextSize::default(), |size, (group, n_rows)| size.with(group, n_rows)))
}

impl TextSize {
    /// With a row group of `n_rows` rows.
    fn with(self, group: &RowGroup, n_rows: u64) -> Self {
        let part = u128::from(group.text_bytes) * u128::from(group.n_documents)
            / u128::from(n_rows.max(1));
        Self { documents: self.documents + group.n_documents, bytes: self.bytes + part as u64 }
    }
}

/// Marks which rows are documents, and counts them anew.
pub(super) fn take(files: &mut [CorpusFile], filter: &Filter) -> Result<(), Error> {
    let kept: Vec<Result<Vec<Vec<bool>>, Error>> = files
        .par_iter()
        .enumerate()
        .map(|(number, file)| {
            let n_rows: Vec<u64> = file.row_groups.iter().map(|group| group.n_documents).collect();
            filter.rows(&file.path, number as u32, &n_rows)
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
