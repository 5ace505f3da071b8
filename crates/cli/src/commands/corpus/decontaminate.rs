//! `temper corpus decontaminate`: items of a suite that stand in corpora.

use std::path::Path;

use anyhow::bail;
use serde_json::json;
use temper_corpus::Corpus;
use temper_curate::{Contamination, ContaminationOptions, Watch, contamination};
use temper_recipe::Project;

use super::{Opened, with_bar, write_without};
use crate::args::DecontaminateArguments;
use crate::contamination::{items, listed};
use crate::exit::Failure;
use crate::print::{self, Table, thousands};
use crate::signals::Signals;

/// Reports contaminated items, and writes the corpora without their documents when asked to.
pub(crate) fn decontaminate(arguments: &DecontaminateArguments) -> Result<(), Failure> {
    let signals = Signals::listen()?;
    let project = Project::find(Path::new("."))?;
    let DecontaminateArguments { words, overlap, .. } = *arguments;
    if words == 0 || !(0.0..1.0).contains(&overlap) {
        let refused = || -> anyhow::Result<()> {
            bail!(
                "found --words {words} --overlap {overlap}, expected one word or more and an overlap from 0, \
                 below 1\n\nhint: leave them out to look for more than half of the runs of 13 words"
            )
        };
        refused()?;
    }
    let suite = project.suite(&arguments.suite)?;
    let items = items(&project, &suite)?;
    let opened = Opened::new(&project, &arguments.corpora)?;
    let corpora: Vec<&Corpus> = opened.corpora.iter().collect();
    let default = ContaminationOptions::default();
    let fewest_words = default.fewest_words.min(words);
    let options = ContaminationOptions { words, overlap, fewest_words, ..default };
    let found = with_bar("looking", opened.n_documents(), |seen| {
        contamination(&items, &corpora, options, Watch { stop: signals.flag(), seen })
    })?;
    let written = match &arguments.write {
        Some(suffix) => {
            let why = format!(
                "documents with items of `{}` (temper corpus decontaminate)",
                arguments.suite
            );
            write_without(&project, &opened, &found.documents, suffix, &why)?
        }
        None => Vec::new(),
    };
    if arguments.json {
        let written: Vec<&str> = written.iter().map(|manifest| manifest.id.as_str()).collect();
        let Contamination { tasks, documents } = &found;
        print::json(&json!({ "tasks": tasks, "documents": documents, "written": written }))?;
    } else {
        print::data(&text(&found));
    }
    Ok(())
}

fn text(found: &Contamination) -> String {
    let mut table = Table::new(&["task", "items", "too short", "contaminated"]);
    for task in &found.tasks {
        table.row(vec![
            task.task.clone(),
            thousands(task.items),
            thousands(task.too_short),
            thousands(task.contaminated.len() as u64),
        ]);
    }
    let documents = format!("  {} documents hold them", thousands(found.documents.len() as u64));
    [table.to_string(), listed(found), documents].join("")
}
