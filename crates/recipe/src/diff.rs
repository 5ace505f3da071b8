//! What changed between two resolved recipes.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use toml::Value;

use crate::mixture::Source;
use crate::recipe::Recipe;

/// The keys with different values, `optimizer.lr: 0.0003, now 0.001`; empty if and only if the
/// digests are the same.
///
/// Sources are told apart by their corpus: `mixture.sources.chem.max_epochs`.
pub fn diff(before: &Recipe, after: &Recipe) -> Vec<String> {
    let mut changes = changed("", &values(before), &values(after));
    let (before, after) = (&before.mixture.sources, &after.mixture.sources);
    for source in before {
        let key = format!("mixture.sources.{}", source.corpus);
        match find(after, &source.corpus) {
            Some(now) => changes.extend(changed(&key, source, now)),
            None => changes.push(format!("{key}: a source, now none")),
        }
    }
    for source in after.iter().filter(|source| find(before, &source.corpus).is_none()) {
        changes.push(format!("mixture.sources.{}: none, now a source", source.corpus));
    }
    let order = |sources: &[Source]| -> Vec<String> {
        sources.iter().map(|source| source.corpus.clone()).collect()
    };
    if changes.is_empty() && order(before) != order(after) {
        let (before, after) = (order(before).join(", "), order(after).join(", "));
        changes.push(format!("mixture.sources: in the order {before}, now {after}"));
    }
    changes
}

fn find<'a>(sources: &'a [Source], corpus: &str) -> Option<&'a Source> {
    sources.iter().find(|source| source.corpus == corpus)
}

/// The recipe without its name and its sources.
fn values(recipe: &Recipe) -> Recipe {
    let mut values = recipe.clone();
    values.name.clear();
    values.mixture.sources.clear();
    values
}

fn changed(key: &str, before: &impl Serialize, after: &impl Serialize) -> Vec<String> {
    let (before, after) = (flat(key, before), flat(key, after));
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let shown = |value: Option<&String>| value.map_or("none", String::as_str).to_owned();
    let changes = keys.into_iter().filter(|key| before.get(*key) != after.get(*key));
    changes
        .map(|key| format!("{key}: {}, now {}", shown(before.get(key)), shown(after.get(key))))
        .collect()
}

/// Dotted keys to printed values.
fn flat(key: &str, value: &impl Serialize) -> BTreeMap<String, String> {
    let value = Value::try_from(value).expect("a recipe holds nothing that TOML cannot say");
    let mut values = BTreeMap::new();
    flatten(key, &value, &mut values);
    values
}

fn flatten(key: &str, value: &Value, values: &mut BTreeMap<String, String>) {
    if let Value::Table(entries) = value {
        for (segment, value) in entries {
            let below = if key.is_empty() { segment.clone() } else { format!("{key}.{segment}") };
            flatten(&below, value, values);
        }
    } else {
        values.insert(key.to_owned(), value.to_string());
    }
}
