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
    write_leaves(path, string("text"), &[Leaf { values: rows.to_vec(), levels: None }]);
}

/// One column `messages` of lists of messages, each a role and the bytes of what is said, said to be strings.
pub(crate) fn write_message_bytes(path: &Path, rows: &[&[(&str, &[u8])]]) {
    let group = |name, repetition| Type::group_type_builder(name).with_repetition(repetition);
    let turn = group("element", Repetition::REQUIRED)
        .with_fields(vec![string("role"), string("content")])
        .build();
    let turns =
        group("list", Repetition::REPEATED).with_fields(vec![Arc::new(turn.unwrap())]).build();
    let messages = group("messages", Repetition::REQUIRED)
        .with_logical_type(Some(LogicalType::List))
        .with_fields(vec![Arc::new(turns.unwrap())])
        .build();
    // A turn is there, and goes on with its row unless it is the first of one.
    let repeated = || rows.iter().flat_map(|row| (0..row.len()).map(|i| i16::from(i > 0)));
    let levels: (Vec<i16>, Vec<i16>) = repeated().map(|level| (1, level)).unzip();
    let turns = || rows.iter().copied().flatten();
    let roles = turns().map(|(role, _)| role.as_bytes()).collect();
    let contents = turns().map(|(_, content)| *content).collect();
    let leaves = [roles, contents].map(|values| Leaf { values, levels: Some(levels.clone()) });
    write_leaves(path, Arc::new(messages.unwrap()), &leaves);
}

/// A column of bytes as Parquet keeps it.
struct Leaf<'a> {
    values: Vec<&'a [u8]>,
    /// Of definition and of repetition.
    levels: Option<(Vec<i16>, Vec<i16>)>,
}

/// A type of required strings.
fn string(name: &str) -> Arc<Type> {
    let builder = Type::primitive_type_builder(name, PhysicalType::BYTE_ARRAY)
        .with_logical_type(Some(LogicalType::String))
        .with_repetition(Repetition::REQUIRED);
    Arc::new(builder.build().unwrap())
}

/// One column, whose leaves are written without a look at their bytes.
fn write_leaves(path: &Path, column: Arc<Type>, leaves: &[Leaf<'_>]) {
    let schema = Type::group_type_builder("schema").with_fields(vec![column]).build().unwrap();
    let file = File::create(path).unwrap();
    let properties = Arc::new(WriterProperties::builder().build());
    let mut writer = SerializedFileWriter::new(file, Arc::new(schema), properties).unwrap();
    let mut group = writer.next_row_group().unwrap();
    for Leaf { values, levels } in leaves {
        let mut column = group.next_column().unwrap().unwrap();
        let values: Vec<ByteArray> =
            values.iter().map(|value| ByteArray::from(value.to_vec())).collect();
        let (definition, repetition) = levels.as_ref().map(|(d, r)| (&d[..], &r[..])).unzip();
        column.typed::<ByteArrayType>().write_batch(&values, definition, repetition).unwrap();
        column.close().unwrap();
    }
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
