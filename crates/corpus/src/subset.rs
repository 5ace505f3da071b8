//! Some rows of a corpus as a corpus of their own.

use std::fs::File;
use std::path::Path;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReaderBuilder};
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use temper_recipe::{Digest, Manifest, ManifestFile};
use temper_tokens::{DocumentOrigin, Staged};

use crate::error::Error;

/// Rows of a batch in memory.
const BATCH_ROWS: usize = 256;

/// Rows of a row group, the unit of an interrupted tokenization.
const ROW_GROUP_ROWS: usize = 2000;

/// Writes the rows of `manifest` that `keep` takes, with all their columns, as the corpus `id`: its
/// files go to `corpora/`, its manifest beside the others, last. `source` says what was left out.
///
/// Equal inputs give equal bytes. A file without a row left is left out. The new manifest has no
/// `where`, `fraction` or `max_documents`: `keep` decides.
///
/// # Errors
/// [`Error::Subset`] when the manifest or a file is there already, or no row is left;
/// [`Error::Read`], [`Error::NotParquet`], [`Error::RowGroup`]; [`temper_tokens::Error::Write`].
pub fn write_subset(
    manifest: &Manifest,
    manifests_dir: &Path,
    id: &str,
    source: &str,
    keep: &dyn Fn(DocumentOrigin) -> bool,
) -> Result<Manifest, Error> {
    let refused = |problem: &str| Error::Subset { id: id.to_owned(), problem: problem.to_owned() };
    let path = manifests_dir.join(format!("{id}.toml"));
    if path.exists() {
        return Err(refused("a manifest of that id is there already"));
    }
    let name = |number: usize| match manifest.files.len() {
        1 => format!("corpora/{id}.parquet"),
        _ => format!("corpora/{id}-{number:05}.parquet"),
    };
    let names: Vec<String> = (0..manifest.files.len()).map(name).collect();
    if let Some(there) = names.iter().find(|name| manifests_dir.join(name).exists()) {
        return Err(refused(&format!("`{there}` is there already")));
    }
    let files = write_files(manifest, manifests_dir, &names, keep).inspect_err(|_| {
        for name in &names {
            // A part of a corpus would only be in the way of the next try.
            let _ = std::fs::remove_file(manifests_dir.join(name));
        }
    })?;
    if files.is_empty() {
        return Err(refused("no row is left"));
    }
    let written = Manifest {
        id: id.to_owned(),
        source: source.to_owned(),
        condition: None,
        fraction: None,
        max_documents: None,
        files,
        ..manifest.clone()
    };
    let text = toml::to_string(&written).expect("a manifest holds nothing that TOML cannot say");
    Staged::write(&path, text.as_bytes())?;
    Ok(written)
}

/// Writes one file for each of the manifest's that has a row left.
fn write_files(
    manifest: &Manifest,
    manifests_dir: &Path,
    names: &[String],
    keep: &dyn Fn(DocumentOrigin) -> bool,
) -> Result<Vec<ManifestFile>, Error> {
    let folder = manifests_dir.join("corpora");
    std::fs::create_dir_all(&folder)
        .map_err(|source| temper_tokens::Error::Write { path: folder, source })?;
    let mut files = Vec::new();
    for ((file, name), number) in manifest.files.iter().zip(names).zip(0..) {
        let out = manifests_dir.join(name);
        let taken = |row_group, row| keep(DocumentOrigin { file: number, row_group, row });
        let rows = write_file(&manifests_dir.join(&file.path), &out, &taken)?;
        if rows > 0 {
            let read = |source| Error::Read { path: out.clone(), source };
            let sha256 = Digest::of_file(&out).map_err(read)?;
            files.push(ManifestFile { path: name.clone(), sha256, rows });
        }
    }
    Ok(files)
}

/// Copies the rows that are `taken`, by row group and row; gives their number. None leave no file.
fn write_file(input: &Path, out: &Path, taken: &dyn Fn(u32, u32) -> bool) -> Result<u64, Error> {
    let failed = |source| Error::Read { path: input.to_owned(), source };
    let file = File::open(input).map_err(failed)?;
    let bytes = file.metadata().map_err(failed)?.len();
    let footer = ArrowReaderMetadata::load(&file, Default::default())
        .map_err(|source| Error::NotParquet { path: input.to_owned(), bytes, source })?;
    let level = ZstdLevel::try_new(3).expect("zstd has a level 3");
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .build();
    let mut staged = Staged::create(out)?;
    let mut writer =
        ArrowWriter::try_new(staged.handle()?, footer.schema().clone(), Some(properties))
            .map_err(|error| not_written(out, error))?;
    let mut rows = 0;
    for row_group in 0..footer.metadata().num_row_groups() {
        let failed_group = |source| Error::RowGroup {
            path: input.to_owned(),
            row_group: row_group as u32,
            source,
        };
        let file = file.try_clone().map_err(failed)?;
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, footer.clone())
            .with_row_groups(vec![row_group])
            .with_batch_size(BATCH_ROWS)
            .build()
            .map_err(failed_group)?;
        let mut first = 0;
        for batch in reader {
            let batch: RecordBatch = batch.map_err(|error| failed_group(error.into()))?;
            let numbers = first..first + batch.num_rows() as u32;
            first = numbers.end;
            let mask: BooleanArray =
                numbers.map(|row| Some(taken(row_group as u32, row))).collect();
            let left =
                filter_record_batch(&batch, &mask).map_err(|error| failed_group(error.into()))?;
            rows += left.num_rows() as u64;
            writer.write(&left).map_err(|error| not_written(out, error))?;
        }
    }
    writer.finish().map_err(|error| not_written(out, error))?;
    drop(writer);
    if rows > 0 {
        staged.commit()?;
    }
    Ok(rows)
}

/// Parquet wraps the errors of the file: they come out as failed writes, with their way out.
fn not_written(out: &Path, error: ParquetError) -> Error {
    let refused = |problem| Error::Subset { id: out.display().to_string(), problem };
    let ParquetError::External(inner) = error else { return refused(error.to_string()) };
    match inner.downcast::<std::io::Error>() {
        Ok(source) => temper_tokens::Error::Write { path: out.to_owned(), source: *source }.into(),
        Err(other) => refused(other.to_string()),
    }
}

#[cfg(test)]
mod tests;
