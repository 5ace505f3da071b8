//! JSONL: one object per line.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use serde_json::{Map, Value};

use crate::calls::{WIDE_INTEGER, has_wide_integer, is_rounded};
use crate::documents::LONGEST_DOCUMENT_BYTES;
use crate::error::Error;
use crate::import::conversation::Turns;
use crate::import::feedback::{JudgedTurns, LeftOut, edited};
use crate::import::form::with_option;
use crate::import::pair::PairTurns;
use crate::import::prompt::PromptTurns;
use crate::import::sink::{Row, RowContent, Sink};
use crate::import::{ImportOptions, RowForm};
use crate::place::RowNumber;

/// A document may double in length when JSON escapes it, and other fields stand beside it.
const LONGEST_LINE_BYTES: u64 = 4 * LONGEST_DOCUMENT_BYTES;

/// Reads every line of `input` that is not blank.
pub(super) fn read(input: &Path, options: &ImportOptions, sink: &mut Sink) -> Result<(), Error> {
    let failed = |source| Error::Read { path: input.to_owned(), source };
    let mut reader = BufReader::with_capacity(1 << 18, File::open(input).map_err(failed)?);
    let mut bytes = Vec::new();
    for line in 1.. {
        bytes.clear();
        let mut limited = (&mut reader).take(LONGEST_LINE_BYTES);
        if limited.read_until(b'\n', &mut bytes).map_err(failed)? == 0 {
            break;
        }
        let at = RowNumber::Line(line);
        if bytes.len() as u64 == LONGEST_LINE_BYTES {
            if bytes.last() != Some(&b'\n') {
                reader.skip_until(b'\n').map_err(failed)?;
            }
            sink.refuse(input, at, format!("a line of more than {LONGEST_LINE_BYTES} bytes"));
            continue;
        }
        let text = match std::str::from_utf8(&bytes) {
            Ok(text) if line == 1 => text.trim_start_matches('\u{feff}'),
            Ok(text) => text,
            Err(error) => {
                sink.refuse(input, at, format!("no UTF-8 from byte {} on", error.valid_up_to()));
                continue;
            }
        };
        if text.trim().is_empty() {
            continue;
        }
        match parse(text, options) {
            Ok(Ok(row)) => sink.push(input, at, row)?,
            Ok(Err(why)) => sink.leave_out(why),
            Err(problem) => sink.refuse(input, at, problem),
        }
    }
    Ok(())
}

fn parse(line: &str, options: &ImportOptions) -> Result<Result<Row, LeftOut>, String> {
    let object: Map<String, Value> = serde_json::from_str(line).map_err(|error| {
        // The parser saw one line and calls it the first.
        let problem = error.to_string();
        let problem = problem.split(" at line ").next().unwrap_or_default();
        format!("no JSON object: {problem} at column {}", error.column())
    })?;
    if has_wide_integer(line)
        && let Some((name, _)) =
            object.iter().find(|(name, value)| is_read(name, options) && is_rounded(value))
    {
        return Err(format!("`{name}` {WIDE_INTEGER}"));
    }
    row_of(&object, options)
}

/// Whether a field may come into the row.
fn is_read(name: &str, options: &ImportOptions) -> bool {
    let mut named = options.id.iter().chain(&options.keep);
    options.form != RowForm::Texts || named.any(|named| named == name)
}

/// A row of the fields that the options name, unless it is one that is left out.
pub(super) fn row_of(
    object: &Map<String, Value>,
    options: &ImportOptions,
) -> Result<Result<Row, LeftOut>, String> {
    let content = match options.form {
        RowForm::Conversations => RowContent::Conversation(Turns::read(object)?),
        RowForm::Pairs => RowContent::Pair(Box::new(PairTurns::read(object)?)),
        RowForm::Feedback(ratings) => match JudgedTurns::read(object, ratings)? {
            Ok(judged) => RowContent::Judged(judged),
            Err(why) => return Ok(Err(why)),
        },
        RowForm::Edits => match edited(object)? {
            Ok((pair, time)) => RowContent::Edited(Box::new(pair), time),
            Err(why) => return Ok(Err(why)),
        },
        RowForm::Prompts => RowContent::Prompt(PromptTurns::read(object)?),
        RowForm::Texts => match object.get(&options.text) {
            Some(Value::String(text)) => RowContent::Text(text.clone()),
            Some(other) => {
                return Err(format!("`{}` is {}, expected a string", options.text, kind(other)));
            }
            None => {
                let problem = missing(&options.text, object);
                return Err(with_option(problem, |name| object.contains_key(name)));
            }
        },
    };
    let id = options.id.as_ref().map(|name| match object.get(name).and_then(scalar) {
        Some(Some(id)) => Ok(id),
        Some(None) => Err(format!("`{name}` is null, expected an id")),
        None if object.contains_key(name) => {
            Err(format!("`{name}` is a list or an object, expected an id"))
        }
        None => Err(missing(name, object)),
    });
    let kept = options.keep.iter().map(|name| match object.get(name) {
        Some(value) => Ok(text_of(value)),
        None => Err(missing(name, object)),
    });
    Ok(Ok(Row { id: id.transpose()?, content, kept: kept.collect::<Result<_, _>>()? }))
}

/// A value as [`text_of`] says it; `None` for what has values inside.
fn scalar(value: &Value) -> Option<Option<String>> {
    (!value.is_array() && !value.is_object()).then(|| text_of(value))
}

/// A value as a string, `None` for null; what has values inside is compact JSON.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Some(value.to_string())
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn missing(name: &str, object: &Map<String, Value>) -> String {
    let present: Vec<String> = object.keys().map(|key| format!("`{key}`")).collect();
    format!("no field `{name}`; it has {}", present.join(", "))
}
