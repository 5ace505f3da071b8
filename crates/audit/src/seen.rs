//! The documents that a run left out, against what the runs behind it have trained on.

use std::sync::Arc;

use temper_ledger::{IdsDigest, RunDir, SeenBefore, SeenDocuments};
use temper_recipe::Project;
use temper_tokens::{TokenCorpus, TokenSource as _};

use crate::finding::{Findings, What};
use crate::inputs::{Inputs, chain_text};

/// What the run has on record of each source that skips what was seen.
///
/// It must be what the plan says; and where the runs behind the start are still there, what their ledgers
/// say. `tokens` are those of the plan's sources, in their order.
pub(crate) fn check_seen(
    inputs: &Inputs,
    run: &RunDir,
    project: &Project,
    tokens: &[Option<Arc<TokenCorpus>>],
    findings: &mut Findings,
) -> Vec<SeenDocuments> {
    let planned = inputs.plan.iter().flat_map(|plan| &plan.sources);
    let skipping: Vec<_> = planned
        .zip(tokens)
        .filter_map(|(data, tokens)| Some((data.source.as_str(), data.seen?, tokens)))
        .collect();
    if skipping.is_empty() {
        return Vec::new();
    }
    let recorded = run.seen(skipping.iter().map(|(source, ..)| *source));
    let recorded = recorded.unwrap_or_else(|error| {
        findings.add(
            What::Seen,
            "seen.parquet",
            chain_text(&error),
            "the file as the run wrote it",
        );
        None
    });
    let Some(recorded) = recorded else {
        findings.add(What::Seen, "seen.parquet", "no such file", "the documents left out");
        return Vec::new();
    };
    // Ancestors may be gone, which is why the run keeps its own record.
    let before = SeenBefore::load(&inputs.identity.info.started_from, &project.runs_dir()).ok();
    for ((source, planned, tokens), recorded) in skipping.iter().zip(&recorded) {
        let place = format!("documents of `{source}` left out");
        let (found, expected) = (recorded.record(), planned);
        let said = |documents, digest: String| format!("{documents} ({digest})");
        findings.compare(
            What::Seen,
            &place,
            said(found.documents, found.digest.short()),
            said(expected.documents, expected.digest.short()),
        );
        let (Some(before), Some(tokens)) = (&before, tokens) else { continue };
        let is_seen = |document: &u64| {
            before.contains(IdsDigest::from(tokens.ids_digest(*document as usize)))
        };
        let derived: Vec<u64> = (0..tokens.n_documents() as u64).filter(is_seen).collect();
        let differs = |document: &&u64| recorded.documents.binary_search(document).is_err();
        if let Some(document) = derived.iter().find(differs) {
            let found = format!("document {document} in the mix");
            findings.add(
                What::Seen,
                &place,
                found,
                "left out: a run behind the start trained on it",
            );
        }
        let was_new = |document: &&u64| derived.binary_search(document).is_err();
        if let Some(document) = recorded.documents.iter().find(was_new) {
            let found = format!("document {document} left out");
            findings.add(
                What::Seen,
                &place,
                found,
                "in the mix: no run behind the start trained on it",
            );
        }
    }
    recorded
}
