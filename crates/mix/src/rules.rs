//! How much each source gets at the start, by each of the rules that a recipe may name.

use temper_recipe::{Budget, Share, Shares};

use crate::resolve::{Supply, positions};
use crate::spec::{PlanSource, PlanSpec};

/// Shares that are no fractions of small numbers are rounded to this many parts.
const PARTS: u64 = 1_000_000_000;

/// The shares at the start.
pub(crate) fn of_rule(spec: &PlanSpec, supplies: &[Supply]) -> Vec<Share> {
    let names = || spec.sources.iter().map(|source| source.name.as_str());
    let sizes = || supplies.iter().map(|supply| supply.units);
    match &spec.shares {
        Shares::Stated(shares) => {
            names().map(|name| shares.get(name).copied().unwrap_or(Share::ZERO)).collect()
        }
        Shares::Tokens(tokens) => {
            let whole = tokens.values().sum();
            let share = |name: &str| Share::new(tokens.get(name).copied().unwrap_or(0), whole);
            names().map(|name| share(name).expect("a part is at most the sum")).collect()
        }
        Shares::Epochs(_) => in_proportion(&passes(spec, supplies)),
        Shares::Temperature { alpha, max_share } => {
            // From `libm`, so that all machines agree on the last bit.
            let parts: Vec<f64> = sizes().map(|size| libm::pow(size as f64, *alpha)).collect();
            rounded(&capped(parts, max_share.as_f64()))
        }
        Shares::Unimax { max_share } => {
            let budget = match spec.budget {
                Budget::Tokens(tokens) => tokens as f64,
                Budget::Steps(steps) => positions(spec, steps) as f64,
                // Passes over the smallest source: all are equal until one is used up.
                Budget::Epochs(epochs) => {
                    let least = supplies.iter().map(|supply| supply.tokens).min().unwrap_or(0);
                    epochs * least as f64 * supplies.len() as f64
                }
            };
            let parts = capped(unimax(spec, supplies, budget), max_share.as_f64());
            in_proportion(&amounts(spec, supplies, &parts, budget))
        }
    }
}

/// Units of each source that the recipe's passes come to.
pub(crate) fn passes(spec: &PlanSpec, supplies: &[Supply]) -> Vec<u64> {
    let Shares::Epochs(epochs) = &spec.shares else { return Vec::new() };
    let amount = |(source, supply): (&PlanSource, &Supply)| {
        let passes = epochs.get(&source.name).copied().unwrap_or(0.0);
        // A product such as 2.3 × 1000 may fall a hair below the whole number that is meant.
        ((passes * supply.units as f64 + 1e-6).floor() as u64).min(supply.left(source.max_epochs))
    };
    spec.sources.iter().zip(supplies).map(amount).collect()
}

/// Parts of `budget` as whole units, none above what its source has; what rounding leaves goes where
/// there is most room.
fn amounts(spec: &PlanSpec, supplies: &[Supply], parts: &[f64], budget: f64) -> Vec<u64> {
    let left = |(source, supply): (&PlanSource, &Supply)| supply.left(source.max_epochs);
    let caps: Vec<u64> = spec.sources.iter().zip(supplies).map(left).collect();
    let mut amounts: Vec<u64> = parts
        .iter()
        .zip(&caps)
        .map(|(part, cap)| ((part * budget).floor() as u64).clamp(1, *cap))
        .collect();
    let left = (budget as u64).saturating_sub(amounts.iter().sum());
    let roomiest = (0..caps.len()).max_by_key(|i| (caps[*i] - amounts[*i], usize::MAX - i));
    if let Some(i) = roomiest {
        amounts[i] += left.min(caps[i] - amounts[i]);
    }
    amounts
}

/// What each amount is of their sum.
fn in_proportion(amounts: &[u64]) -> Vec<Share> {
    let whole = amounts.iter().sum::<u64>().max(1);
    let share = |amount: &u64| Share::new(*amount, whole).expect("a part is at most the sum");
    amounts.iter().map(share).collect()
}

/// Equal parts of `budget`, but none above what a source has (Chung et al. 2023, arXiv 2304.09151,
/// algorithm 1): the smallest first, what it cannot take goes to the larger ones.
fn unimax(spec: &PlanSpec, supplies: &[Supply], budget: f64) -> Vec<f64> {
    let all = |source: usize| supplies[source].left(spec.sources[source].max_epochs) as f64;
    let mut order: Vec<usize> = (0..supplies.len()).collect();
    order.sort_by(|a, b| all(*a).total_cmp(&all(*b)).then(a.cmp(b)));
    let mut parts = vec![0.0; supplies.len()];
    let mut left = budget;
    for (done, source) in order.iter().enumerate() {
        let equal = left / (supplies.len() - done) as f64;
        parts[*source] = equal.min(all(*source));
        left -= parts[*source];
    }
    parts
}

/// Takes what is above `cap` of the whole from the largest, and gives it to the others in
/// proportion.
fn capped(mut parts: Vec<f64>, cap: f64) -> Vec<f64> {
    let whole: f64 = parts.iter().sum();
    parts.iter_mut().for_each(|part| *part /= whole);
    // A cap that not even equal parts keep is kept as nearly as can be.
    let cap = cap.max(1.0 / parts.len() as f64);
    let mut fixed = vec![false; parts.len()];
    while (0..parts.len()).any(|i| !fixed[i] && parts[i] > cap) {
        for i in 0..parts.len() {
            if !fixed[i] && parts[i] > cap {
                (fixed[i], parts[i]) = (true, cap);
            }
        }
        let n_fixed = fixed.iter().filter(|is| **is).count() as f64;
        let free: f64 = (0..parts.len()).filter(|i| !fixed[*i]).map(|i| parts[i]).sum();
        let rest = (1.0 - n_fixed * cap).max(0.0);
        for i in (0..parts.len()).filter(|i| !fixed[*i]) {
            parts[i] *= rest / free;
        }
    }
    parts
}

/// Parts as fractions of [`PARTS`] that sum to one, by largest remainder; whoever has a part keeps at
/// least one.
pub(crate) fn rounded(parts: &[f64]) -> Vec<Share> {
    let whole: f64 = parts.iter().sum();
    let exact: Vec<f64> = parts.iter().map(|part| part / whole * PARTS as f64).collect();
    let mut counts: Vec<u64> = exact
        .iter()
        .map(|part| if *part > 0.0 { (part.floor() as u64).max(1) } else { 0 })
        .collect();
    let mut order: Vec<usize> = (0..parts.len()).collect();
    let remainder = |i: usize| exact[i] - exact[i].floor();
    order.sort_by(|a, b| remainder(*b).total_cmp(&remainder(*a)).then(a.cmp(b)));
    let mut sum: u64 = counts.iter().sum();
    for source in order.iter().cycle() {
        if sum == PARTS {
            break;
        }
        if sum < PARTS && counts[*source] > 0 {
            counts[*source] += 1;
            sum += 1;
        } else if sum > PARTS && counts[*source] > 1 {
            counts[*source] -= 1;
            sum -= 1;
        }
    }
    counts.iter().map(|count| Share::new(*count, PARTS).expect("a part of the whole")).collect()
}

#[cfg(test)]
mod tests;
