//! `--set key=value`: one call's changes to a recipe.

use std::collections::BTreeMap;

use crate::document::{Document, Format, Node, Origin, Value};
use crate::mixing::SIDES;
use crate::problem::{Location, Problem};

/// Keys of which a recipe has one: setting one takes the others out.
pub(crate) const ALTERNATIVES: [&[&[&str]]; 4] = [
    &[&["training", "max_tokens"], &["training", "max_steps"], &["training", "max_epochs"]],
    &[&["model", "from"], &["model", "init"]],
    &[
        &["data_mixing", "sources"],
        &["data_mixing", "weights"],
        &["data_mixing", "tokens"],
        &["data_mixing", "epochs"],
        &["data_mixing", "temperature"],
        &["data_mixing", "unimax"],
    ],
    &[&["data_mixing", "sources", "curated_data"], &["data_mixing", "sources", "nova_data"]],
];

/// Writes each `key=value` over `document`, in order.
///
/// Keys are dotted as in TOML, values are TOML; what is no TOML value is taken as a text, so that a
/// shell's quotes suffice. A table replaces a table whole.
pub(crate) fn apply(document: &mut Document, overrides: &[String], problems: &mut Vec<Problem>) {
    for argument in overrides {
        if let Err((message, hint)) = apply_one(document, argument) {
            problems.push(Problem {
                location: Location::Argument(argument.clone()),
                key: String::new(),
                message,
                hint: Some(hint),
            });
        }
    }
}

fn apply_one(document: &mut Document, argument: &str) -> Result<(), (String, String)> {
    let no_key = || {
        let hint = "write for example `--set training.max_steps=10`".to_owned();
        ("expected `key=value` with a dotted key".to_owned(), hint)
    };
    let (key, value) = argument.split_once('=').ok_or_else(no_key)?;
    let mut path = key_path(key).ok_or_else(no_key)?;
    // The sides of a mix may be named without its `sources`.
    if path.len() > 1 && path[0] == "data_mixing" && SIDES.contains(&path[1].as_str()) {
        path.insert(1, "sources".to_owned());
    }
    for group in ALTERNATIVES.iter().filter(|group| group.iter().any(|other| path == *other)) {
        for other in group.iter() {
            let other: Vec<String> = other.iter().map(|segment| (*segment).to_owned()).collect();
            document.remove(&other);
        }
    }
    let origin = Origin::Argument(argument.to_owned());
    let mut value = parse_value(value);
    value.set_origin(&origin);

    let (last, parents) = path.split_last().ok_or_else(no_key)?;
    let mut node = &mut document.root;
    for segment in parents {
        let table = || Node { origin: origin.clone(), value: Value::Table(BTreeMap::new()) };
        let entries = node.table_mut().ok_or_else(|| not_a_table(segment))?;
        node = entries.entry(segment.clone()).or_insert_with(table);
    }
    node.table_mut().ok_or_else(|| not_a_table(last))?.insert(last.clone(), value);
    Ok(())
}

fn not_a_table(segment: &str) -> (String, String) {
    let message = format!("`{segment}` cannot be set: what is before it is no table");
    (message, "set the value before it instead".to_owned())
}

/// `data_mixing.sources."a b"` as its segments.
fn key_path(key: &str) -> Option<Vec<String>> {
    let document = Document::parse("", &format!("{key} = true"), Format::Toml).ok()?;
    let mut path = Vec::new();
    let mut node = document.root;
    while let Value::Table(entries) = node.value {
        // A second entry or another value is a key with a line break in it.
        let mut entries = entries.into_iter();
        let (segment, child) = entries.next()?;
        if entries.next().is_some() {
            return None;
        }
        path.push(segment);
        node = child;
    }
    (node.value == Value::Boolean(true)).then_some(path)
}

fn parse_value(text: &str) -> Node {
    let parsed = Document::parse("", &format!("value = {text}"), Format::Toml).ok();
    let value = parsed.and_then(|document| match document.root.value {
        Value::Table(mut entries) if entries.len() == 1 => entries.remove("value"),
        Value::Table(_)
        | Value::Null
        | Value::Boolean(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Text(_)
        | Value::List(_) => None,
    });
    value.unwrap_or_else(|| Node {
        origin: Origin::Unknown,
        value: Value::Text(text.trim().to_owned()),
    })
}
