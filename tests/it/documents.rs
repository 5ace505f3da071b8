//! Parquet files of documents: with faults, to be refused, and the columns of the real ones.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use arrow::array::AsArray as _;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use sha2::{Digest as _, Sha256};

use crate::project::Project;

/// A document as a file may hold it: null, or bytes that need not be text.
pub(crate) type Value = Option<Vec<u8>>;

/// Replaces the file of the corpus `id` by one with the column `text`, and corrects its manifest.
pub(crate) fn replace(project: &Project, id: &str, documents: &[Value]) {
    write_column(&project.path(&format!("data-manifests/{id}.parquet")), "text (utf8)", documents);
    describe(project, id, documents.len());
}

/// Writes one row group with one column, `name (logical type)`.
pub(crate) fn write_column(path: &Path, column: &str, values: &[Value]) {
    let schema = parse_message_type(&format!("message m {{ optional binary {column}; }}")).unwrap();
    let zstd = Compression::ZSTD(ZstdLevel::default());
    let properties = WriterProperties::builder().set_compression(zstd).build();
    let file = File::create(path).unwrap();
    let mut writer =
        SerializedFileWriter::new(file, Arc::new(schema), Arc::new(properties)).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let levels: Vec<i16> = values.iter().map(|value| i16::from(value.is_some())).collect();
    let bytes: Vec<ByteArray> = values.iter().flatten().map(|value| value.clone().into()).collect();
    column.typed::<ByteArrayType>().write_batch(&bytes, Some(&levels), None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
}

/// Writes rows and digest of the file of the corpus `id` into its manifest.
pub(crate) fn describe(project: &Project, id: &str, rows: usize) {
    let path = format!("data-manifests/{id}.toml");
    let text = fs::read_to_string(project.path(&path)).unwrap();
    let mut manifest: toml::Table = text.parse().unwrap();
    let file = manifest["files"][0].as_table_mut().unwrap();
    file.insert("rows".to_owned(), (rows as i64).into());
    let sha256 = sha256(&project.path(&format!("data-manifests/{id}.parquet")));
    file.insert("sha256".to_owned(), sha256.into());
    project.write(&path, &manifest.to_string());
}

/// The digest of a file, as manifests write it.
pub(crate) fn sha256(path: &Path) -> String {
    let digest = Sha256::digest(fs::read(path).unwrap());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The rows of a file.
pub(crate) fn n_rows(path: &Path) -> i64 {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    builder.metadata().file_metadata().num_rows()
}

/// The strings of one column; `None` when the file has no such column.
pub(crate) fn column(path: &Path, name: &str) -> Option<Vec<String>> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    builder.schema().field_with_name(name).ok()?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), [name]);
    let batches = builder.with_projection(mask).build().unwrap();
    let mut values = Vec::new();
    for batch in batches {
        let strings = batch.unwrap().column(0).as_string::<i32>().clone();
        values.extend(strings.iter().map(|value| value.unwrap().to_owned()));
    }
    Some(values)
}

/// What is said first in each conversation of the column `messages`; `None` without that column.
pub(crate) fn first_turns(path: &Path) -> Option<Vec<String>> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    builder.schema().field_with_name("messages").ok()?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), ["messages"]);
    let mut said = Vec::new();
    for batch in builder.with_projection(mask).build().unwrap() {
        let batch = batch.unwrap();
        for turns in batch.column(0).as_list::<i32>().iter() {
            let turns = turns.unwrap();
            let contents = turns.as_struct().column_by_name("content").unwrap();
            said.push(contents.as_string::<i32>().value(0).to_owned());
        }
    }
    Some(said)
}
