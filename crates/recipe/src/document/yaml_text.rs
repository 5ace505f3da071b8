//! YAML through `serde_norway`, which does not say where a value was written: block keys are found by their indentation.

use std::collections::BTreeMap;

use serde_norway::Value as Yaml;

use super::{Node, Origin, Value};

pub(super) fn parse(text: &str) -> Result<Node, Vec<(Origin, String)>> {
    let yaml: Yaml = serde_norway::from_str(text).map_err(|error| {
        let origin = error
            .location()
            .map_or(Origin::Unknown, |location| Origin::Text(location.line(), location.column()));
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or_default();
        vec![(origin, format!("no YAML: {message}"))]
    })?;
    let origins = key_origins(text);
    let mut errors = Vec::new();
    let root = node(&yaml, &mut Vec::new(), &origins, &mut errors);
    if !matches!(root.value, Value::Table(_)) {
        errors.push((Origin::Text(1, 1), "expected keys and values".to_owned()));
    }
    if errors.is_empty() { Ok(root) } else { Err(errors) }
}

fn node(
    yaml: &Yaml,
    path: &mut Vec<String>,
    origins: &BTreeMap<Vec<String>, Origin>,
    errors: &mut Vec<(Origin, String)>,
) -> Node {
    let origin = origins.get(path).cloned().unwrap_or(Origin::Unknown);
    let value = match yaml {
        Yaml::Null => Value::Null,
        Yaml::Bool(boolean) => Value::Boolean(*boolean),
        Yaml::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => Value::Integer(integer),
            (None, Some(float)) if !number.is_u64() => Value::Float(float),
            (None, _) => {
                errors.push((origin.clone(), format!("`{number}` does not fit 64 bits")));
                Value::Null
            }
        },
        Yaml::String(string) => Value::Text(string.clone()),
        Yaml::Sequence(items) => {
            let items = items.iter().enumerate().map(|(index, item)| {
                path.push(format!("[{index}]"));
                let item = node(item, path, origins, errors);
                path.pop();
                (index, item)
            });
            Value::List(items.collect())
        }
        Yaml::Mapping(mapping) => {
            let mut entries = BTreeMap::new();
            for (key, value) in mapping {
                let Yaml::String(key) = key else {
                    errors.push((origin.clone(), format!("key {key:?} is no string: quote it")));
                    continue;
                };
                path.push(key.clone());
                entries.insert(key.clone(), node(value, path, origins, errors));
                path.pop();
            }
            Value::Table(entries)
        }
        Yaml::Tagged(tagged) => {
            errors.push((origin.clone(), format!("tag `{}`: tags are not used here", tagged.tag)));
            Value::Null
        }
    };
    Node { origin, value }
}

/// Line and column of the keys in block style; keys in `{…}` have none and count as their table.
fn key_origins(text: &str) -> BTreeMap<Vec<String>, Origin> {
    let mut origins = BTreeMap::new();
    let mut open: Vec<(usize, String)> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let content = line.trim_start_matches(' ');
        let indentation = line.len() - content.len();
        let Some((key, rest)) = content.split_once(':') else { continue };
        let key = key.trim().trim_matches(['"', '\'']);
        if content.starts_with(['#', '-', '{', '[']) || !(rest.is_empty() || rest.starts_with(' '))
        {
            continue;
        }
        while open.last().is_some_and(|(outer, _)| *outer >= indentation) {
            open.pop();
        }
        open.push((indentation, key.to_owned()));
        let path = open.iter().map(|(_, key)| key.clone()).collect();
        origins.entry(path).or_insert(Origin::Text(number + 1, indentation + 1));
    }
    origins
}
