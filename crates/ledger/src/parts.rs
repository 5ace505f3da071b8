//! The Parquet files of a ledger: one per table and range of steps.
//!
//! The bytes are a function of the records: fixed writer properties, no clock, no host name.

use std::fs::File;
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{WriterProperties, WriterVersion};

use temper_recipe::Digest;

use crate::columns::{Table, TablePart, decode, decode_steps};
use crate::error::Error;
use crate::record::LedgerStep;
use crate::whole::{SCHEMA, is_beside, names, write_bytes};

/// One part of a ledger: a file per table, all over the same steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The first step in it.
    pub first: u64,
    /// The last step in it.
    pub last: u64,
    /// One file per table, in order of [`Table::ALL`].
    pub files: [PathBuf; 5],
}

impl Part {
    /// The file of `table`.
    pub fn file(&self, table: Table) -> &Path {
        let i = Table::ALL.iter().position(|other| *other == table).expect("ALL has every table");
        &self.files[i]
    }
}

/// What a file name says. A partial file's last step stands in its metadata, not in its name, so
/// that a longer one replaces it by one rename.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PartName {
    pub(crate) table: Table,
    pub(crate) first: u64,
    /// `None` for a partial file.
    pub(crate) last: Option<u64>,
}

impl PartName {
    pub(crate) fn file_name(self) -> String {
        let (table, first) = (self.table.name(), self.first);
        match self.last {
            Some(last) => format!("{table}-{first:06}-{last:06}.parquet"),
            None => format!("{table}-{first:06}.partial.parquet"),
        }
    }

    fn parse(name: &str) -> Option<Self> {
        let (table, rest) = name.strip_suffix(".parquet")?.split_once('-')?;
        let table = Table::ALL.into_iter().find(|candidate| candidate.name() == table)?;
        let (first, last) = match rest.strip_suffix(".partial") {
            Some(first) => (first, None),
            None => {
                let (first, last) = rest.split_once('-')?;
                (first, Some(last.parse().ok()?))
            }
        };
        let parsed = Self { table, first: first.parse().ok()?, last };
        (parsed.file_name() == name).then_some(parsed)
    }
}

/// The part files in `folder`, sorted by name; other names are an error, drafts are passed over.
pub(crate) fn part_names(folder: &Path) -> Result<Vec<PartName>, Error> {
    names(folder)?
        .iter()
        .filter(|name| name.ends_with(".parquet") && !is_beside(name))
        .map(|name| PartName::parse(name).ok_or_else(|| foreign_name(folder, name)))
        .collect()
}

fn foreign_name(folder: &Path, name: &str) -> Error {
    let reason =
        "found a name that no part has, expected `<table>-<first>-<last>.parquet`".to_owned();
    Error::UnreadablePart { path: folder.join(name), reason }
}

/// Writes one table of a part.
pub(crate) fn write_table(
    folder: &Path,
    name: PartName,
    steps: &[LedgerStep],
) -> Result<(), Error> {
    let last = name.first + steps.len() as u64 - 1;
    let path = folder.join(name.file_name());
    let batch = name.table.encode(steps);
    // In memory first, because the Parquet writer would hide what the disk said.
    let options = ArrowWriterOptions::new()
        .with_properties(properties(name, last))
        // The embedded Arrow schema would tie the bytes to the version of `arrow`.
        .with_skip_arrow_metadata(true);
    let encode = || -> Result<Vec<u8>, ParquetError> {
        let mut parquet = ArrowWriter::try_new_with_options(Vec::new(), batch.schema(), options)?;
        parquet.write(&batch)?;
        parquet.into_inner()
    };
    write_bytes(&path, &encode().expect("a batch of its own schema can be encoded in memory"))
}

fn properties(name: PartName, last: u64) -> WriterProperties {
    let entry = |key: &str, value: String| KeyValue::new(format!("temper.{key}"), value);
    let level = ZstdLevel::try_new(3).expect("zstd has a level 3");
    WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_created_by("temper-ledger".to_owned())
        .set_compression(Compression::ZSTD(level))
        .set_max_row_group_row_count(None)
        .set_key_value_metadata(Some(vec![
            entry("schema", SCHEMA.to_string()),
            entry("table", name.table.name().to_owned()),
            entry("first", name.first.to_string()),
            entry("last", last.to_string()),
        ]))
        .build()
}

/// A part's file, opened: its metadata fit its name.
pub(crate) struct PartFile {
    path: PathBuf,
    builder: ParquetRecordBatchReaderBuilder<File>,
    first: u64,
    pub(crate) last: u64,
}

impl PartFile {
    pub(crate) fn open(folder: &Path, name: PartName) -> Result<Self, Error> {
        let path = folder.join(name.file_name());
        let file = File::open(&path).map_err(|cause| Error::Read { path: path.clone(), cause })?;
        let unreadable = |reason: String| Error::UnreadablePart { path: path.clone(), reason };
        let builder = ParquetRecordBatchReaderBuilder::try_new(file)
            .map_err(|error| unreadable(error.to_string()))?;
        let entries = builder.metadata().file_metadata().key_value_metadata();
        let value = |key: &str| {
            let key = format!("temper.{key}");
            entries?.iter().find(|entry| entry.key == key)?.value.clone()
        };
        let schema = value("schema").unwrap_or_else(|| "none".to_owned());
        if schema != SCHEMA.to_string() {
            return Err(Error::Schema { path, found: schema, expected: SCHEMA });
        }
        let last = value("last").and_then(|last| last.parse().ok());
        let fits = value("table").as_deref() == Some(name.table.name())
            && value("first") == Some(name.first.to_string())
            && (name.last.is_none() || name.last == last);
        match last {
            Some(last) if fits && last >= name.first => {
                Ok(Self { path, builder, first: name.first, last })
            }
            Some(_) | None => Err(unreadable("its metadata do not fit its name".to_owned())),
        }
    }

    /// Opens a file by its path, which [`PartFile::open`] gave before.
    pub(crate) fn open_path(path: &Path) -> Result<Self, Error> {
        let folder = path.parent().unwrap_or(Path::new("."));
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Self::open(folder, PartName::parse(&name).ok_or_else(|| foreign_name(folder, &name))?)
    }

    /// The chain digest of the last step of a file of [`Table::Steps`].
    pub(crate) fn last_chain(self) -> Result<Digest, Error> {
        let (first, last) = (self.first, self.last);
        let steps = decode_steps(&self.read()?, first, last)?;
        Ok(steps.last().expect("a part has at least one step").step.chain)
    }

    fn read(self) -> Result<TablePart, Error> {
        let Self { path, builder, .. } = self;
        let read = || -> Result<RecordBatch, Box<dyn std::error::Error>> {
            let schema = builder.schema().clone();
            let batches = builder.build()?.collect::<Result<Vec<_>, _>>()?;
            Ok(concat_batches(&schema, &batches)?)
        };
        match read() {
            Ok(batch) => Ok(TablePart { path, batch }),
            Err(error) => Err(Error::UnreadablePart { path, reason: error.to_string() }),
        }
    }
}

/// The file of `table` that starts at `first` and reaches furthest, at least to `last`, and how far
/// it reaches. Only a partial file is opened for that.
pub(crate) fn longest(
    folder: &Path,
    names: &[PartName],
    table: Table,
    first: u64,
    last: u64,
) -> Result<(PartName, u64), Error> {
    let mut longest: Option<(PartName, u64)> = None;
    for name in names.iter().filter(|name| name.table == table && name.first == first) {
        let reach = match name.last {
            Some(last) => last,
            None => PartFile::open(folder, *name)?.last,
        };
        if longest.is_none_or(|(_, furthest)| reach > furthest) {
            longest = Some((*name, reach));
        }
    }
    let next = longest.map_or(first, |(_, reach)| reach + 1);
    longest.filter(|(_, reach)| *reach >= last).ok_or_else(|| Error::MissingPart {
        folder: folder.to_owned(),
        table: table.name(),
        step: next,
        until: last + 1,
    })
}

/// Reads the steps `first..=last` from five opened files, one per table in order of [`Table::ALL`].
///
/// The files may go on after `last`: lines of later steps are left out.
pub(crate) fn read_steps(
    files: [PartFile; 5],
    first: u64,
    last: u64,
) -> Result<Vec<LedgerStep>, Error> {
    let mut tables = Vec::with_capacity(files.len());
    for file in files {
        let goes_on = file.last > last;
        let table = file.read()?;
        tables.push(if goes_on { table.until(last)? } else { table });
    }
    let tables: [TablePart; 5] = tables.try_into().unwrap_or_else(|_| unreachable!("five files"));
    decode(&tables, first, last)
}

#[cfg(test)]
mod tests;
