//! What is learned from, besides tokens of one mix.

use std::collections::BTreeMap;

use super::add;
use crate::anchor::{Anchor, AnchorFile};
use crate::limits;
use crate::manifest::Manifest;
use crate::mixing::{self, Mixed, Wanted};
use crate::mixture::{Exhausted, Mixture, Side};
use crate::preference::{Preference, PreferenceFile};
use crate::problem::{Findings, quoted, suggestion};
use crate::project::Project;
use crate::project_file::ProjectFile;
use crate::recipe::{Stage, Training};
use crate::replay::{Replay, ReplayFile};
use crate::rl::{Rl, RlFile};
use crate::sft::{Sft, SftFile};

pub(super) fn sft(
    file: Option<&SftFile>,
    stage: Option<Stage>,
    findings: &mut Findings<'_>,
) -> Sft {
    if let (Some(stage), Some(_)) = (stage.filter(|stage| *stage != Stage::Sft), file) {
        let message = format!("found in the stage `{}`, expected it in `sft` only", stage.name());
        findings.add(&["sft"], message, Some("leave the table out".to_owned()));
    }
    file.map(SftFile::resolve).unwrap_or_default()
}

pub(super) fn preference(
    file: Option<&PreferenceFile>,
    stage: Option<Stage>,
    answers: Option<usize>,
    findings: &mut Findings<'_>,
) -> Option<Preference> {
    match (stage, file) {
        (Some(Stage::Dpo), file) => {
            let nothing = PreferenceFile::default();
            let file = file.unwrap_or(&nothing);
            let preference = file.resolve();
            add(findings, limits::of_preference(&preference, answers));
            let weights = [
                (&["preference", "desirable_weight"], file.desirable_weight),
                (&["preference", "undesirable_weight"], file.undesirable_weight),
            ];
            for (path, weight) in weights {
                if weight.is_some() && !preference.is_unpaired() {
                    let message =
                        "found it with another loss than `kto`, which is learned from pairs";
                    let hint = "leave it out, or say `loss = \"kto\"`";
                    findings.add(path, message.to_owned(), Some(hint.to_owned()));
                }
            }
            Some(preference)
        }
        (Some(stage), Some(_)) => {
            let message =
                format!("found in the stage `{}`, expected it in `dpo` only", stage.name());
            findings.add(&["preference"], message, Some("leave the table out".to_owned()));
            None
        }
        (Some(_) | None, _) => None,
    }
}

pub(super) fn rl(
    file: Option<&RlFile>,
    stage: Option<Stage>,
    project: &Project,
    findings: &mut Findings<'_>,
) -> Option<Rl> {
    match (stage, file) {
        (Some(Stage::Rl), file) => file.unwrap_or(&RlFile::default()).resolve(project, findings),
        (Some(stage), Some(_)) => {
            let message =
                format!("found in the stage `{}`, expected it in `rl` only", stage.name());
            findings.add(&["rl"], message, Some("leave the table out".to_owned()));
            None
        }
        (Some(_) | None, _) => None,
    }
}

/// What is replayed, and the manifests of its sources; `None` without it or if anything was found wrong.
pub(super) fn replay(
    file: Option<&ReplayFile>,
    stage: Option<Stage>,
    beside: Option<(&Training, &Mixture)>,
    project: &Project,
    findings: &mut Findings<'_>,
) -> Option<(Replay, BTreeMap<String, Manifest>)> {
    let file = file?;
    let stage = stage?;
    if !matches!(stage, Stage::Dpo | Stage::Rl) {
        let message =
            format!("found in the stage `{}`, expected it in `dpo` or `rl`", stage.name());
        let hint = "name its sources in `data_mixing`, whose rows carry the same loss";
        findings.add(&["replay"], message, Some(hint.to_owned()));
        return None;
    }
    let length = file.sequence_length.or(beside.map(|(training, _)| training.sequence_length));
    let mixed = findings.within("replay", |findings| {
        // Texts and conversations carry loss as in fine-tuning.
        mixing::mixture(&file.data_mixing, Wanted::Documents, None, length, project, findings)
    });
    let Mixed { mixture, manifests, budget } = mixed?;
    let (training, own) = beside?;
    if budget.is_some() {
        let message = "found amounts, expected shares".to_owned();
        let hint = "replay lasts as long as the stage; say `weights` or `sources`";
        findings.add(&["replay", "data_mixing"], message, Some(hint.to_owned()));
    }
    if mixture.on_exhausted == Exhausted::Stop {
        let message = "found `stop`, expected replay to last as long as the stage".to_owned();
        let hint = "leave it out, or say `redistribute` or `repeat`";
        let path = &["replay", "data_mixing", "on_exhausted"];
        findings.add(path, message, Some(hint.to_owned()));
    }
    for source in &own.sources {
        if manifests.contains_key(&source.corpus) {
            let message = format!("`{}` is a source of the stage's own mix", source.corpus);
            let hint = "name another corpus here";
            findings.add(&["replay", "data_mixing"], message, Some(hint.to_owned()));
        }
    }
    let replay = Replay {
        // A row for each prompt or pair.
        rows_per_step: file.rows_per_step.unwrap_or(training.global_batch_size),
        // Tokens that are kept count as much as what is learned.
        weight: file.weight.unwrap_or(1.0),
        sequence_length: length?,
        mixture,
    };
    add(findings, limits::of_replay(&replay));
    Some((replay, manifests))
}

/// What holds the model near its start; its rows are those of the mix that carry loss token by token.
pub(super) fn anchor(
    file: &AnchorFile,
    (mixture, replay): (&Mixture, Option<&Replay>),
    stage: Stage,
    project: &Project,
    findings: &mut Findings<'_>,
) -> Option<Anchor> {
    let (ewc, kl) = (file.ewc.unwrap_or(0.0), file.kl.unwrap_or(0.0));
    let measures = ewc > 0.0 && file.fisher.is_none();
    let looks_at_rows = measures || kl > 0.0;
    if file.fisher_rows.is_some() && !measures {
        let message = match &file.fisher {
            None => "found without `ewc`, which measures on rows",
            Some(_) => "found with `fisher`, which is measured already",
        };
        let hint = "leave `fisher_rows` out".to_owned();
        findings.add(&["anchor", "fisher_rows"], message.to_owned(), Some(hint));
    }
    if file.sources.is_some() && !looks_at_rows {
        let message = match &file.fisher {
            None => "found without `ewc` and `kl`, which look at rows",
            Some(_) => "found with `fisher`, which is measured already, and without `kl`",
        };
        let message = message.to_owned();
        findings.add(&["anchor", "sources"], message, Some("leave `sources` out".to_owned()));
    }
    // Pairs and prompts have no loss of their own to look at.
    let is_beside = matches!(stage, Stage::Dpo | Stage::Rl);
    let mixture = if is_beside { replay.map(|replay| &replay.mixture) } else { Some(mixture) };
    let known = mixture.map_or(&[][..], |mixture| &mixture.sources);
    let names: Vec<&str> = known.iter().map(|source| source.corpus.as_str()).collect();
    let path = &["anchor", "sources"];
    let sources = match &file.sources {
        _ if !looks_at_rows => Vec::new(),
        Some(sources) => {
            for source in sources.iter().filter(|source| !names.contains(&source.as_str())) {
                let of = if is_beside { "what is replayed" } else { "the mix" };
                let message = format!("`{source}` is no source of {of}");
                findings.add(path, message, suggestion(source, &names, "its sources are"));
            }
            sources.clone()
        }
        // What is not to be forgotten.
        None => known
            .iter()
            .filter(|source| is_beside || source.side == Side::Curated)
            .map(|source| source.corpus.clone())
            .collect(),
    };
    if looks_at_rows && sources.is_empty() {
        let message =
            "found no curated source, expected one whose rows `ewc` and `kl` look at".to_owned();
        let hint = match is_beside && replay.is_none() {
            true => "add `[replay]`, whose rows carry a loss of their own".to_owned(),
            false => format!("name some of {}, as in `sources = [\"general\"]`", quoted(&names)),
        };
        findings.add(path, message, Some(hint));
        return None;
    }
    let fisher = match &file.fisher {
        Some(path) => Some(fisher(path, project, findings)?),
        None => None,
    };
    let anchor = Anchor {
        l2: file.l2.unwrap_or(0.0),
        ewc,
        kl,
        // The mean over so many rows settles; a pass over each costs seconds.
        fisher_rows: if measures { file.fisher_rows.unwrap_or(256) } else { 0 },
        sources,
        fisher,
    };
    add(findings, limits::of_anchor(&anchor));
    Some(anchor)
}

/// The Fisher information at `asked`: a file, or what a run keeps.
fn fisher(asked: &str, project: &Project, findings: &mut Findings<'_>) -> Option<ProjectFile> {
    let path = match project.root.join(asked).is_dir() {
        true => format!("{}/{}", asked.trim_end_matches('/'), Anchor::FISHER),
        false => asked.to_owned(),
    };
    match ProjectFile::find(&path, project) {
        Ok(file) => Some(file),
        Err(error) => {
            let message = format!("cannot read `{path}`: {error}");
            let hint = "name a run with `ewc`, which keeps its Fisher information there, or the file itself, from \
                        the project's root";
            findings.add(&["anchor", "fisher"], message, Some(hint.to_owned()));
            None
        }
    }
}
