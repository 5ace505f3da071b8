//! Parquet, by its columns.

use std::fs::File;
use std::path::Path;

use arrow::array::{Array, AsArray, LargeStringArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReaderBuilder};
use serde_json::{Map, Value};

use crate::error::Error;
use crate::import::form::with_option;
use crate::import::json_lines::row_of;
use crate::import::sink::{Row, RowContent, Sink};
use crate::import::{ImportOptions, RowForm};
use crate::items::is_string;
use crate::json::{self, json};
use crate::place::RowNumber;

/// A batch holds about this much of the columns that are read.
const BATCH_BYTES: u64 = 8 << 20;

/// Documents differ in length; this many of them are held at most, however short the mean is.
const BATCH_ROWS: u64 = 256;

/// Reads the needed columns of `input`, row group by row group.
pub(super) fn read(input: &Path, options: &ImportOptions, sink: &mut Sink) -> Result<(), Error> {
    let failed = |source| Error::Read { path: input.to_owned(), source };
    let file = File::open(input).map_err(failed)?;
    let bytes = file.metadata().map_err(failed)?.len();
    let has_messages = options.form != RowForm::Texts;
    let footer = match has_messages {
        true => json::open(&file),
        false => ArrowReaderMetadata::load(&file, Default::default()),
    };
    let footer =
        footer.map_err(|source| Error::NotParquet { path: input.to_owned(), bytes, source })?;
    let roots = match has_messages {
        true => (0..footer.schema().fields().len()).collect(),
        false => check_columns(input, footer.schema(), options)?,
    };
    let groups = footer.metadata().row_groups();
    let mut number = 0;
    for (row_group, group) in groups.iter().enumerate() {
        let row_group_failed = |source| Error::RowGroup {
            path: input.to_owned(),
            row_group: row_group as u32,
            source,
        };
        let columns = group.schema_descr();
        let mask = ProjectionMask::roots(columns, roots.iter().copied());
        let bytes: u64 = (0..columns.num_columns())
            .filter(|leaf| mask.leaf_included(*leaf))
            .map(|leaf| group.column(leaf).uncompressed_size() as u64)
            .sum();
        let mean = (bytes / (group.num_rows() as u64).max(1)).max(1);
        let file = file.try_clone().map_err(failed)?;
        let reader = ParquetRecordBatchReaderBuilder::new_with_metadata(file, footer.clone())
            .with_projection(mask)
            .with_row_groups(vec![row_group])
            .with_batch_size((BATCH_BYTES / mean).clamp(1, BATCH_ROWS) as usize)
            .build()
            .map_err(row_group_failed)?;
        for batch in reader {
            let batch = batch.map_err(|error| row_group_failed(error.into()))?;
            match has_messages {
                true => push_conversations(input, &batch, options, &mut number, sink)?,
                false => push(input, &batch, options, &mut number, sink)?,
            }
        }
    }
    Ok(())
}

/// The indices of the needed columns, which are there and of the right types.
fn check_columns(
    input: &Path,
    schema: &Schema,
    options: &ImportOptions,
) -> Result<Vec<usize>, Error> {
    let refused = |problem| Error::Import { path: input.to_owned(), problem };
    let text = (&options.text, "a string", is_string as fn(&DataType) -> bool);
    let others = options.id.iter().chain(&options.keep);
    let others = others.map(|name| (name, "a scalar", is_scalar as fn(&DataType) -> bool));
    let indices = std::iter::once(text).chain(others).map(|(name, expected, is_right)| {
        let Ok(index) = schema.index_of(name) else {
            let fields = schema.fields().iter();
            let present: Vec<String> = fields.map(|field| format!("`{}`", field.name())).collect();
            let problem = format!("no column `{name}`; it has {}", present.join(", "));
            let has = |name: &str| schema.index_of(name).is_ok();
            return Err(refused(match *name == options.text {
                true => with_option(problem, has),
                false => problem,
            }));
        };
        let kind = schema.field(index).data_type();
        if is_right(kind) {
            Ok(index)
        } else {
            Err(refused(format!("column `{name}` is `{kind}`, expected {expected}")))
        }
    });
    indices.collect()
}

/// What has one way to be written as text.
fn is_scalar(kind: &DataType) -> bool {
    is_string(kind) || kind.is_numeric() || kind.is_temporal() || *kind == DataType::Boolean
}

fn push(
    input: &Path,
    batch: &RecordBatch,
    options: &ImportOptions,
    number: &mut u64,
    sink: &mut Sink,
) -> Result<(), Error> {
    let text = strings(input, batch, &options.text)?;
    let id = options.id.as_ref().map(|name| strings(input, batch, name)).transpose()?;
    let keep = options.keep.iter().map(|name| strings(input, batch, name));
    let keep = keep.collect::<Result<Vec<_>, _>>()?;
    for row in 0..batch.num_rows() {
        let at = RowNumber::Row(*number);
        let cell =
            |column: &LargeStringArray| column.is_valid(row).then(|| column.value(row).to_owned());
        *number += 1;
        let needed = |column: &LargeStringArray, name: &str, expected: &str| {
            cell(column).ok_or_else(|| format!("`{name}` is null, expected {expected}"))
        };
        let id = id.as_ref().zip(options.id.as_ref());
        let id = id.map(|(column, name)| needed(column, name, "an id")).transpose();
        let text = id.and_then(|id| Ok((id, needed(&text, &options.text, "a string")?)));
        match text {
            Ok((id, text)) => {
                let content = RowContent::Text(text);
                sink.push(input, at, Row { id, content, kept: keep.iter().map(cell).collect() })?;
            }
            Err(problem) => sink.refuse(input, at, problem),
        }
    }
    Ok(())
}

fn strings(input: &Path, batch: &RecordBatch, name: &str) -> Result<LargeStringArray, Error> {
    let column = batch.column_by_name(name);
    let column = column.expect("the schema has the column and the projection took it");
    let strings = cast(column, &DataType::LargeUtf8).map_err(|error| Error::Import {
        path: input.to_owned(),
        problem: format!("column `{name}`: {error}"),
    })?;
    Ok(strings.as_string::<i64>().clone())
}

/// Every row as an object of its columns.
fn push_conversations(
    input: &Path,
    batch: &RecordBatch,
    options: &ImportOptions,
    number: &mut u64,
    sink: &mut Sink,
) -> Result<(), Error> {
    let names = batch.schema();
    for row in 0..batch.num_rows() {
        let at = RowNumber::Row(*number);
        *number += 1;
        match object(&names, batch, row, options).and_then(|object| row_of(&object, options)) {
            Ok(Ok(row)) => sink.push(input, at, row)?,
            Ok(Err(why)) => sink.leave_out(why),
            Err(problem) => sink.refuse(input, at, problem),
        }
    }
    Ok(())
}

/// A row as an object of its columns.
fn object(
    names: &Schema,
    batch: &RecordBatch,
    row: usize,
    options: &ImportOptions,
) -> Result<Map<String, Value>, String> {
    let mut object = Map::new();
    for (field, column) in names.fields().iter().zip(batch.columns()) {
        let value =
            json(column.as_ref(), row).map_err(|error| format!("`{}`: {error}", field.name()))?;
        // A column that is kept is there, whatever a row has in it.
        if !value.is_null() || options.keep.contains(field.name()) {
            object.insert(field.name().clone(), value);
        }
    }
    Ok(object)
}
