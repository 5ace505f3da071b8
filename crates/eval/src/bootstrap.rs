//! Intervals by resampling clusters.
//!
//! Rows of one book or one paradigm rise and fall together, so that resampling rows would promise
//! more than the data hold. The cluster bootstrap draws whole clusters with replacement (Cameron,
//! Gelbach and Miller 2008, Review of Economics and Statistics 90); the interval is the percentile
//! interval (Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 13). The
//! statistic is a ratio of sums, drawn anew as a whole in each resample: clusters differ in size.

use std::collections::BTreeMap;

use rand::Rng;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use serde::{Deserialize, Serialize};
use temper_recipe::Hasher;

use crate::decimal::reported;

/// A closed range of a reported difference.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interval {
    /// Its lower end.
    pub lower: f64,
    /// Its upper end.
    pub upper: f64,
}

impl Interval {
    /// The interval of the negated quantity.
    pub(crate) fn negated(self) -> Self {
        // Zero minus zero is 0, where minus zero would be −0.
        Self { lower: 0.0 - self.upper, upper: 0.0 - self.lower }
    }
}

/// What one item adds to the ratio Σ difference / Σ weight.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Term {
    pub(crate) difference: f64,
    pub(crate) weight: f64,
}

/// Terms summed by cluster.
#[derive(Debug)]
pub(crate) struct Clusters(Vec<Term>);

impl Clusters {
    /// Sums `terms` by cluster; clusters stand in the order in which they first occur.
    pub(crate) fn new<'a>(terms: impl IntoIterator<Item = (&'a str, Term)>) -> Self {
        let mut number_of = BTreeMap::new();
        let mut sums: Vec<Term> = Vec::new();
        for (cluster, term) in terms {
            let number = *number_of.entry(cluster).or_insert(sums.len());
            if number == sums.len() {
                sums.push(Term::default());
            }
            sums[number].difference += term.difference;
            sums[number].weight += term.weight;
        }
        Self(sums)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The ratio over all clusters.
    pub(crate) fn ratio(&self) -> f64 {
        ratio(self.0.iter())
    }

    /// The standard error of the ratio, by linearisation with whole clusters as the unit (Cochran
    /// 1977, Sampling Techniques, chapter 6); `None` with one cluster.
    pub(crate) fn standard_error(&self) -> Option<f64> {
        let n = self.len() as f64;
        let (ratio, weight) = (self.ratio(), self.0.iter().map(|term| term.weight).sum::<f64>());
        let residual = |term: &Term| (term.difference - ratio * term.weight).powi(2);
        let sum: f64 = self.0.iter().map(residual).sum();
        (self.len() > 1).then(|| (n / (n - 1.0) * sum).sqrt() / weight)
    }

    /// Draws `n` resamples; `None` with one cluster, of which resampling learns nothing.
    pub(crate) fn resample(&self, n: u32, seed: u64, task: &str) -> Option<Resamples> {
        if self.len() < 2 {
            return None;
        }
        let mut rng = stream(seed, task);
        let n_clusters = self.len() as u64;
        let mut draw = || {
            // Multiply and shift (Lemire 2019, arXiv 1805.10941); its bias is below 2⁻⁴⁰ here.
            let number = (u128::from(rng.next_u64()) * u128::from(n_clusters)) >> 64;
            &self.0[number as usize]
        };
        let mut sorted: Vec<f64> = (0..n).map(|_| ratio((0..n_clusters).map(|_| draw()))).collect();
        sorted.sort_by(f64::total_cmp);
        Some(Resamples { sorted, estimate: self.ratio() })
    }
}

/// The statistic in every resample.
#[derive(Debug)]
pub(crate) struct Resamples {
    sorted: Vec<f64>,
    estimate: f64,
}

impl Resamples {
    /// The percentile interval with a probability of `tail` outside either end.
    pub(crate) fn interval(&self, tail: f64) -> Interval {
        let n = self.sorted.len();
        let rank = (((n + 1) as f64 * tail) as usize).clamp(1, n.div_ceil(2));
        // Sums in another order round differently; without the estimate among them, clusters that
        // all agree would get an interval beside it.
        Interval {
            lower: reported(self.sorted[rank - 1].min(self.estimate)),
            upper: reported(self.sorted[n - rank].max(self.estimate)),
        }
    }
}

fn ratio<'a>(terms: impl Iterator<Item = &'a Term>) -> f64 {
    let sum = terms.fold(Term::default(), |sum, term| Term {
        difference: sum.difference + term.difference,
        weight: sum.weight + term.weight,
    });
    sum.difference / sum.weight
}

/// Each task has its own stream, so that its interval does not depend on the other tasks.
fn stream(seed: u64, task: &str) -> ChaCha8Rng {
    let mut hasher = Hasher::new();
    hasher.update(b"temper eval bootstrap\0");
    hasher.update(&seed.to_le_bytes());
    hasher.update(task.as_bytes());
    ChaCha8Rng::from_seed(*hasher.finish().bytes())
}

#[cfg(test)]
mod tests;
