//! A parsed text whose values remember where they were written, the same for TOML and YAML.

mod toml_text;
mod yaml_text;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use crate::problem::{Location, Problem};

/// A file a human wrote, parsed but not yet understood.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    /// How messages call the file.
    pub(crate) name: String,
    pub(crate) root: Node,
}

/// A value and where it was written.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) origin: Origin,
    pub(crate) value: Value,
}

/// Where a value was written, within its document.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Origin {
    /// Line and column, counted from one.
    Text(usize, usize),
    /// An argument of `--set`.
    Argument(String),
    Unknown,
}

/// What TOML and YAML can both say.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    /// By index, so that taking one out leaves the others where they are.
    List(BTreeMap<usize, Node>),
    /// Sorted by key: the order in which a human wrote them means nothing.
    Table(BTreeMap<String, Node>),
}

impl PartialEq for Node {
    // Two values are the same wherever they were written.
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

/// The grammar a text is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Toml,
    Yaml,
}

impl Format {
    /// By extension; `None` for one that is neither.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "toml" => Some(Self::Toml),
            "yaml" | "yml" => Some(Self::Yaml),
            _ => None,
        }
    }
}

impl Document {
    /// Parses `text`; all syntax errors of a TOML text are reported, the first of a YAML text.
    pub(crate) fn parse(name: &str, text: &str, format: Format) -> Result<Self, Vec<Problem>> {
        let parsed = match format {
            Format::Toml => toml_text::parse(text),
            Format::Yaml => yaml_text::parse(text),
        };
        let problem = |(origin, message): (Origin, String)| Problem {
            location: location(name, &origin),
            key: String::new(),
            message,
            hint: None,
        };
        match parsed {
            Ok(root) => Ok(Self { name: name.to_owned(), root }),
            Err(errors) => {
                let mut problems: Vec<Problem> = errors.into_iter().map(problem).collect();
                problems.sort();
                Err(problems)
            }
        }
    }

    /// Where the value at `path` was written, or the nearest table around it.
    pub(crate) fn location_of<S: AsRef<str>>(&self, path: &[S]) -> Location {
        let mut node = &self.root;
        let mut origin = &Origin::Unknown;
        for segment in path {
            let Some(child) = node.child(segment.as_ref()) else { break };
            node = child;
            if node.origin != Origin::Unknown {
                origin = &node.origin;
            }
        }
        location(&self.name, origin)
    }

    /// Takes the value at `path` out, if it is there.
    pub(crate) fn remove(&mut self, path: &[String]) -> bool {
        let Some((last, parents)) = path.split_last() else { return false };
        let mut node = &mut self.root;
        for segment in parents {
            let Some(child) = node.child_mut(segment) else { return false };
            node = child;
        }
        if let Value::Table(entries) = &mut node.value {
            entries.remove(last).is_some()
        } else if let (Value::List(items), Some(index)) = (&mut node.value, index(last)) {
            items.remove(&index).is_some()
        } else {
            false
        }
    }
}

impl Node {
    /// The value under a key, or under an index written `[3]`.
    pub(crate) fn child(&self, segment: &str) -> Option<&Self> {
        if let Value::Table(entries) = &self.value {
            entries.get(segment)
        } else if let Value::List(items) = &self.value {
            items.get(&index(segment)?)
        } else {
            None
        }
    }

    /// The same, to change.
    pub(crate) fn child_mut(&mut self, segment: &str) -> Option<&mut Self> {
        match &mut self.value {
            Value::Table(entries) => entries.get_mut(segment),
            Value::List(items) => items.get_mut(&index(segment)?),
            Value::Null
            | Value::Boolean(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Text(_) => None,
        }
    }

    /// The entries of a table.
    pub(crate) fn table_mut(&mut self) -> Option<&mut BTreeMap<String, Self>> {
        if let Value::Table(entries) = &mut self.value { Some(entries) } else { None }
    }

    /// Writes `origin` into this value and all values in it.
    pub(crate) fn set_origin(&mut self, origin: &Origin) {
        self.origin = origin.clone();
        if let Value::Table(entries) = &mut self.value {
            entries.values_mut().for_each(|entry| entry.set_origin(origin));
        } else if let Value::List(items) = &mut self.value {
            items.values_mut().for_each(|item| item.set_origin(origin));
        }
    }
}

/// `[3]` as 3.
fn index(segment: &str) -> Option<usize> {
    segment.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

fn location(name: &str, origin: &Origin) -> Location {
    match origin {
        Origin::Text(line, column) => {
            Location::Text { file: name.to_owned(), line: *line, column: *column }
        }
        Origin::Argument(argument) => Location::Argument(argument.clone()),
        Origin::Unknown => Location::File(name.to_owned()),
    }
}

/// Line and column of a byte range's start.
fn position(text: &str, span: &Range<usize>) -> Origin {
    let before = text.get(..span.start).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.matches('\n').count() + 1;
    Origin::Text(line, before[line_start..].chars().count() + 1)
}

#[cfg(test)]
mod tests;
