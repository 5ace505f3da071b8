//! Values of Parquet columns as JSON, texts read as bytes.
//!
//! Arrow refuses a page for one text that is no UTF-8, and does not say in which row it stands. A footer that
//! calls texts bytes gives them all, and what is none is found here, where the row is known.

// Of types only the expected kinds matter.
#![allow(clippy::wildcard_enum_match_arm)]

use std::fmt;
use std::fs::File;
use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Int64Type, UInt64Type};
use arrow::error::ArrowError;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::basic::{ConvertedType, Type as PhysicalType};
use parquet::errors::ParquetError;
use parquet::file::metadata::{FileMetaData, ParquetMetaData, ParquetMetaDataReader};
use parquet::schema::types::{SchemaDescriptor, Type};
use serde_json::{Map, Value};

/// Why a value is no JSON.
#[derive(Debug)]
pub(crate) struct NoJson {
    /// Where in the value: `[1].content`; empty for the whole.
    pub(crate) at: String,
    pub(crate) problem: Problem,
}

#[derive(Debug)]
pub(crate) enum Problem {
    /// A text of which so many bytes are UTF-8.
    Utf8 { valid: usize },
    /// JSON has nothing of the type.
    Type(DataType),
    /// Numbers and times could not be turned into those that JSON has.
    Cast(ArrowError),
}

/// Opens a file for [`json`]: texts are bytes, and columns are what Parquet calls them, not how the writer held them.
pub(crate) fn open(file: &File) -> Result<ArrowReaderMetadata, ParquetError> {
    let metadata = ParquetMetaDataReader::new().parse_and_finish(file)?;
    let of_file = metadata.file_metadata();
    let root = with_bytes(of_file.schema())?;
    let of_file = FileMetaData::new(
        of_file.version(),
        of_file.num_rows(),
        of_file.created_by().map(str::to_owned),
        of_file.key_value_metadata().cloned(),
        Arc::new(SchemaDescriptor::new(Arc::new(root))),
        of_file.column_orders().cloned(),
    );
    let metadata = ParquetMetaData::new(of_file, metadata.row_groups().to_vec());
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    ArrowReaderMetadata::try_new(Arc::new(metadata), options)
}

/// The same type with texts that are called bytes.
fn with_bytes(kind: &Type) -> Result<Type, ParquetError> {
    let info = kind.get_basic_info();
    let id = info.has_id().then(|| info.id());
    if kind.is_primitive() {
        let is_text = matches!(info.converted_type(), ConvertedType::UTF8 | ConvertedType::JSON);
        return match is_text && kind.get_physical_type() == PhysicalType::BYTE_ARRAY {
            true => Type::primitive_type_builder(info.name(), PhysicalType::BYTE_ARRAY)
                .with_repetition(info.repetition())
                .with_id(id)
                .build(),
            false => Ok(kind.clone()),
        };
    }
    let fields = kind.get_fields().iter().map(|field| with_bytes(field).map(Arc::new));
    let mut group = Type::group_type_builder(info.name())
        .with_converted_type(info.converted_type())
        .with_logical_type(info.logical_type_ref().cloned())
        .with_fields(fields.collect::<Result<_, _>>()?)
        .with_id(id);
    // The root has none.
    if info.has_repetition() {
        group = group.with_repetition(info.repetition());
    }
    group.build()
}

/// The value of a row: lists, and structs without what is null in them, of texts, numbers and truth values; times
/// as texts.
pub(crate) fn json(array: &dyn Array, row: usize) -> Result<Value, NoJson> {
    if array.is_null(row) {
        return Ok(Value::Null);
    }
    let failed = |problem| NoJson { at: String::new(), problem };
    let cast_to =
        |kind| cast(&array.slice(row, 1), &kind).map_err(|error| failed(Problem::Cast(error)));
    match array.data_type() {
        DataType::Binary => text(array.as_binary::<i32>().value(row)).map_err(failed),
        DataType::Boolean => Ok(Value::from(array.as_boolean().value(row))),
        DataType::List(_) => list(&array.as_list::<i32>().value(row)),
        DataType::LargeList(_) => list(&array.as_list::<i64>().value(row)),
        DataType::Struct(fields) => {
            let columns = fields.iter().zip(array.as_struct().columns());
            let mut object = Map::new();
            for (field, column) in columns {
                let value = json(column.as_ref(), row);
                match value.map_err(|error| error.inside(&format!(".{}", field.name())))? {
                    Value::Null => {}
                    value => drop(object.insert(field.name().clone(), value)),
                }
            }
            Ok(Value::Object(object))
        }
        kind if kind.is_unsigned_integer() => {
            Ok(Value::from(cast_to(DataType::UInt64)?.as_primitive::<UInt64Type>().value(0)))
        }
        kind if kind.is_integer() => {
            Ok(Value::from(cast_to(DataType::Int64)?.as_primitive::<Int64Type>().value(0)))
        }
        kind if kind.is_floating() => {
            Ok(Value::from(cast_to(DataType::Float64)?.as_primitive::<Float64Type>().value(0)))
        }
        kind if kind.is_temporal() => {
            Ok(Value::from(cast_to(DataType::Utf8)?.as_string::<i32>().value(0)))
        }
        kind => Err(failed(Problem::Type(kind.clone()))),
    }
}

fn text(bytes: &[u8]) -> Result<Value, Problem> {
    let text = std::str::from_utf8(bytes);
    text.map(Value::from).map_err(|error| Problem::Utf8 { valid: error.valid_up_to() })
}

fn list(items: &dyn Array) -> Result<Value, NoJson> {
    let item = |i| json(items, i).map_err(|error| error.inside(&format!("[{i}]")));
    (0..items.len()).map(item).collect()
}

impl NoJson {
    /// The same of what holds the value at `outer`.
    fn inside(mut self, outer: &str) -> Self {
        self.at.insert_str(0, outer);
        self
    }
}

impl fmt::Display for NoJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.at.is_empty() {
            write!(f, "`{}`: ", self.at)?;
        }
        match &self.problem {
            Problem::Utf8 { valid } => write!(f, "no UTF-8 from byte {valid} on"),
            Problem::Type(kind) => write!(
                f,
                "found a value of type `{kind}`, expected texts, numbers, lists and structs"
            ),
            Problem::Cast(error) => error.fmt(f),
        }
    }
}
