//! `temper corpus dedup`: documents that stand more than once.

use std::path::Path;

use anyhow::ensure;
use serde_json::json;
use temper_corpus::Corpus;
use temper_curate::{Duplicate, DuplicateOptions, Duplicates, Watch, duplicates};
use temper_recipe::Project;

use super::{Opened, with_bar, write_without};
use crate::args::DedupArguments;
use crate::exit::Failure;
use crate::print::{self, Table, thousands};
use crate::signals::Signals;

/// Copies that a person is shown.
const SHOWN: usize = 10;

/// Reports copies, and writes the corpora without them when asked to.
pub(crate) fn dedup(arguments: &DedupArguments) -> Result<(), Failure> {
    let signals = Signals::listen()?;
    let project = Project::find(Path::new("."))?;
    if let Some(near) = arguments.near {
        let in_range = near > 0.0 && near <= 1.0;
        check(
            in_range,
            &format!("--near: found {near}, expected a similarity above 0, at most 1"),
        )?;
    }
    let twice = arguments.against.iter().find(|id| arguments.corpora.contains(id));
    if let Some(id) = twice {
        check(false, &format!("--against: `{id}` is among the corpora as well, expected others"))?;
    }
    let opened = Opened::new(&project, &arguments.corpora)?;
    let against = Opened::new(&project, &arguments.against)?;
    // Those that stay come first: of several copies the first one stays.
    let all: Vec<&Corpus> = against.corpora.iter().chain(&opened.corpora).collect();
    let n_documents = opened.n_documents() + against.n_documents();
    let options = DuplicateOptions { near: arguments.near };
    let found = with_bar("comparing", n_documents, |seen| {
        duplicates(&all, options, Watch { stop: signals.flag(), seen })
    })?;
    let removable: Vec<&Duplicate> = found
        .duplicates
        .iter()
        .filter(|copy| arguments.corpora.contains(&copy.document.corpus))
        .collect();
    let written = match &arguments.write {
        Some(suffix) => {
            let places: Vec<_> = removable.iter().map(|copy| copy.document.clone()).collect();
            write_without(&project, &opened, &places, suffix, "copies (temper corpus dedup)")?
        }
        None => Vec::new(),
    };
    if arguments.json {
        let written: Vec<&str> = written.iter().map(|manifest| manifest.id.as_str()).collect();
        print::json(
            &json!({ "corpora": found.corpora, "duplicates": found.duplicates, "written": written }),
        )?;
    } else {
        print::data(&text(&found, &removable));
    }
    Ok(())
}

fn check(is_right: bool, problem: &str) -> anyhow::Result<()> {
    ensure!(is_right, "{problem}\n\nhint: `temper corpus dedup --help`");
    Ok(())
}

fn text(found: &Duplicates, removable: &[&Duplicate]) -> String {
    let mut table = Table::new(&[
        "corpus",
        "documents",
        "equal within",
        "equal before",
        "near within",
        "near before",
        "of its text",
    ]);
    for count in &found.corpora {
        table.row(vec![
            count.corpus.clone(),
            thousands(count.documents),
            thousands(count.exact_within),
            thousands(count.exact_across),
            thousands(count.near_within),
            thousands(count.near_across),
            format!("{:.2} %", 100.0 * count.duplicate_bytes as f64 / count.bytes.max(1) as f64),
        ]);
    }
    let note = "within: copies of an earlier document of the corpus; before: of a corpus above it";
    let mut lines = vec![format!("{table}  {note}")];
    for copy in removable.iter().take(SHOWN) {
        let (document, of) = (&copy.document, &copy.of);
        lines.push(format!(
            "  {}:{}:{}.{} is {}:{}:{}.{} ({:.2})",
            document.corpus,
            document.file,
            document.row_group,
            document.row,
            of.corpus,
            of.file,
            of.row_group,
            of.row,
            copy.similarity
        ));
    }
    if removable.len() > SHOWN {
        lines.push(format!(
            "  and {} more; `--json` lists them",
            thousands((removable.len() - SHOWN) as u64)
        ));
    }
    lines.join("\n")
}
