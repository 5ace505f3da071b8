//! One table as one Parquet file, whose bytes are a function of its lines.

use std::fs::File;
use std::path::Path;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{WriterProperties, WriterVersion};

use crate::columns::TablePart;
use crate::error::Error;
use crate::whole::SCHEMA;

/// The file of `batch`: fixed writer properties, no clock, no host name; `entries` are its metadata.
pub(crate) fn encode(batch: &RecordBatch, entries: &[(&str, String)]) -> Vec<u8> {
    let entry = |key: &str, value: String| KeyValue::new(format!("temper.{key}"), value);
    let schema = entry("schema", SCHEMA.to_string());
    let entries = entries.iter().map(|(key, value)| entry(key, value.clone()));
    let level = ZstdLevel::try_new(3).expect("zstd has a level 3");
    let properties = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_created_by("temper-ledger".to_owned())
        .set_compression(Compression::ZSTD(level))
        .set_max_row_group_row_count(None)
        .set_key_value_metadata(Some([schema].into_iter().chain(entries).collect()))
        .build();
    let options = ArrowWriterOptions::new()
        .with_properties(properties)
        // The embedded Arrow schema would tie the bytes to the version of `arrow`.
        .with_skip_arrow_metadata(true);
    let written = || -> Result<Vec<u8>, ParquetError> {
        let mut parquet = ArrowWriter::try_new_with_options(Vec::new(), batch.schema(), options)?;
        parquet.write(batch)?;
        parquet.into_inner()
    };
    written().expect("a batch of its own schema can be encoded in memory")
}

/// A file that [`encode`] made, opened.
pub(crate) struct ParquetFile {
    builder: ParquetRecordBatchReaderBuilder<File>,
}

impl ParquetFile {
    /// Opens it and checks the schema's version.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let file =
            File::open(path).map_err(|cause| Error::Read { path: path.to_owned(), cause })?;
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| {
            Error::UnreadablePart { path: path.to_owned(), reason: error.to_string() }
        })?;
        let opened = Self { builder };
        let found = opened.entry("schema").unwrap_or_else(|| "none".to_owned());
        if found != SCHEMA.to_string() {
            return Err(Error::Schema { path: path.to_owned(), found, expected: SCHEMA });
        }
        Ok(opened)
    }

    /// One of its metadata.
    pub(crate) fn entry(&self, key: &str) -> Option<String> {
        let entries = self.builder.metadata().file_metadata().key_value_metadata()?;
        let key = format!("temper.{key}");
        entries.iter().find(|entry| entry.key == key)?.value.clone()
    }

    /// All of its lines; `path` is for errors.
    pub(crate) fn read(self, path: &Path) -> Result<TablePart, Error> {
        let read = || -> Result<RecordBatch, Box<dyn std::error::Error>> {
            let schema = self.builder.schema().clone();
            let batches = self.builder.build()?.collect::<Result<Vec<_>, _>>()?;
            Ok(concat_batches(&schema, &batches)?)
        };
        let path = path.to_owned();
        match read() {
            Ok(batch) => Ok(TablePart { path, batch }),
            Err(error) => Err(Error::UnreadablePart { path, reason: error.to_string() }),
        }
    }
}
