//! Small corpora and a tokenizer for tests.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::basic::{LogicalType, Repetition, Type as PhysicalType};
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;
use temper_recipe::{Columns, Digest, Manifest, ManifestFile, SCHEMA, Split};
use temper_tokens::{BpeSpec, Tokenizer, train_byte_level_bpe};

use crate::answers::CheckReference;

/// Writes columns as one Parquet file with row groups of `group_rows`.
pub(crate) fn write_parquet(path: &Path, group_rows: usize, columns: Vec<(&str, ArrayRef)>) {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let properties =
        WriterProperties::builder().set_max_row_group_row_count(Some(group_rows)).build();
    let file = File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// One column `text` with these bytes, said to be strings.
pub(crate) fn write_bytes(path: &Path, rows: &[&[u8]]) {
    let text = Type::primitive_type_builder("text", PhysicalType::BYTE_ARRAY)
        .with_logical_type(Some(LogicalType::String))
        .with_repetition(Repetition::REQUIRED);
    let schema =
        Type::group_type_builder("schema").with_fields(vec![Arc::new(text.build().unwrap())]);
    let file = File::create(path).unwrap();
    let properties = Arc::new(WriterProperties::builder().build());
    let mut writer =
        SerializedFileWriter::new(file, Arc::new(schema.build().unwrap()), properties).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let values: Vec<ByteArray> = rows.iter().map(|row| ByteArray::from(row.to_vec())).collect();
    column.typed::<ByteArrayType>().write_batch(&values, None, None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
}

/// A column of strings.
pub(crate) fn strings<T: AsRef<str>>(texts: &[T]) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(texts))
}

/// A manifest without columns of the files of these names in `folder`, digests and rows as found.
pub(crate) fn manifest(folder: &Path, files: &[&str]) -> Manifest {
    let listed = files.iter().map(|name| {
        let path = folder.join(name);
        let rows = parquet::file::metadata::ParquetMetaDataReader::new()
            .parse_and_finish(&File::open(&path).unwrap())
            .map_or(0, |metadata| metadata.file_metadata().num_rows() as u64);
        ManifestFile { path: (*name).to_owned(), sha256: Digest::of_file(&path).unwrap(), rows }
    });
    Manifest {
        schema: SCHEMA,
        id: "toy".to_owned(),
        category: "prose".to_owned(),
        licence: "CC0-1.0".to_owned(),
        source: "a test".to_owned(),
        attribution: None,
        condition: None,
        fraction: None,
        max_documents: None,
        split: Split::Train,
        columns: Columns {
            id: None,
            text: None,
            messages: None,
            rejected: None,
            label: None,
            tools: None,
            context: None,
            answer: None,
            choices: None,
            gold: None,
            cluster: None,
            confounder: None,
            metadata: Vec::new(),
        },
        files: listed.collect(),
    }
}

/// The same with `text` as its text column.
pub(crate) fn text_manifest(folder: &Path, files: &[&str]) -> Manifest {
    let mut manifest = manifest(folder, files);
    manifest.columns.text = Some("text".to_owned());
    manifest
}

/// A corpus of one file per inner slice.
pub(crate) fn text_corpus(folder: &Path, group_rows: usize, files: &[Vec<String>]) -> Manifest {
    let names: Vec<String> = (0..files.len()).map(|i| format!("{i}.parquet")).collect();
    for (name, texts) in names.iter().zip(files) {
        write_parquet(&folder.join(name), group_rows, vec![("text", strings(texts))]);
    }
    text_manifest(folder, &names.iter().map(String::as_str).collect::<Vec<_>>())
}

/// A byte-level tokenizer with BOS 0 and EOS 1.
pub(crate) fn tokenizer(folder: &Path) -> Tokenizer {
    let token = |name: &str| format!("<|{name}|>");
    let spec = BpeSpec {
        vocab_size: 270,
        special_tokens: ["bos", "eos"].map(token).to_vec(),
        bos: Some(token("bos")),
        eos: Some(token("eos")),
        pad: None,
        model_max_length: 64,
    };
    let texts = (0..8).map(|i| format!("The {i} molecules melt.\nThey melt, the molecules."));
    train_byte_level_bpe(texts, &spec, folder).unwrap();
    Tokenizer::load(folder).unwrap()
}

/// Passes digits.
#[derive(Debug)]
pub(crate) struct Digits;

impl CheckReference for Digits {
    fn check(&self, reference: &str) -> Result<(), String> {
        match reference.parse::<u32>() {
            Ok(_) => Ok(()),
            Err(_) => Err(format!("found `{reference}`, expected digits")),
        }
    }

    fn digest(&self) -> Digest {
        Digest::of(b"digits")
    }
}

/// What an error says, its causes among it, with the test's folder as `x` and without digests,
/// which change with the library that writes the files.
pub(crate) fn told(folder: &Path, error: &dyn std::error::Error) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        message.push_str("\n<- ");
        message.push_str(&error.to_string());
        cause = error.source();
    }
    let message = message.replace(&folder.display().to_string(), "x");
    let hide = |word: &str| {
        let digest = word.trim_end_matches([',', ' ', '\n']);
        let is_digest = digest.parse::<Digest>().is_ok();
        if is_digest { word.replace(digest, "<sha256>") } else { word.to_owned() }
    };
    message.split_inclusive([' ', '\n']).map(hide).collect()
}
