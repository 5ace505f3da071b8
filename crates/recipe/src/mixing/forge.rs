//! Nova Forge's own ways of saying a mix, so that its files run as they are.

use crate::document::{Document, Node, Value};
use crate::error::Kind;
use crate::problem::Findings;
use crate::project::Project;

/// The two sides of a mix, which may stand in `data_mixing` itself instead of its `sources`.
pub(crate) const SIDES: [&str; 3] = ["customer_data", "curated_data", "nova_data"];

/// Turns Forge's flat keys into its nested ones: `customer_data_percent` and
/// `nova_<category>_percent` of `data_mixing`, whose values may be texts; and sides that stand in
/// `data_mixing` itself into its `sources`.
pub(crate) fn unfold(document: &mut Document) {
    let Some(block) = document.root.child_mut("data_mixing").and_then(Node::table_mut) else {
        return;
    };
    let keys: Vec<String> = block.keys().cloned().collect();
    for key in keys {
        let path: Vec<&str> = if SIDES.contains(&key.as_str()) {
            let sources = block.get("sources").and_then(|sources| sources.child(&key));
            if sources.is_some() {
                continue; // Said twice: this one stays where it is, and is refused there.
            }
            vec!["sources", &key]
        } else if key == "customer_data_percent" {
            vec!["sources", "customer_data", "percent"]
        } else if let Some(category) =
            key.strip_prefix("nova_").and_then(|rest| rest.strip_suffix("_percent"))
        {
            vec!["sources", "nova_data", category]
        } else {
            continue;
        };
        let path: Vec<String> = path.into_iter().map(str::to_owned).collect();
        let Some(mut node) = block.remove(&key) else { continue };
        if !SIDES.contains(&key.as_str())
            && let Value::Text(text) = &node.value
            && let Ok(number) = text.trim().parse()
        {
            node.value = Value::Float(number);
        }
        place(block, &path, node);
    }
}

/// Puts `node` at `path`, unless something else stands there.
fn place(block: &mut std::collections::BTreeMap<String, Node>, path: &[String], node: Node) {
    let Some((first, rest)) = path.split_first() else { return };
    if rest.is_empty() {
        block.insert(first.clone(), node);
        return;
    }
    let table = || Node { origin: node.origin.clone(), value: Value::Table(Default::default()) };
    let next = block.entry(first.clone()).or_insert_with(table);
    if let Some(entries) = next.table_mut() {
        place(entries, rest, node);
    }
}

/// The corpus whose manifest says that its text comes from `data_s3_path`.
pub(super) fn corpus_of(
    data_s3_path: &str,
    project: &Project,
    findings: &mut Findings<'_>,
) -> Option<String> {
    let path = ["run", "data_s3_path"];
    let ids = match project.ids(Kind::Manifest) {
        Ok(ids) => ids,
        Err(error) => {
            findings.add_error(&path, error);
            return None;
        }
    };
    let found = ids
        .into_iter()
        .find(|id| project.manifest(id).is_ok_and(|manifest| manifest.source == data_s3_path));
    if found.is_none() {
        let message = format!("no manifest says `source = \"{data_s3_path}\"`");
        let hint = "temper reads no S3: copy the data here, `temper corpus import` them with \
                    `--source` and this path";
        findings.add(&path, message, Some(hint.to_owned()));
    }
    found
}
