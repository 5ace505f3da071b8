//! From a document to a serde type, with every unknown key and every wrong value reported.
//!
//! serde stops at the first error. This deserializer notes where it stopped, takes that value out of the document and
//! starts again, so that a human sees all mistakes at once; the known keys are the ones serde derives from the type.

mod reader;

use std::cell::RefCell;
use std::fmt;

use serde::de::{self, DeserializeOwned, Error as _, Expected, Unexpected};

use crate::SCHEMA;
use crate::document::{Document, Node, Origin, Value};
use crate::problem::{Problem, dotted, nearest, quoted, suggestion};
use reader::Reader;

/// Values that the design names and this version does not have.
const LATER: [(&str, &str); 6] = [
    ("stage", "sft"),
    ("stage", "dpo"),
    ("stage", "rl"),
    ("training.precision", "f16"),
    ("data_mixing.unit", "pairs"),
    ("data_mixing.unit", "groups"),
];

/// What to write for a key that a manifest, catalog or suite cannot do without.
const NEEDED: [(&str, &str); 17] = [
    ("id", "the name of the file without `.toml`; for a task, its name in the report"),
    ("category", "what kind of text it is, as in `category = \"prose\"`"),
    ("licence", "an SPDX expression, as in `licence = \"CC0-1.0\"`"),
    ("source", "where the text comes from: repository, path, revision"),
    ("split", "`train` for rows to train on, `heldout` for rows to score on"),
    ("columns", "the names of the Parquet columns, as in `columns = { text = \"text\" }`"),
    ("files", "`[[files]]` with `path`, `sha256` and `rows`; `temper corpus import` prints them"),
    ("path", "the Parquet file, relative to the folder of manifests"),
    ("sha256", "the digest of the file, as `sha256sum` prints it"),
    ("rows", "the number of rows in the file"),
    ("categories", "`[categories]`, as in `prose = { percent = 100, corpora = { novels = 100 } }`"),
    ("percent", "of the curated part, by default; all categories together have 100"),
    ("corpora", "the ids of its manifests and their percents, as in `{ novels = 100 }`"),
    ("sequence_length", "positions in a row, such as `512`"),
    ("tasks", "`[[tasks]]` with `id`, `group`, `kind` and `corpus`"),
    (
        "column",
        "the column that says when, as in `periods = { column = \"time\", by = \"month\" }`",
    ),
    ("by", "how long a period is: `day`, `week`, `month`, `quarter` or `year`"),
];

/// Reads `document` as a `T`, which cannot do without the keys in `required`.
///
/// Values that were refused are gone from `document` and count as not given. `None` if `T` cannot do
/// without one of them, or if the schema is another version's.
pub(crate) fn read<T: DeserializeOwned>(
    document: &mut Document,
    required: &[&'static str],
    problems: &mut Vec<Problem>,
) -> Option<T> {
    if !schema_is_known(document, problems) {
        return None;
    }
    // All missing keys at once; serde would stop at the first.
    let missing = required.iter().filter(|key| document.root.child(key).is_none());
    let missing: Vec<Refused> = missing.map(|key| Refused::missing_field(key)).collect();
    problems.extend(missing.into_iter().map(|refused| refused.into_problem(document)));
    loop {
        let unknown = RefCell::new(Vec::new());
        let reader = Reader { node: &document.root, path: Vec::new(), unknown: &unknown };
        let result = T::deserialize(reader);
        // Passes meet the same keys again, except in what was taken out.
        for problem in unknown_problems(document, unknown.into_inner()) {
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        }
        let refused = match result {
            Ok(value) => return Some(value),
            Err(refused) => refused,
        };
        let path = refused.path.clone().unwrap_or_default();
        let problem = refused.into_problem(document);
        if !problems.iter().any(|known| known.key == problem.key) {
            problems.push(problem);
        }
        if !document.remove(&path) {
            return None;
        }
    }
}

/// Every file states its schema first: another version's keys would all look wrong.
fn schema_is_known(document: &mut Document, problems: &mut Vec<Problem>) -> bool {
    let location = document.location_of(&["schema"]);
    let mut note = |message: String, hint: String| {
        let (location, key) = (location.clone(), "schema".to_owned());
        problems.push(Problem { location, key, message, hint: Some(hint) });
    };
    match document.root.child("schema").map(|node| &node.value) {
        Some(Value::Integer(found)) if *found == i64::from(SCHEMA) => true,
        Some(Value::Integer(found)) => {
            note(
                format!("found `{found}`, expected `{SCHEMA}`"),
                "this version of temper reads no other schema".to_owned(),
            );
            false
        }
        Some(_) => true,
        None => {
            note("missing".to_owned(), format!("start the file with `schema = {SCHEMA}`"));
            let schema = Node { origin: Origin::Unknown, value: Value::Integer(i64::from(SCHEMA)) };
            if let Some(entries) = document.root.table_mut() {
                entries.insert("schema".to_owned(), schema);
            }
            true
        }
    }
}

/// A key that a struct does not have.
struct UnknownKey {
    path: Vec<String>,
    known: &'static [&'static str],
}

fn unknown_problems(document: &Document, unknown: Vec<UnknownKey>) -> Vec<Problem> {
    let problem = |UnknownKey { path, known }: UnknownKey| Problem {
        location: document.location_of(&path),
        key: dotted(&path),
        message: "unknown key".to_owned(),
        hint: path.last().and_then(|key| suggestion(key, known, "known here")),
    };
    unknown.into_iter().map(problem).collect()
}

/// Why a value was refused.
#[derive(Debug)]
struct Refused {
    /// Where; known once the error has passed the reader that made the value.
    path: Option<Vec<String>>,
    reason: Reason,
}

#[derive(Debug)]
enum Reason {
    Message(String),
    Variant { found: String, expected: &'static [&'static str] },
    Missing(&'static str),
}

impl Refused {
    fn at(mut self, path: &[String]) -> Self {
        self.path.get_or_insert_with(|| path.to_vec());
        self
    }

    fn into_problem(self, document: &Document) -> Problem {
        let mut path = self.path.unwrap_or_default();
        let location = document.location_of(&path);
        let (message, hint) = match self.reason {
            Reason::Message(message) => (message, None),
            Reason::Missing(field) => {
                path.push(field.to_owned());
                let hint = NEEDED.iter().find(|(key, _)| *key == field);
                ("missing".to_owned(), hint.map(|(_, hint)| (*hint).to_owned()))
            }
            Reason::Variant { found, expected } => {
                let later = LATER.contains(&(dotted(&path).as_str(), found.as_str()));
                let state = if later { "is not in this version" } else { "is not known" };
                let nearest = nearest(&found, expected.iter().copied()).filter(|_| !later);
                let hint = nearest.map(|word| format!("did you mean `{word}`?"));
                (format!("`{found}` {state}, expected {}", one_of(expected)), hint)
            }
        };
        Problem { location, key: dotted(&path), message, hint }
    }
}

fn one_of(words: &[&str]) -> String {
    if words.len() == 1 { quoted(words) } else { format!("one of {}", quoted(words)) }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.reason)
    }
}

impl std::error::Error for Refused {}

impl de::Error for Refused {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { path: None, reason: Reason::Message(message.to_string()) }
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format!("found {}, expected {}", shown(found), wanted(expected)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        Self::custom(format!("found a list of {length}, expected {}", wanted(expected)))
    }

    fn unknown_variant(found: &str, expected: &'static [&'static str]) -> Self {
        Self { path: None, reason: Reason::Variant { found: found.to_owned(), expected } }
    }

    fn missing_field(field: &'static str) -> Self {
        Self { path: None, reason: Reason::Missing(field) }
    }
}

impl Value {
    /// What serde calls a value of this kind.
    fn unexpected(&self) -> Unexpected<'_> {
        match self {
            Self::Null => Unexpected::Unit,
            Self::Boolean(boolean) => Unexpected::Bool(*boolean),
            Self::Integer(integer) => Unexpected::Signed(*integer),
            Self::Float(float) => Unexpected::Float(*float),
            Self::Text(string) => Unexpected::Str(string),
            Self::List(_) => Unexpected::Seq,
            Self::Table(_) => Unexpected::Map,
        }
    }
}

/// A found value in the words of the files.
fn shown(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(boolean) => format!("`{boolean}`"),
        Unexpected::Unsigned(integer) => format!("`{integer}`"),
        Unexpected::Signed(integer) => format!("`{integer}`"),
        Unexpected::Float(float) => format!("`{float}`"),
        Unexpected::Str(string) => format!("the text `{string}`"),
        Unexpected::Unit => "nothing".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a table".to_owned(),
        other @ (Unexpected::Char(_)
        | Unexpected::Bytes(_)
        | Unexpected::Option
        | Unexpected::NewtypeStruct
        | Unexpected::Enum
        | Unexpected::UnitVariant
        | Unexpected::NewtypeVariant
        | Unexpected::TupleVariant
        | Unexpected::StructVariant
        | Unexpected::Other(_)) => other.to_string(),
    }
}

/// What serde's visitors expect, in the words of the files.
fn wanted(expected: &dyn Expected) -> String {
    let expected = expected.to_string();
    match expected.as_str() {
        "f64" => "a number".to_owned(),
        "u32" | "u64" | "usize" => "a whole number, 0 or more".to_owned(),
        "a string" => "a text".to_owned(),
        "a boolean" => "`true` or `false`".to_owned(),
        "a map" => "a table".to_owned(),
        "a sequence" => "a list".to_owned(),
        "an array of length 2" => "a list of two".to_owned(),
        other if other.starts_with("struct ") => "a table".to_owned(),
        _ => expected,
    }
}

#[cfg(test)]
mod tests;
