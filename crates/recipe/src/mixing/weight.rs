//! Weights: positive numbers that say proportions.

use serde::Deserialize;

use crate::share::Share;

/// A positive number with at most six decimals, held exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "f64")]
pub(crate) struct Weight(u64);

/// Weights carry six decimals.
const UNITS: u64 = 1_000_000;

impl Weight {
    /// Reads `value` exactly; `None` for one below zero, above a billion or with more decimals.
    fn new(value: f64) -> Option<Self> {
        // The shortest decimal that reads back as the same float is what the human wrote.
        let text = format!("{value}");
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        let fraction = (fraction.len() <= 6).then(|| format!("{fraction:0<6}"))?;
        let whole: u64 = whole.parse().ok().filter(|whole| *whole < 1_000_000_000)?;
        Some(Self(whole * UNITS + fraction.parse::<u64>().ok()?))
    }

    pub(crate) fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// What each weight is of their sum; `None` if the sum is zero.
    pub(crate) fn shares(weights: &[Self]) -> Option<Vec<Share>> {
        let sum = weights.iter().map(|weight| weight.0).sum();
        weights.iter().map(|weight| Share::new(weight.0, sum)).collect()
    }
}

impl TryFrom<f64> for Weight {
    type Error = String;

    fn try_from(value: f64) -> Result<Self, Self::Error> {
        Self::new(value).ok_or_else(|| {
            format!("found `{value}`, expected a weight: 0 to 10^9 with at most six decimals")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_exact() {
        #[track_caller]
        fn check(value: f64, expected: Option<u64>) {
            assert_eq!(Weight::new(value).map(|weight| weight.0), expected, "{value}");
        }
        check(1.0, Some(UNITS));
        check(0.1, Some(100_000));
        check(0.000_001, Some(1));
        check(2.5e8, Some(250_000_000 * UNITS));
        check(0.000_000_1, None);
        check(-1.0, None);
        check(f64::NAN, None);
        check(1e9, None);
    }

    #[test]
    fn shares_are_parts_of_the_sum() {
        let weights = [0.1, 0.2, 0.0].map(|value| Weight::new(value).unwrap());
        let shares: Vec<String> =
            Weight::shares(&weights).unwrap().iter().map(Share::to_string).collect();
        assert_eq!(shares, ["1/3", "2/3", "0/1"]);
        assert_eq!(Weight::shares(&weights[2..]), None);
    }
}
