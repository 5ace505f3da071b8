//! The limits of manifests, catalogs and suites: what serde cannot see.

use std::collections::{BTreeMap, BTreeSet};

use crate::manifest::{Catalog, Manifest, Split, Task, TaskKind};
use crate::mixing::sums_to_hundred;
use crate::problem::{Findings, quoted};
use crate::share::Percent;

pub(crate) fn of_id(id: &str, expected: &str, findings: &mut Findings<'_>) {
    if id != expected {
        let message = format!("found `{id}`, expected `{expected}`, the name of the file");
        findings.add(&["id"], message, Some("rename the file or the id".to_owned()));
    }
}

pub(crate) fn of_manifest(manifest: &Manifest, findings: &mut Findings<'_>) {
    for (key, value) in [
        ("category", &manifest.category),
        ("licence", &manifest.licence),
        ("source", &manifest.source),
    ] {
        if value.trim().is_empty() {
            findings.add(&[key], "found nothing, expected a text".to_owned(), None);
        }
    }
    let columns = &manifest.columns;
    let scored = columns.choices.is_some() && columns.gold.is_some()
        || columns.context.is_some() && columns.answer.is_some();
    if columns.text.is_some() && columns.messages.is_some() {
        let message = "found `text` and `messages`, expected one of them".to_owned();
        let hint = "make two manifests to train on both".to_owned();
        findings.add(&["columns"], message, Some(hint));
    }
    if columns.tools.is_some() && columns.messages.is_none() {
        let message = "found `tools` without `messages`, whose tools they would be".to_owned();
        findings.add(&["columns", "tools"], message, Some("name the `messages` too".to_owned()));
    }
    if columns.label.is_some() && (columns.messages.is_none() || columns.rejected.is_some()) {
        let message =
            "found `label`, expected it beside `messages` and without `rejected`".to_owned();
        let hint = "an answer is judged by itself or held against another".to_owned();
        findings.add(&["columns", "label"], message, Some(hint));
    }
    if columns.text.is_none() && columns.messages.is_none() && !findings.refused_below(&["columns"])
    {
        let hint = "name the columns of the Parquet files, as in `columns = { text = \"text\" }`";
        if manifest.split == Split::Train {
            let message =
                "`text` and `messages` are missing, expected one of them where `split` is `train`"
                    .to_owned();
            findings.add(&["columns"], message, Some(hint.to_owned()));
        } else if !scored {
            let message =
                "expected `text`, or `context` and `answer`, or `choices` and `gold`".to_owned();
            findings.add(&["columns"], message, Some(hint.to_owned()));
        }
    }
    if let Some(fraction) = manifest.fraction.filter(|part| !(*part > 0.0 && *part <= 1.0)) {
        let message = format!("found `{fraction}`, expected more than 0 and at most 1");
        findings.add(&["fraction"], message, Some("a tenth of the rows is `0.1`".to_owned()));
    }
    if manifest.max_documents == Some(0) {
        let hint = "leave it out to take all".to_owned();
        findings.add(&["max_documents"], "found `0`, expected 1 or more".to_owned(), Some(hint));
    }
    // A condition takes the same rows of a file whenever it is asked; a month of a log for instance.
    let sampled = [
        ("fraction", manifest.fraction.is_some()),
        ("max_documents", manifest.max_documents.is_some()),
    ];
    for (key, _) in sampled.into_iter().filter(|(_, is_given)| *is_given) {
        if manifest.split == Split::Heldout {
            let message =
                "found it where `split` is `heldout`, expected every row to be scored".to_owned();
            let hint =
                "make a file of the rows to score: what is scored should not move".to_owned();
            findings.add(&[key], message, Some(hint));
        }
    }
    if manifest.files.is_empty() && !findings.refused_below(&["files"]) {
        let hint = "`temper corpus import` writes the Parquet file and its entry".to_owned();
        findings.add(&["files"], "found none, expected at least one".to_owned(), Some(hint));
    }
    let mut paths = BTreeSet::new();
    for (index, file) in manifest.files.iter().enumerate() {
        let index = format!("[{index}]");
        if file.rows == 0 {
            let message = "found `0`, expected 1 or more".to_owned();
            let hint = "leave an empty file out".to_owned();
            findings.add(&["files", &index, "rows"], message, Some(hint));
        }
        if !paths.insert(&file.path) {
            let message = format!("`{}` is listed twice", file.path);
            findings.add(&["files", &index, "path"], message, Some("list it once".to_owned()));
        }
    }
}

pub(crate) fn of_catalog(catalog: &Catalog, findings: &mut Findings<'_>) {
    let percents: BTreeMap<String, Percent> = catalog
        .categories
        .iter()
        .map(|(name, category)| (name.clone(), category.percent))
        .collect();
    sums_to_hundred(&["categories"], &percents, findings);
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, category) in &catalog.categories {
        sums_to_hundred(&["categories", name, "corpora"], &category.corpora, findings);
        for corpus in category.corpora.keys() {
            if let Some(earlier) = seen.insert(corpus, name) {
                let message = format!("`{corpus}` is also listed under `{earlier}`");
                let hint = "a corpus has one category, the one in its manifest".to_owned();
                findings.add(&["categories", name, "corpora", corpus], message, Some(hint));
            }
        }
    }
}

/// Whether the corpus has what the task's kind scores, and is held out.
pub(crate) fn of_task(
    task: &Task,
    manifest: &Manifest,
    path: &[&str],
    findings: &mut Findings<'_>,
) {
    let columns = &manifest.columns;
    let (kind, needed) = match task.kind {
        TaskKind::Loss => ("loss", vec![("text", &columns.text)]),
        // The model's template writes conversations, and both answers of pairs.
        TaskKind::AnswerLoss if columns.messages.is_some() => ("answer-loss", Vec::new()),
        TaskKind::Choice if columns.messages.is_some() => {
            ("choice", vec![("rejected", &columns.rejected)])
        }
        TaskKind::AnswerLoss => {
            ("answer-loss", vec![("context", &columns.context), ("answer", &columns.answer)])
        }
        TaskKind::Choice => {
            ("choice", vec![("choices", &columns.choices), ("gold", &columns.gold)])
        }
    };
    let missing: Vec<&str> =
        needed.into_iter().filter(|(_, column)| column.is_none()).map(|(name, _)| name).collect();
    let id = &manifest.id;
    if !missing.is_empty() {
        let message =
            format!("`{kind}` needs columns that `{id}` does not have: {}", quoted(&missing));
        let hint = format!("name them in `data-manifests/{id}.toml` under `[columns]`");
        findings.add(path, message, Some(hint));
    }
    if task.per_token && task.kind != TaskKind::Choice {
        let message = format!("`per_token` is found with `{kind}`, expected it with `choice`");
        findings.add(path, message, Some("leave it out".to_owned()));
    }
    if manifest.split != Split::Heldout {
        let message = format!("`{id}` is trained on, expected a corpus with `split = \"heldout\"`");
        let hint = "a score on training rows shows memory, not ability".to_owned();
        findings.add(path, message, Some(hint));
    }
}
