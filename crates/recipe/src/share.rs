//! Exact shares: a mix is planned in fractions, never in floats.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Percents carry four decimals, so three nested levels stay exact in 64 bits.
const PERCENT_UNITS: u64 = 10_000;

/// A percent between 0 and 100 with at most four decimals, held exactly.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Percent(u64);

impl Percent {
    /// Nothing.
    pub(crate) const ZERO: Self = Self(0);
    /// Everything.
    pub(crate) const HUNDRED: Self = Self(100 * PERCENT_UNITS);

    /// Reads `value` exactly; `None` outside 0..=100 or with more than four decimals.
    pub fn new(value: f64) -> Option<Self> {
        // The shortest decimal that reads back as the same float is what the human wrote.
        let text = format!("{value}");
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        if fraction.len() > 4 {
            return None;
        }
        let whole: u64 = whole.parse().ok()?;
        let fraction: u64 = format!("{fraction:0<4}").parse().ok()?;
        let units = whole.checked_mul(PERCENT_UNITS)?.checked_add(fraction)?;
        (units <= Self::HUNDRED.0).then_some(Self(units))
    }

    /// True for a percent of nothing.
    pub(crate) fn is_zero(self) -> bool {
        self == Self::ZERO
    }

    /// What is left to a hundred.
    pub(crate) fn remainder(self) -> Self {
        Self(Self::HUNDRED.0 - self.0)
    }

    /// The exact sum in units of 1/10,000 percent, which may exceed a hundred percent.
    pub(crate) fn sum(percents: impl IntoIterator<Item = Self>) -> f64 {
        let units: u64 = percents.into_iter().map(|percent| percent.0).sum();
        units as f64 / PERCENT_UNITS as f64
    }

    /// The same as a fraction.
    pub(crate) fn share(self) -> Share {
        Share::reduced(self.0, Self::HUNDRED.0)
    }

    /// The share of the whole that nested percents leave: 25 % of 40 % is 1/10.
    pub(crate) fn nested(levels: [Self; 3]) -> Share {
        let numerator = levels.iter().map(|percent| percent.0).product();
        let denominator = Self::HUNDRED.0.pow(3);
        Share::reduced(numerator, denominator)
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", f64::from(*self))
    }
}

impl TryFrom<f64> for Percent {
    type Error = String;

    fn try_from(value: f64) -> Result<Self, Self::Error> {
        Self::new(value).ok_or_else(|| {
            format!("found `{value}`, expected a percent: 0 to 100 with at most four decimals")
        })
    }
}

impl From<Percent> for f64 {
    fn from(percent: Percent) -> Self {
        percent.0 as Self / PERCENT_UNITS as Self
    }
}

/// A fraction between 0 and 1 in lowest terms, written `3/4`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Share {
    numerator: u64,
    denominator: u64,
}

impl Share {
    /// `numerator / denominator`; `None` above one or with a zero denominator.
    pub fn new(numerator: u64, denominator: u64) -> Option<Self> {
        (denominator > 0 && numerator <= denominator).then(|| Self::reduced(numerator, denominator))
    }

    fn reduced(numerator: u64, denominator: u64) -> Self {
        let divisor = greatest_common_divisor(numerator.into(), denominator.into());
        // A divisor of a 64-bit number fits 64 bits, so this loses nothing.
        let divisor = divisor as u64;
        Self { numerator: numerator / divisor, denominator: denominator / divisor }
    }

    /// The numerator in lowest terms.
    pub fn numerator(self) -> u64 {
        self.numerator
    }

    /// The denominator in lowest terms.
    pub fn denominator(self) -> u64 {
        self.denominator
    }

    /// All of it.
    pub const ONE: Self = Self { numerator: 1, denominator: 1 };

    /// Nothing of it.
    pub const ZERO: Self = Self { numerator: 0, denominator: 1 };

    /// True for a share of nothing.
    pub fn is_zero(self) -> bool {
        self.numerator == 0
    }

    /// True if `shares` sum to exactly one.
    pub(crate) fn sum_is_one(shares: impl IntoIterator<Item = Self>) -> bool {
        let mut sum = Self { numerator: 0, denominator: 1 };
        for share in shares {
            match sum.plus(share) {
                Some(longer) => sum = longer,
                None => return false,
            }
        }
        sum.numerator == sum.denominator
    }

    /// `None` above one, or where the sum needs more than 64 bits.
    fn plus(self, other: Self) -> Option<Self> {
        let (a, b) = (u128::from(self.denominator), u128::from(other.denominator));
        // Products of 64-bit numbers fit 128 bits, their sum may not.
        let numerator =
            (u128::from(self.numerator) * b).checked_add(u128::from(other.numerator) * a)?;
        let divisor = greatest_common_divisor(numerator, a * b);
        let numerator = u64::try_from(numerator / divisor).ok()?;
        Self::new(numerator, u64::try_from(a * b / divisor).ok()?)
    }

    /// True if this is more than `other`.
    pub(crate) fn exceeds(self, other: Self) -> bool {
        let (a, b) = (u128::from(self.numerator), u128::from(other.numerator));
        a * u128::from(other.denominator) > b * u128::from(self.denominator)
    }

    /// The nearest float, for printing.
    pub fn as_f64(self) -> f64 {
        self.numerator as f64 / self.denominator as f64
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.numerator, self.denominator)
    }
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once('/').and_then(|(numerator, denominator)| {
            Some((numerator.parse().ok()?, denominator.parse().ok()?))
        });
        parts
            .and_then(|(numerator, denominator)| Self::new(numerator, denominator))
            .ok_or_else(|| format!("`{text}` is no share: expected a fraction such as `3/4`"))
    }
}

impl TryFrom<String> for Share {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Share> for String {
    fn from(share: Share) -> Self {
        share.to_string()
    }
}

fn greatest_common_divisor(a: u128, b: u128) -> u128 {
    if b == 0 { a.max(1) } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests;
