//! The block `data_mixing`: however it says who gets how much, it becomes sources and exact shares.
//!
//! A recipe says it in exactly one way:
//!
//! ```text
//! sources       percents of two sides, nested (Nova Forge)     ─► two_level ─┐
//! weights       numbers in proportion                          ─┐            ├─► stated shares
//! phases        other shares from a moment on                  ─┼─► plain ───┘
//! tokens, epochs                amounts over the run           ─┤
//! temperature, unimax           shares that follow from sizes  ─┘  known once sizes are
//! ```

use std::collections::BTreeMap;

use crate::limits;
use crate::manifest::Manifest;
use crate::mixture::{Exhausted, Mixture, OnBadRow, Packing, Shares, Side, Source, Unit};
use crate::problem::{Findings, quoted};
use crate::project::Project;
use crate::recipe::Budget;
use crate::resolve;
use crate::share::Share;

mod file;
mod forge;
mod phases;
mod plain;
mod two_level;
mod wanted;
mod weight;

pub(crate) use file::DataMixingFile;
pub(crate) use forge::{SIDES, unfold};
pub(crate) use two_level::sums_to_hundred;
pub(crate) use wanted::Wanted;

/// What a recipe's mix resolves to.
pub(crate) struct Mixed {
    pub(crate) mixture: Mixture,
    /// The manifests of its sources, by id.
    pub(crate) manifests: BTreeMap<String, Manifest>,
    /// The budget, where the amounts of the mix say it.
    pub(crate) budget: Option<Budget>,
}

/// A corpus that the mix names, its manifest not yet looked at.
struct Candidate {
    corpus: String,
    side: Side,
    /// What the catalog says it is.
    category: Option<String>,
    max_epochs: u32,
    /// The key that names it.
    path: Vec<String>,
}

/// Candidates, and how much each gets.
struct Mix {
    candidates: Vec<Candidate>,
    shares: Shares,
    budget: Option<Budget>,
}

/// Candidates with shares of the whole, by corpus.
struct Stated {
    candidates: Vec<Candidate>,
    shares: BTreeMap<String, Share>,
}

impl From<Stated> for Mix {
    fn from(Stated { candidates, shares }: Stated) -> Self {
        Self { candidates, shares: Shares::Stated(shares), budget: None }
    }
}

/// What the ways have in common.
struct Context<'a> {
    project: &'a Project,
    catalog: Option<&'a String>,
    /// The customer's corpus, where Forge's block `run` says it.
    forge_corpus: Option<String>,
    max_epochs: u32,
    max_share: Share,
}

const BLOCK: &str = "data_mixing";
const WAYS: [&str; 6] = ["sources", "weights", "tokens", "epochs", "temperature", "unimax"];

/// The mixture and the manifests of its sources; `None` if anything was found wrong.
pub(crate) fn mixture(
    file: &DataMixingFile,
    wanted: Wanted,
    data_s3_path: Option<&str>,
    sequence_length: Option<usize>,
    project: &Project,
    findings: &mut Findings<'_>,
) -> Option<Mixed> {
    // Short documents too come out almost full: a window of them makes some fifty rows. Its ids fit in
    // a few megabytes.
    let packing_window = file.packing_window.unwrap_or(sequence_length.unwrap_or(0).max(1024));
    resolve::add(findings, limits::of_packing_window(packing_window));
    let context = Context {
        project,
        catalog: file.dataset_catalog.as_ref(),
        forge_corpus: data_s3_path.and_then(|path| forge::corpus_of(path, project, findings)),
        // Four passes are nearly as good as fresh data, more are not (Muennighoff et al. 2023,
        // arXiv 2305.16264).
        max_epochs: file.max_epochs.unwrap_or(4),
        // A cap is a wish, not a need.
        max_share: file.max_share.map_or(Share::ONE, |percent| percent.share()),
    };
    at_least_one(&[BLOCK, "max_epochs"], context.max_epochs, findings);

    let Mix { mut candidates, shares, budget } = the_way(file, &context, findings)?;
    let phases = phases::resolve(&file.phases, &mut candidates, &context, findings)?;
    // What the loss averages over.
    let unit = file.unit.unwrap_or(match wanted {
        Wanted::Documents => Unit::Tokens,
        Wanted::Pairs | Wanted::Feedback | Wanted::Prompts { .. } => Unit::Documents,
    });
    let packing = file.packing.unwrap_or(match wanted {
        // Splits no document that fits a row.
        Wanted::Documents => Packing::BestFit,
        // A step has as many of them as rows, which learning rates are known for.
        Wanted::Pairs | Wanted::Feedback | Wanted::Prompts { .. } => Packing::Pad,
    });
    wanted.fits(unit, packing, findings);
    let stated = matches!(shares, Shares::Stated(_));
    if !phases.is_empty() && (!stated || unit != Unit::Tokens) {
        let message = "phases change stated shares of tokens";
        let hint = "say the mix with `sources` or `weights`, in the unit `tokens`";
        findings.add(&[BLOCK, "phases"], message.to_owned(), Some(hint.to_owned()));
    }
    if matches!(shares, Shares::Unimax { .. }) && unit != Unit::Tokens {
        let message = "found `unimax`, which shares out tokens, with another `unit`".to_owned();
        findings.add(&[BLOCK, "unit"], message, Some("leave `unit` out".to_owned()));
    }
    let mut sources = Vec::new();
    let mut manifests = BTreeMap::new();
    for candidate in candidates {
        let path: Vec<&str> = candidate.path.iter().map(String::as_str).collect();
        if manifests.contains_key(&candidate.corpus) {
            let message = format!("`{}` is a source twice", candidate.corpus);
            let hint = "name it on one side only, with the sum of both percents";
            findings.add(&path, message, Some(hint.to_owned()));
            continue;
        }
        match project.manifest(&candidate.corpus) {
            Ok(manifest) => {
                let category = candidate.category.as_ref();
                wanted.suits(&manifest, category, &path, findings);
                sources.push(source(&candidate, &manifest));
                manifests.insert(candidate.corpus, manifest);
            }
            Err(error) => findings.add_error(&path, error),
        }
    }
    for (at, corpus) in file.skip_seen.iter().enumerate() {
        let is_source = |source: &Source| source.corpus == *corpus;
        if !sources.iter().any(is_source) || file.skip_seen[..at].contains(corpus) {
            let names: Vec<&str> = sources.iter().map(|source| source.corpus.as_str()).collect();
            let message = format!("found `{corpus}`, expected sources of the mix, each once");
            let hint = format!("the sources are {}", quoted(&names));
            findings.add(&[BLOCK, "skip_seen"], message, Some(hint));
        }
    }
    let mixture = Mixture {
        unit,
        packing,
        packing_window,
        // Whoever asks for a share wants it for the whole run.
        on_exhausted: file.on_exhausted.unwrap_or(Exhausted::Refuse),
        // A bad row is a mistake in the data more often than something to live with.
        on_bad_row: file.on_bad_row.unwrap_or(OnBadRow::Refuse),
        shares,
        phases,
        skip_seen: file.skip_seen.clone(),
        sources,
    };
    Some(Mixed { mixture, manifests, budget })
}

/// Reads the one way in which the recipe says who gets how much.
fn the_way(
    file: &DataMixingFile,
    context: &Context<'_>,
    findings: &mut Findings<'_>,
) -> Option<Mix> {
    let given = [
        file.sources.is_some(),
        file.weights.is_some(),
        file.tokens.is_some(),
        file.epochs.is_some(),
        file.temperature.is_some(),
        file.unimax.is_some(),
    ];
    let given: Vec<&str> =
        WAYS.into_iter().zip(given).filter(|(_, is)| *is).map(|(way, _)| way).collect();
    if given.len() > 1 {
        let message = format!("found {}, expected one of them", quoted(&given));
        let hint = "each says the whole mix in its own way".to_owned();
        findings.add(&[BLOCK], message, Some(hint));
        return None;
    }
    if let Some(weights) = &file.weights {
        plain::of_weights(&[BLOCK, "weights"], weights, context, findings).map(Mix::from)
    } else if let Some(tokens) = &file.tokens {
        plain::of_tokens(tokens, context, findings)
    } else if let Some(epochs) = &file.epochs {
        plain::of_epochs(epochs, context, findings)
    } else if let Some(temperature) = &file.temperature {
        plain::of_temperature(temperature, context, findings)
    } else if let Some(unimax) = &file.unimax {
        plain::of_unimax(unimax, context, findings)
    } else {
        let nothing = file::SourcesFile::default();
        let sources = file.sources.as_ref().unwrap_or(&nothing);
        two_level::resolve(&[BLOCK, "sources"], sources, context, findings).map(Mix::from)
    }
}

fn at_least_one(path: &[&str], passes: u32, findings: &mut Findings<'_>) {
    if passes == 0 {
        let hint = "leave a source out by a percent of 0".to_owned();
        findings.add(path, "found `0`, expected 1 pass or more".to_owned(), Some(hint));
    }
}

/// Notes shares above the cap.
fn within_cap(
    path: &[&str],
    shares: &BTreeMap<String, Share>,
    context: &Context<'_>,
    findings: &mut Findings<'_>,
) {
    let percent = |share: Share| format!("{} %", 100.0 * share.as_f64());
    for (corpus, share) in shares.iter().filter(|(_, share)| share.exceeds(context.max_share)) {
        let message = format!(
            "`{corpus}` gets {} of the mix, expected at most {}",
            percent(*share),
            percent(context.max_share)
        );
        let hint = "lower its part, or raise `data_mixing.max_share`".to_owned();
        findings.add(path, message, Some(hint));
    }
}

fn source(candidate: &Candidate, manifest: &Manifest) -> Source {
    Source {
        corpus: manifest.id.clone(),
        side: candidate.side,
        category: manifest.category.clone(),
        manifest: manifest.digest(),
        max_epochs: candidate.max_epochs,
    }
}
