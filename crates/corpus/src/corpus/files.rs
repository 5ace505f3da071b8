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
}

/// Bytes of the columns of a corpus before compression, as the footers of its files say: no row is read.
///
/// # Errors
/// [`Error::NoRole`], [`Error::Missing`], [`Error::Read`], [`Error::NotParquet`], [`Error::NoColumn`] and
/// [`Error::ColumnType`].
pub fn text_bytes(manifest: &Manifest, manifests_dir: &Path) -> Result<u64, Error> {
    let columns = Columns::of(manifest)?;
    let mut bytes = 0;
    for listed in &manifest.files {
        let footer = Footer::read(&manifest.id, &manifests_dir.join(&listed.path))?;
        let groups = row_groups(footer.metadata(), 0, columns.leaves(&footer)?);
        bytes += groups.iter().map(|group| group.text_bytes).sum::<u64>();
    }
    Ok(bytes)
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
