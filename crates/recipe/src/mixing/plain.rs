//! Mixes that name their corpora in one list: weights, amounts, and shares that follow from sizes.

use std::collections::{BTreeMap, BTreeSet};

use super::file::{TemperatureFile, UnimaxFile};
use super::weight::Weight;
use super::{BLOCK, Candidate, Context, Mix, Stated, within_cap};
use crate::file::TokenCount;
use crate::manifest::Catalog;
use crate::mixture::{Shares, Side};
use crate::problem::Findings;
use crate::recipe::Budget;
use crate::share::Share;

/// Numbers in proportion to the shares.
pub(super) fn of_weights(
    path: &[&str],
    weights: &BTreeMap<String, Weight>,
    context: &Context<'_>,
    findings: &mut Findings<'_>,
) -> Option<Stated> {
    // A refused weight is missing from the sum.
    if findings.refused_below(path) {
        return None;
    }
    let given: Vec<(&String, Weight)> = weights
        .iter()
        .map(|(corpus, weight)| (corpus, *weight))
        .filter(|(_, w)| !w.is_zero())
        .collect();
    let values: Vec<Weight> = given.iter().map(|(_, weight)| *weight).collect();
    let Some(shares) = Weight::shares(&values).filter(|shares| !shares.is_empty()) else {
        return none_listed(path, "chem = 3", findings);
    };
    let corpora = given.iter().map(|(corpus, _)| (*corpus).clone());
    let shares: BTreeMap<String, Share> = corpora.clone().zip(shares).collect();
    within_cap(path, &shares, context, findings);
    let candidates = candidates(path, corpora, context, findings)?;
    Some(Stated { candidates, shares })
}

/// Tokens of each source over the run; their sum is its budget.
pub(super) fn of_tokens(
    tokens: &BTreeMap<String, TokenCount>,
    context: &Context<'_>,
    findings: &mut Findings<'_>,
) -> Option<Mix> {
    let path = [BLOCK, "tokens"];
    let given: BTreeMap<String, u64> = tokens
        .iter()
        .filter(|(_, count)| count.0 > 0)
        .map(|(corpus, count)| (corpus.clone(), count.0))
        .collect();
    let sum = given.values().try_fold(0_u64, |sum, count| sum.checked_add(*count));
    let Some(sum) = sum.filter(|sum| i64::try_from(*sum).is_ok()) else {
        findings.add(&path, "they sum to more than 2^63".to_owned(), None);
        return None;
    };
    if given.is_empty() {
        return none_listed(&path, "chem = \"3B\"", findings);
    }
    let shares = given.iter().map(|(corpus, count)| {
        (corpus.clone(), Share::new(*count, sum).expect("a part is at most the sum"))
    });
    within_cap(&path, &shares.collect(), context, findings);
    let candidates = candidates(&path, given.keys().cloned(), context, findings)?;
    Some(Mix { candidates, shares: Shares::Tokens(given), budget: Some(Budget::Tokens(sum)) })
}

/// Passes over each source; together they make up the budget.
pub(super) fn of_epochs(
    epochs: &BTreeMap<String, f64>,
    context: &Context<'_>,
    findings: &mut Findings<'_>,
) -> Option<Mix> {
    let path = [BLOCK, "epochs"];
    for (corpus, passes) in epochs {
        if !(*passes >= 0.0 && *passes <= 1e6) {
            let message = format!("found `{passes}`, expected passes, 0 to 1000000");
            findings.add(&[BLOCK, "epochs", corpus], message, None);
            return None;
        }
    }
    let given: BTreeMap<String, f64> = epochs
        .iter()
        .filter(|(_, passes)| **passes > 0.0)
        .map(|(corpus, passes)| (corpus.clone(), *passes))
        .collect();
    let Some(most) = given.values().copied().reduce(f64::max) else {
        return none_listed(&path, "chem = 2.5", findings);
    };
    let mut candidates = candidates(&path, given.keys().cloned(), context, findings)?;
    for candidate in &mut candidates {
        // What is asked for by name is not capped.
        candidate.max_epochs = given[&candidate.corpus].ceil() as u32;
    }
    Some(Mix { candidates, shares: Shares::Epochs(given), budget: Some(Budget::Epochs(most)) })
}

/// Shares in proportion to a power of the sizes.
pub(super) fn of_temperature(
    file: &TemperatureFile,
    context: &Context<'_>,
    findings: &mut Findings<'_>,
) -> Option<Mix> {
    let TemperatureFile { alpha, corpora } = file;
    if !(0.0..=1.0).contains(alpha) {
        let message = format!("found `{alpha}`, expected 0 to 1");
        let hint = "1 takes the sizes as they are, 0 makes all sources equal".to_owned();
        findings.add(&[BLOCK, "temperature", "alpha"], message, Some(hint));
        return None;
    }
    let candidates = listed(&[BLOCK, "temperature", "corpora"], corpora, context, findings)?;
    let shares = Shares::Temperature { alpha: *alpha, max_share: context.max_share };
    Some(Mix { candidates, shares, budget: None })
}

/// Equal shares, as far as the passes allow.
pub(super) fn of_unimax(
    file: &UnimaxFile,
    context: &Context<'_>,
    findings: &mut Findings<'_>,
) -> Option<Mix> {
    let candidates = listed(&[BLOCK, "unimax", "corpora"], &file.corpora, context, findings)?;
    let shares = Shares::Unimax { max_share: context.max_share };
    Some(Mix { candidates, shares, budget: None })
}

fn listed(
    path: &[&str],
    corpora: &[String],
    context: &Context<'_>,
    findings: &mut Findings<'_>,
) -> Option<Vec<Candidate>> {
    let once: BTreeSet<String> = corpora.iter().cloned().collect();
    if once.len() < corpora.len() {
        findings.add(path, "a corpus is listed twice".to_owned(), Some("list it once".to_owned()));
        return None;
    }
    if once.is_empty() {
        return none_listed(path, "[\"chem\", \"prose\"]", findings);
    }
    candidates(path, once.into_iter(), context, findings)
}

fn none_listed<T>(path: &[&str], example: &str, findings: &mut Findings<'_>) -> Option<T> {
    let message = "found no corpus, expected at least one with something of the mix".to_owned();
    findings.add(path, message, Some(format!("name the corpora, as in `{example}`")));
    None
}

/// Candidates by the ids of their manifests: curated where the catalog lists them, else the
/// customer's; the customer's first.
pub(super) fn candidates(
    path: &[&str],
    corpora: impl Iterator<Item = String>,
    context: &Context<'_>,
    findings: &mut Findings<'_>,
) -> Option<Vec<Candidate>> {
    let catalog = match context.catalog.map(|id| context.project.catalog(id)).transpose() {
        Ok(catalog) => catalog,
        Err(error) => {
            findings.add_error(&[BLOCK, "dataset_catalog"], error);
            return None;
        }
    };
    let category = |corpus: &str| {
        let Catalog { categories, .. } = catalog.as_ref()?;
        let found = categories.iter().find(|(_, category)| category.corpora.contains_key(corpus));
        found.map(|(name, _)| name.clone())
    };
    let mut candidates: Vec<Candidate> = corpora
        .map(|corpus| {
            let category = category(&corpus);
            Candidate {
                path: path.iter().copied().chain([corpus.as_str()]).map(str::to_owned).collect(),
                side: if category.is_some() { Side::Curated } else { Side::Customer },
                category,
                max_epochs: context.max_epochs,
                corpus,
            }
        })
        .collect();
    candidates.sort_by(|a, b| {
        let key = |candidate: &Candidate| candidate.category.clone();
        key(a).cmp(&key(b)).then_with(|| a.corpus.cmp(&b.corpus))
    });
    Some(candidates)
}
