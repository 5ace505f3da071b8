//! What the runs behind a start have trained on, left out of a run that is to see new documents only.

use anyhow::Result;
use temper_ledger::{Lineage, RunDir, SeenBefore, SeenDocuments};
use temper_recipe::{Project, Recipe};

use crate::print;
use crate::print::thousands;
use crate::tokens::Tokens;

/// `tokens` without what was seen: as `run` has it on record, or else as the ledgers of the runs in `lineage`
/// say, which is then put on record.
pub(crate) fn without_seen(
    project: &Project,
    recipe: &Recipe,
    lineage: &Lineage,
    run: Option<&RunDir>,
    tokens: Tokens,
) -> Result<Tokens> {
    let corpora = recipe.sources().map(|source| source.corpus.as_str());
    let skipping: Vec<&str> = corpora.filter(|corpus| recipe.skips_seen(corpus)).collect();
    if skipping.is_empty() {
        return Ok(tokens);
    }
    let recorded = match run {
        Some(run) => run.seen(skipping.into_iter())?,
        None => None,
    };
    let seen = match recorded {
        Some(recorded) => recorded,
        None => {
            let before = SeenBefore::load(lineage, &project.runs_dir())?;
            let seen = tokens.seen(recipe, &before)?;
            if let Some(run) = run {
                run.write_seen(&seen)?;
            }
            said(&seen, &before, &tokens, recipe);
            seen
        }
    };
    Ok(tokens.without(recipe, seen))
}

fn said(seen: &[SeenDocuments], before: &SeenBefore, tokens: &Tokens, recipe: &Recipe) {
    let (runs, left) = (before.runs(), before.left());
    if !left.is_empty() {
        print::note(&format!(
            "what {} trained on is not skipped: the start left these runs; to skip it, start from a run itself",
            left.join(", ")
        ));
    }
    if runs.is_empty() && left.is_empty() {
        print::note("no run is behind the start: there is nothing seen to skip");
    }
    if runs.is_empty() {
        return;
    }
    let sources = recipe.sources().map(|source| source.corpus.as_str()).zip(tokens.sources());
    for (corpus, documents) in sources {
        let Some(seen) = seen.iter().find(|seen| seen.source == corpus) else { continue };
        print::note(&format!(
            "{corpus}: {} of {} documents are skipped, seen by {}",
            thousands(seen.documents.len() as u64),
            thousands(documents.n_documents() as u64),
            runs.join(", ")
        ));
    }
}
