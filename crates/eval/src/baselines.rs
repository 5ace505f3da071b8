//! What a choice task gives away without a model.
//!
//! An accuracy says little alone: a model may have learned the commoner label, or a surface feature
//! such as length that goes with it (Gururangan et al. 2018, arXiv 1803.02324).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use temper_recipe::Digest;

use crate::decimal::reported;
use crate::item::Item;

/// Parts that the items are dealt into; each is predicted from the others.
const N_FOLDS: usize = 5;

/// Accuracies without a model, 0 to 1.
///
/// The last two are about labels, and are there only where all items have the same choices, in
/// whatever order. Where choices differ from item to item there is no label: the place of the right
/// one says something about the file alone, which the model does not see.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baselines {
    /// Of guessing.
    pub chance: f64,
    /// Of always giving the label that is right most often.
    pub majority: Option<f64>,
    /// Of one threshold on the confounder, where items have one: see [`crate::Item::Choice`].
    pub confounder_only: Option<f64>,
}

/// One item, reduced to what a threshold may look at.
#[derive(Clone, Copy, Debug)]
struct Case {
    confounder: f64,
    label: usize,
    fold: usize,
}

/// The baselines of the items of a checked choice task.
pub(crate) fn baselines(items: &[Item]) -> Baselines {
    let n_items = items.len() as f64;
    let chance =
        items.iter().map(|item| 1.0 / item.sequences().len() as f64).sum::<f64>() / n_items;
    let labels = labels(items);
    Baselines {
        chance: reported(chance),
        majority: labels.as_ref().map(|labels| reported(counts(labels).max as f64 / n_items)),
        confounder_only: labels.and_then(|labels| confounder_only(items, &labels)).map(reported),
    }
}

/// The right label of each item, by number; `None` where choices differ between items.
fn labels(items: &[Item]) -> Option<Vec<usize>> {
    let mut names: Option<Vec<&Vec<u32>>> = None;
    let mut labels = Vec::with_capacity(items.len());
    for item in items {
        let Item::Choice { choices, gold, .. } = item else { return None };
        let sorted: Vec<_> = choices.iter().collect::<BTreeSet<_>>().into_iter().collect();
        let names = names.get_or_insert_with(|| sorted.clone());
        if *names != sorted {
            return None;
        }
        labels.push(names.binary_search(&&choices[*gold]).ok()?);
    }
    Some(labels)
}

/// The accuracy of a decision stump on the confounder: one threshold, and the commoner label on
/// either side of it (Holte 1993, Machine Learning 11).
///
/// The threshold that an item is judged by was chosen on the other folds (Stone 1974, JRSS B 36),
/// since a threshold fitted to the items that it is scored on finds something in noise. Folds are
/// whole clusters where there are enough, dealt out by the digest of their names: they depend
/// neither on the order of the items nor on a seed.
fn confounder_only(items: &[Item], labels: &[usize]) -> Option<f64> {
    let folds = folds(items);
    let mut cases = Vec::with_capacity(items.len());
    for ((item, &label), &fold) in items.iter().zip(labels).zip(&folds) {
        let Item::Choice { confounder: Some(confounder), .. } = item else { return None };
        cases.push(Case { confounder: *confounder, label, fold });
    }
    cases.sort_by(|a, b| a.confounder.total_cmp(&b.confounder));
    let mut n_right = 0;
    for fold in 0..N_FOLDS {
        let (held_out, fitted): (Vec<Case>, Vec<Case>) =
            cases.iter().partition(|case| case.fold == fold);
        let Some(stump) = Stump::fit(&fitted) else {
            // A task of one item: nothing can be learned about it from others.
            return None;
        };
        n_right +=
            held_out.iter().filter(|case| stump.label(case.confounder) == case.label).count();
    }
    Some(n_right as f64 / items.len() as f64)
}

/// Deals clusters, or items where there are few clusters, into [`N_FOLDS`] parts.
fn folds(items: &[Item]) -> Vec<usize> {
    let clusters: BTreeSet<&str> = items.iter().map(Item::cluster).collect();
    let name = if clusters.len() < N_FOLDS { Item::id } else { Item::cluster };
    let mut names: Vec<(Digest, &str)> = items
        .iter()
        .map(name)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .map(|name| (Digest::of(name.as_bytes()), name))
        .collect();
    names.sort_unstable();
    let fold_of: BTreeMap<&str, usize> =
        names.into_iter().enumerate().map(|(number, (_, name))| (name, number % N_FOLDS)).collect();
    items.iter().map(|item| fold_of[name(item)]).collect()
}

/// One threshold and a label on either side.
#[derive(Clone, Copy, Debug)]
struct Stump {
    threshold: f64,
    below: usize,
    above: usize,
}

impl Stump {
    /// The stump with the most right answers on `cases`, which are sorted; the first one of equals.
    fn fit(cases: &[Case]) -> Option<Self> {
        let labels: Vec<usize> = cases.iter().map(|case| case.label).collect();
        let mut above = counts(&labels);
        let mut below = Counts { of: vec![0; above.of.len()], max: 0, label: 0 };
        let all = above.label;
        let mut best = Self { threshold: f64::NEG_INFINITY, below: all, above: all };
        let mut most = above.max;
        for pair in cases.windows(2) {
            below.add(pair[0].label);
            above.remove(pair[0].label);
            // Equal values cannot be told apart by a threshold.
            if pair[0].confounder < pair[1].confounder && below.max + above.max > most {
                most = below.max + above.max;
                let threshold = pair[0].confounder.midpoint(pair[1].confounder);
                best = Self { threshold, below: below.label, above: above.label };
            }
        }
        (!cases.is_empty()).then_some(best)
    }

    fn label(&self, confounder: f64) -> usize {
        if confounder <= self.threshold { self.below } else { self.above }
    }
}

/// How often each label occurs, and which does most often.
#[derive(Debug)]
struct Counts {
    of: Vec<usize>,
    max: usize,
    label: usize,
}

fn counts(labels: &[usize]) -> Counts {
    let n_labels = labels.iter().max().map_or(0, |label| label + 1);
    let mut counts = Counts { of: vec![0; n_labels], max: 0, label: 0 };
    labels.iter().for_each(|&label| counts.of[label] += 1);
    counts.find_max();
    counts
}

impl Counts {
    fn add(&mut self, label: usize) {
        self.of[label] += 1;
        self.find_max();
    }

    fn remove(&mut self, label: usize) {
        self.of[label] -= 1;
        self.find_max();
    }

    /// The first label of equals.
    fn find_max(&mut self) {
        self.max = self.of.iter().copied().max().unwrap_or_default();
        self.label = self.of.iter().position(|count| *count == self.max).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests;
