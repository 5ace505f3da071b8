//! How many prompts are solved, by one completion or by the best of several, and what completions are worth.

use serde::{Deserialize, Serialize};

use crate::bootstrap::{Clusters, Interval, Term};
use crate::decimal::reported;

/// Resamples of an interval.
const RESAMPLES: u32 = 2000;

/// The share of prompts that the best of `k` completions solves.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PassAt {
    /// Completions.
    pub k: u64,
    /// The share, without bias (Chen et al. 2021, arXiv 2107.03374, equation 1).
    pub share: f64,
    /// 95 %, by resampling prompts; `None` with one prompt.
    pub interval: Option<Interval>,
}

/// What completions are rewarded with on average, every prompt counting the same.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeanReward {
    /// The mean over prompts.
    pub mean: f64,
    /// 95 %, by resampling prompts; `None` with one prompt.
    pub interval: Option<Interval>,
}

/// pass@k of prompts, each of which has so many completions right of so many.
///
/// # Panics
///
/// When a prompt has fewer than `k` completions.
pub fn pass_at(k: u64, prompts: &[(u64, u64)], seed: u64) -> PassAt {
    let solved: Vec<f64> = prompts.iter().map(|(right, n)| solved(k, *right, *n)).collect();
    let (share, interval) = over_prompts(&solved, seed, &format!("pass@{k}"));
    PassAt { k, share, interval }
}

/// The mean of rewards, of which `prompts` has the mean of each prompt. Equal seeds resample the same prompts for
/// all parts of a reward.
pub fn mean_reward(prompts: &[f64], seed: u64) -> MeanReward {
    let (mean, interval) = over_prompts(prompts, seed, "reward");
    MeanReward { mean, interval }
}

/// The mean over prompts, and its interval.
fn over_prompts(values: &[f64], seed: u64, stream: &str) -> (f64, Option<Interval>) {
    let names: Vec<String> = (0..values.len()).map(|number| number.to_string()).collect();
    let terms = names.iter().zip(values);
    let terms =
        terms.map(|(name, value)| (name.as_str(), Term { difference: *value, weight: 1.0 }));
    let clusters = Clusters::new(terms);
    let resamples = clusters.resample(RESAMPLES, seed, stream);
    let interval = resamples.map(|resamples| resamples.interval(0.025));
    (reported(clusters.ratio()), interval)
}

/// The chance that of `k` completions, drawn from `n` without putting them back, one is right.
fn solved(k: u64, right: u64, n: u64) -> f64 {
    assert!(k <= n, "{k} of {n} completions");
    if n - right < k {
        return 1.0;
    }
    1.0 - (n - right + 1..=n).map(|i| 1.0 - k as f64 / i as f64).product::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_chance_of_drawing_one_that_is_right() {
        let check = |k, right, n, expected: f64| {
            let found = solved(k, right, n);
            assert!((found - expected).abs() < 1e-12, "{k} {right} {n}: {found}");
        };
        check(1, 3, 8, 3.0 / 8.0);
        // Two wrong ones of five, drawn one after the other.
        check(2, 3, 5, 1.0 - 2.0 / 5.0 * 1.0 / 4.0);
        check(8, 1, 8, 1.0);
        check(4, 0, 8, 0.0);
        check(4, 5, 8, 1.0);
    }

    #[test]
    fn the_interval_holds_the_share_and_is_of_prompts() {
        let found = pass_at(1, &[(8, 8), (0, 8), (4, 8), (4, 8)], 1);
        assert_eq!(found.share, 0.5);
        let Interval { lower, upper } = found.interval.unwrap();
        assert!(lower < 0.4 && upper > 0.6 && lower >= 0.0 && upper <= 1.0);
        assert_eq!(pass_at(1, &[(2, 4)], 1).interval, None);
    }

    #[test]
    fn a_mean_is_of_prompts_and_so_is_its_interval() {
        let check = |prompts: &[f64], mean: f64, within: Option<(f64, f64)>| {
            let found = mean_reward(prompts, 1);
            assert_eq!(found.mean, mean, "{prompts:?}");
            match (found.interval, within) {
                (None, None) => {}
                (Some(Interval { lower, upper }), Some((least, most))) => {
                    assert!(least <= lower && lower <= mean, "{lower}");
                    assert!(mean <= upper && upper <= most, "{upper}");
                }
                (found, expected) => panic!("found {found:?}, expected {expected:?}"),
            }
        };
        check(&[0.5], 0.5, None);
        check(&[0.25, 0.25, 0.25], 0.25, Some((0.25, 0.25)));
        check(&[-1.0, 1.0, 0.0, 0.5], 0.125, Some((-1.0, 1.0)));
        // What is right or wrong is worth as much as it is solved by one completion.
        let passed = pass_at(1, &[(2, 4), (0, 4), (4, 4)], 1);
        assert_eq!(mean_reward(&[0.5, 0.0, 1.0], 1).mean, passed.share);
    }
}
