//! A recipe of several stages, each starting from the last one's checkpoint.
//!
//! ```toml
//! name = "nano"                          # runs go to runs/nano-<stage>
//!
//! [[stages]]                             # says what differs from the tables above it
//! name = "mid-trained"
//! stage = "mid-train"
//! ```

use std::collections::{BTreeMap, BTreeSet};

use crate::document::{Document, Node, Origin, Value};
use crate::overrides::ALTERNATIVES;
use crate::problem::{Problem, quoted};

const STAGES: &str = "stages";

/// Names the stage that another one starts from.
const AFTER: &str = "after";

/// The recipes of a chain, in order; one without stages is a chain of itself.
///
/// What a stage does not say it has from the top, table by table; a key of which a recipe has one
/// (`max_tokens`, `max_steps`) takes the place of the top's others. A stage after the first starts from
/// the run before it, unless it names another stage before it (`after`) or says another start.
pub(crate) fn unfold(document: &Document, problems: &mut Vec<Problem>) -> Vec<Document> {
    let mut top = document.clone();
    let Some(stages) = top.root.table_mut().and_then(|top| top.remove(STAGES)) else {
        return vec![top];
    };
    let Value::List(stages) = stages.value else {
        problems.push(Problem {
            location: document.location_of(&[STAGES]),
            key: STAGES.to_owned(),
            message: "found no list, expected one table for each stage".to_owned(),
            hint: Some("begin each stage with `[[stages]]`".to_owned()),
        });
        return Vec::new();
    };
    if stages.is_empty() {
        problems.push(Problem {
            location: document.location_of(&[STAGES]),
            key: STAGES.to_owned(),
            message: "found an empty list, expected one or more stages".to_owned(),
            hint: Some("leave `stages` out for a recipe of one stage".to_owned()),
        });
    }
    let top_name = text(&top.root, &["name"]);
    let mut before: Option<String> = None;
    let mut names = BTreeSet::new();
    // As the recipe names them, and the names of their runs.
    let mut runs: BTreeMap<String, String> = BTreeMap::new();
    let mut all = Vec::with_capacity(stages.len());
    for (number, mut stage) in (1..).zip(stages.into_values()) {
        let mut document = top.clone();
        let after = text(&stage, &[AFTER]);
        stage.table_mut().map(|stage| stage.remove(AFTER));
        let own = text(&stage, &["name"]);
        let starts = stage
            .child("model")
            .is_some_and(|model| model.child("from").is_some() || model.child("init").is_some());
        let name = match (&top_name, text(&stage, &["name"])) {
            (Some(top), Some(own)) => Some(format!("{top}-{own}")),
            (Some(top), None) => {
                let kind = text(&stage, &["stage"]).or_else(|| text(&document.root, &["stage"]));
                Some(format!("{top}-{number}-{}", kind.unwrap_or_default()))
            }
            (None, own) => own,
        };
        let origin = stage.origin.clone();
        remove_alternatives(&mut document, &stage);
        remove_foreign(&mut document, &stage);
        merge(&mut document.root, stage);
        if let Some(name) = &name {
            set(&mut document.root, &["name"], name, &origin);
        }
        let named = after.as_ref().map(|after| runs.get(after).cloned());
        if let (Some(None), Some(after)) = (&named, &after) {
            let known: Vec<&str> = runs.keys().map(String::as_str).collect();
            problems.push(Problem {
                location: document.location_of(&["name"]),
                key: AFTER.to_owned(),
                message: format!("found `{after}`, expected the name of a stage before this one"),
                hint: Some(format!("the stages before it are {}", quoted(&known))),
            });
        }
        let before_it = named.flatten().or_else(|| before.clone());
        if let Some(before) = before_it.filter(|_| !starts) {
            document.remove(&["model".to_owned(), "init".to_owned()]);
            set(&mut document.root, &["model", "from"], &format!("runs/{before}"), &origin);
        }
        before.clone_from(&name);
        runs.extend(own.zip(name.clone()));
        if let Some(name) = name.filter(|name| !names.insert(name.clone())) {
            problems.push(Problem {
                location: document.location_of(&["name"]),
                key: "name".to_owned(),
                message: format!("two stages are called `{name}`"),
                hint: Some("give each a name of its own, or none".to_owned()),
            });
        }
        all.push(document);
    }
    all
}

/// The text at a path, if there is one.
fn text(node: &Node, path: &[&str]) -> Option<String> {
    let found = path.iter().try_fold(node, |node, segment| node.child(segment))?;
    if let Value::Text(text) = &found.value { Some(text.clone()) } else { None }
}

fn set(root: &mut Node, path: &[&str], value: &str, origin: &Origin) {
    let mut node = root;
    for segment in path {
        let Some(entries) = node.table_mut() else { return };
        let empty = || Node { origin: origin.clone(), value: Value::Table(Default::default()) };
        node = entries.entry((*segment).to_owned()).or_insert_with(empty);
    }
    *node = Node { origin: origin.clone(), value: Value::Text(value.to_owned()) };
}

/// Takes out of the top what a stage says in another way.
fn remove_alternatives(document: &mut Document, stage: &Node) {
    let has =
        |path: &[&str]| path.iter().try_fold(stage, |node, segment| node.child(segment)).is_some();
    for group in ALTERNATIVES.iter().filter(|group| group.iter().any(|path| has(path))) {
        for path in group.iter() {
            let path: Vec<String> = path.iter().map(|segment| (*segment).to_owned()).collect();
            document.remove(&path);
        }
    }
}

/// Takes out of the top what belongs to another optimizer, and a budget where the stage's mix states one.
fn remove_foreign(document: &mut Document, stage: &Node) {
    let said = |path: &[&str]| path.iter().try_fold(stage, |node, segment| node.child(segment));
    let mut remove = |table: &str, keys: &[&str]| {
        for key in keys {
            document.remove(&[table.to_owned(), (*key).to_owned()]);
        }
    };
    if said(&["optimizer", "name"]).is_some() {
        remove("optimizer", &["betas", "momentum", "eps"]);
    }
    if said(&["data_mixing", "tokens"]).or(said(&["data_mixing", "epochs"])).is_some() {
        remove("training", &["max_tokens", "max_steps", "max_epochs"]);
    }
}

/// Writes a stage's values over the top's; tables are joined, but not `data_mixing`: a mix is said whole.
fn merge(top: &mut Node, stage: Node) {
    const WHOLE: [&str; 1] = ["data_mixing"];
    let Node { origin, value } = stage;
    match (&mut top.value, value) {
        (Value::Table(top), Value::Table(stage)) => {
            for (key, value) in stage {
                match top.get_mut(&key) {
                    Some(there) if !WHOLE.contains(&key.as_str()) => merge(there, value),
                    Some(_) | None => drop(top.insert(key, value)),
                }
            }
        }
        (_, value) => *top = Node { origin, value },
    }
}
