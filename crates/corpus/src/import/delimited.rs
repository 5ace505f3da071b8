//! CSV and TSV with a line of names (RFC 4180).

use std::path::Path;

use csv::{ErrorKind, Position, ReaderBuilder, StringRecord};

use crate::error::Error;
use crate::import::ImportOptions;
use crate::import::sink::{Row, RowContent, Sink};
use crate::place::RowNumber;

/// Reads every record of `input`; an empty cell of a kept column is null.
pub(super) fn read(
    input: &Path,
    delimiter: u8,
    options: &ImportOptions,
    sink: &mut Sink,
) -> Result<(), Error> {
    let opened = std::fs::File::open(input);
    let opened = opened.map_err(|source| Error::Read { path: input.to_owned(), source })?;
    let mut reader = ReaderBuilder::new().delimiter(delimiter).from_reader(opened);
    let headers = reader.headers().map_err(|error| match problem(input, error) {
        Ok((at, problem)) => Error::ImportEnds { path: input.to_owned(), at, problem },
        Err(error) => error,
    });
    let headers = headers?.clone();
    let column = |name: &String| {
        // A mark of the byte order is no part of the first name.
        let found = headers.iter().position(|header| header.trim_start_matches('\u{feff}') == name);
        found.ok_or_else(|| Error::Import {
            path: input.to_owned(),
            problem: missing(name, &headers),
        })
    };
    let text = column(&options.text)?;
    let id = options.id.as_ref().map(column).transpose()?;
    let keep = options.keep.iter().map(column).collect::<Result<Vec<_>, _>>()?;
    for record in reader.into_records() {
        let record = match record.map_err(|error| problem(input, error)) {
            Ok(record) => record,
            Err(Ok((at, problem))) => {
                sink.refuse(input, at, problem);
                continue;
            }
            Err(Err(error)) => return Err(error),
        };
        let at = RowNumber::Line(record.position().map_or(0, Position::line));
        let cell =
            |column: usize| record.get(column).filter(|cell| !cell.is_empty()).map(str::to_owned);
        let id = match id.map(cell) {
            Some(None) => {
                sink.refuse(input, at, "the id is empty".to_owned());
                continue;
            }
            Some(id) => id,
            None => None,
        };
        let row = Row {
            id,
            content: RowContent::Text(cell(text).unwrap_or_default()),
            kept: keep.iter().copied().map(cell).collect(),
        };
        sink.push(input, at, row)?;
    }
    Ok(())
}

fn missing(name: &str, headers: &StringRecord) -> String {
    let present: Vec<String> = headers.iter().map(|header| format!("`{header}`")).collect();
    format!("no column `{name}`; it has {}", present.join(", "))
}

/// What is wrong with a record, or with the file.
fn problem(input: &Path, error: csv::Error) -> Result<(RowNumber, String), Error> {
    let at = RowNumber::Line(error.position().map_or(0, Position::line));
    let kind = error.into_kind();
    let problem = if let ErrorKind::Io(source) = kind {
        return Err(Error::Read { path: input.to_owned(), source });
    } else if let ErrorKind::Utf8 { err, .. } = kind {
        format!("field {} is no UTF-8 from byte {} on", err.field(), err.valid_up_to())
    } else if let ErrorKind::UnequalLengths { expected_len, len, .. } = kind {
        format!("{len} fields, the first line has {expected_len}")
    } else {
        // Reading text yields the three above; the list is open.
        return Err(Error::ImportEnds { path: input.to_owned(), at, problem: format!("{kind:?}") });
    };
    Ok((at, problem))
}
