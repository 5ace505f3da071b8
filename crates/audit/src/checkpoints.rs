//! Checkpoints against the ledger, and decisions against the evals they cite.
//!
//! Whether a `gate` decision follows from its evals is not computed again: the statistics belong to
//! the eval crate. The digests say that the evals are those it was made from.

use std::collections::BTreeMap;

use temper_ledger::{CheckpointManifest, Decision, RunDir, file_digests};
use temper_recipe::Digest;

use crate::finding::{Findings, What};

/// What the ledger says at the steps of checkpoints.
#[derive(Debug)]
pub(crate) struct Heads {
    /// The recipe the run was created with.
    pub(crate) recipe: Digest,
    /// Chain digest and tokens so far, after each number of steps.
    pub(crate) after: BTreeMap<u64, (Digest, u64)>,
    /// The ledger could be read to its end.
    pub(crate) is_whole: bool,
}

/// Compares all complete checkpoints with the ledger and with their own files; gives their number.
pub(crate) fn check_checkpoints(run: &RunDir, heads: &Heads, findings: &mut Findings) -> u64 {
    let steps = run.checkpoints().unwrap_or_else(|error| {
        findings.add(
            What::Checkpoint,
            "checkpoints",
            one_line(&error),
            "a folder that can be read",
        );
        Vec::new()
    });
    for step in &steps {
        let place = format!("step-{step:06}");
        match run.checkpoint(*step) {
            Ok(manifest) => {
                check_manifest(&place, &manifest, heads, findings);
                check_files(&place, run, &manifest, findings);
            }
            Err(error) => findings.add(What::Checkpoint, place, one_line(&error), "its manifest"),
        }
    }
    steps.len() as u64
}

fn check_manifest(
    place: &str,
    manifest: &CheckpointManifest,
    heads: &Heads,
    findings: &mut Findings,
) {
    let place_of = |column: &str| format!("{place}, {column}");
    let (found, expected) = (manifest.recipe.short(), heads.recipe.short());
    findings.compare(What::Checkpoint, &place_of("recipe"), found, expected);
    match heads.after.get(&manifest.step) {
        Some((chain, tokens)) => {
            findings.compare(
                What::Checkpoint,
                &place_of("chain"),
                chain.short(),
                manifest.chain.short(),
            );
            findings.compare(What::Checkpoint, &place_of("tokens"), *tokens, manifest.tokens);
        }
        // A part that cannot be read is a finding of its own.
        None if heads.is_whole => {
            let n_steps = heads.after.keys().last().copied().unwrap_or(0);
            let expected = format!("at least {} steps", manifest.step);
            findings.add(What::Checkpoint, place, format!("a ledger of {n_steps} steps"), expected);
        }
        None => {}
    }
}

fn check_files(place: &str, run: &RunDir, manifest: &CheckpointManifest, findings: &mut Findings) {
    let found = match file_digests(&run.checkpoint_folder(manifest.step)) {
        Ok(found) => found,
        Err(error) => {
            findings.add(What::Checkpoint, place, one_line(&error), "files that can be read");
            return;
        }
    };
    for (name, file) in &manifest.files {
        let expected = format!("sha256 {}", file.sha256.short());
        let found = found.get(name).map_or_else(
            || "no such file".to_owned(),
            |file| format!("sha256 {}", file.sha256.short()),
        );
        findings.compare(What::Checkpoint, &format!("{place}/{name}"), found, expected);
    }
    for name in found.keys().filter(|name| !manifest.files.contains_key(*name)) {
        findings.add(What::Checkpoint, format!("{place}/{name}"), "a file", "none of that name");
    }
}

/// Every eval that a decision cites is there as it was; gives the number of citations.
pub(crate) fn check_citations(
    run: &RunDir,
    decisions: &[Decision],
    findings: &mut Findings,
) -> u64 {
    let mut n_citations = 0;
    for decision in decisions {
        for cited in &decision.cites {
            n_citations += 1;
            let place = format!("`{}` at step {}, {}", decision.kind, decision.step, cited.file);
            let expected = format!("sha256 {}", cited.sha256.short());
            match Digest::of_file(&run.path().join(&cited.file)) {
                Ok(found) => {
                    let found = format!("sha256 {}", found.short());
                    findings.compare(What::Decision, &place, found, expected);
                }
                Err(error) => findings.add(What::Decision, place, error, expected),
            }
        }
    }
    n_citations
}

/// An error of the ledger without its hint: a finding is one line.
pub(crate) fn one_line(error: &temper_ledger::Error) -> String {
    error.to_string().split("\n\n").next().unwrap_or_default().to_owned()
}
