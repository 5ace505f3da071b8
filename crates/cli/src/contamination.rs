//! Whether a run would train on what it is scored on.

use std::fs::{self, DirBuilder};
use std::path::Path;
use std::sync::atomic::AtomicBool;

use anyhow::{Result, bail};
use temper_corpus::{
    Corpus, read_answer_items, read_chat_items, read_choice_items, read_loss_items,
};
use temper_curate::{Contamination, ContaminationOptions, SuiteItem, Watch, contamination};
use temper_recipe::{Digest, Hasher, Project, Recipe, SuiteWithManifests, TaskKind};
use temper_tokens::Staged;

use crate::commands::corpus::with_bar;
use crate::corpora::Corpora;
use crate::print::thousands;

/// In the cache: which items of suites stand in corpora, which runs share.
pub(crate) const CONTAMINATION: &str = "contamination";

/// Changes with the meaning of what is found, so that answers of an older temper are not believed.
const FORMAT: &str = "temper contamination 1";

/// Items that a person is shown of each task.
const SHOWN: usize = 3;

/// Refuses a run that would train on items of its suite, unless the recipe accepts these tasks.
///
/// Every corpus is read once; what was found is kept in the cache, by the digests of suite and corpora.
pub(crate) fn refuse_contaminated(
    project: &Project,
    recipe: &Recipe,
    suite: Option<&SuiteWithManifests>,
    corpora: &Corpora,
    stop: &AtomicBool,
) -> Result<()> {
    let (Some(suite), Some(policy)) = (suite, &recipe.forgetting) else { return Ok(()) };
    let mut found = remembered(project, suite, corpora, stop)?;
    found.tasks.retain(|task| !policy.accept_contaminated.contains(&task.task));
    if found.is_clean() {
        return Ok(());
    }
    let tasks = found.tasks.iter().filter(|task| !task.contaminated.is_empty());
    let tasks: Vec<String> = tasks.map(|task| format!("\"{}\"", task.task)).collect();
    let sources: Vec<&str> = recipe.sources().map(|source| source.corpus.as_str()).collect();
    let id = &policy.suite;
    bail!(
        "suite `{id}`: some of its items stand in what is trained on, expected none\n{}\n\n\
         hint: `temper corpus decontaminate {} --suite {id} --write clean` writes corpora without them; or \
         accept their scores by name: `forgetting.accept_contaminated = [{}]`",
        listed(&found).trim_end(),
        sources.join(" "),
        tasks.join(", ")
    )
}

/// Some contaminated items of each task, a line each.
pub(crate) fn listed(found: &Contamination) -> String {
    let mut lines = String::new();
    for task in &found.tasks {
        for item in task.contaminated.iter().take(SHOWN) {
            let place = &item.document;
            lines.push_str(&format!(
                "  `{}` of `{}`: {:.0} % of its runs of words, most of them in {}:{}:{}.{}\n",
                item.item,
                task.task,
                100.0 * item.overlap,
                place.corpus,
                place.file,
                place.row_group,
                place.row
            ));
        }
        let more = task.contaminated.len().saturating_sub(SHOWN);
        if more > 0 {
            lines.push_str(&format!("  and {} more of `{}`\n", thousands(more as u64), task.task));
        }
    }
    lines
}

/// The items of a suite: what would give each away.
pub(crate) fn items(project: &Project, suite: &SuiteWithManifests) -> Result<Vec<SuiteItem>> {
    let folder = project.manifests_dir();
    let mut items = Vec::new();
    for task in &suite.suite.tasks {
        let manifest = &suite.manifests[&task.corpus];
        let mut add = |id: String, text: String| {
            items.push(SuiteItem { task: task.id.clone(), id, text });
        };
        if manifest.columns.messages.is_some() {
            for item in read_chat_items(manifest, &folder)? {
                let text = item.text();
                add(item.id, text);
            }
            continue;
        }
        match task.kind {
            TaskKind::Loss => {
                let read = read_loss_items(manifest, &folder)?;
                read.into_iter().for_each(|item| add(item.id, item.text));
            }
            TaskKind::AnswerLoss => {
                let read = read_answer_items(manifest, &folder)?;
                read.into_iter().for_each(|item| add(item.id, item.context + &item.answer));
            }
            TaskKind::Choice => {
                for item in read_choice_items(manifest, &folder)? {
                    let right = &item.choices[item.gold];
                    add(item.id, item.context + right);
                }
            }
        }
    }
    Ok(items)
}

fn remembered(
    project: &Project,
    suite: &SuiteWithManifests,
    corpora: &Corpora,
    stop: &AtomicBool,
) -> Result<Contamination> {
    let options = ContaminationOptions::default();
    let mut hasher = Hasher::new();
    hasher.update(FORMAT.as_bytes());
    hasher.update(&serde_json::to_vec(&options)?);
    hasher.update(suite.digest().bytes());
    corpora.manifests().for_each(|manifest| {
        hasher.update(manifest.digest().bytes());
    });
    // Where every row is a document, the name is what it was before rows could be dropped.
    for corpus in corpora.corpora() {
        if let Some(dropped) = corpus.dropped_digest() {
            hasher.update(corpus.id().as_bytes());
            hasher.update(dropped.bytes());
        }
    }
    let folder = project.cache_dir().join(CONTAMINATION);
    let path = folder.join(format!("{}.json", Digest::to_string(&hasher.finish())));
    // What is not whole is found again.
    let known = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    if let Some(known) = known {
        return Ok(known);
    }
    // What cannot be written is better known before the reading.
    make_private(&folder)?;
    let items = items(project, suite)?;
    let all: Vec<&Corpus> = corpora.corpora().collect();
    let n_documents = all.iter().map(|corpus| corpus.n_documents()).sum();
    let found = with_bar("suite check", n_documents, |seen| {
        contamination(&items, &all, options, Watch { stop, seen })
    })?;
    Staged::write_shared(&path, &serde_json::to_vec(&found)?)?;
    Ok(found)
}

/// Names of items may be customer data.
fn make_private(folder: &Path) -> Result<(), temper_tokens::Error> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    let write = |source| temper_tokens::Error::Write { path: folder.to_owned(), source };
    builder.create(folder).map_err(write)
}
