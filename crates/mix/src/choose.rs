//! Whose row comes next: within one row of the share at every prefix of the run.

use temper_recipe::Share;

/// The accounts of a mix: what each source has supplied, against its exact share.
///
/// The rule is that of the chairman assignment problem (Tijdeman 1980): among the sources whose
/// next row would not put them more than a row ahead, the one whose deadline comes first, that is,
/// the one that would fall a row behind soonest. Taking the source with the largest deficit
/// instead falls up to 1.4 rows behind.
#[derive(Clone, Debug)]
pub(crate) struct Accounts {
    /// Shares over one common denominator.
    weights: Vec<u64>,
    whole: u64,
    row_len: u64,
    drawn: Vec<u64>,
    total: u64,
}

impl Accounts {
    /// Accounts that start with `drawn`; `None` when the shares have no common denominator in 64 bits.
    pub(crate) fn new(shares: &[Share], row_len: u64, drawn: Vec<u64>) -> Option<Self> {
        let mut whole: u64 = 1;
        for share in shares {
            let step = share.denominator() / gcd(whole, share.denominator());
            whole = whole.checked_mul(step)?;
        }
        let weights =
            shares.iter().map(|share| share.numerator() * (whole / share.denominator())).collect();
        let total = drawn.iter().sum();
        Some(Self { weights, whole, row_len, drawn, total })
    }

    /// The source to draw from, given the size of each one's next row (`None`: it has no more).
    ///
    /// Somebody is always eligible while no source is used up: deficits sum to zero, and whoever
    /// is not ahead stays within a row of its share.
    pub(crate) fn choose(&self, next_row: &[Option<u64>]) -> Option<usize> {
        (0..self.weights.len())
            .filter(|&source| next_row[source].is_some_and(|row| self.may_take(source, row)))
            .min_by(|&a, &b| self.compare_deadlines(a, b))
    }

    /// Books `tokens` drawn from `source`.
    pub(crate) fn book(&mut self, source: usize, tokens: u64) {
        self.drawn[source] += tokens;
        self.total += tokens;
    }

    /// Tokens drawn from each source.
    pub(crate) fn drawn(&self) -> &[u64] {
        &self.drawn
    }

    /// Tokens drawn from all sources.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// Tokens that `source` is ahead of its share of what was drawn; negative when behind.
    pub(crate) fn lead(&self, source: usize) -> f64 {
        self.scaled_lead(source, 0) as f64 / self.whole as f64
    }

    /// True when `source` is more than a row behind its share.
    pub(crate) fn is_owed(&self, source: usize) -> bool {
        self.scaled_lead(source, 0) < -i128::from(self.row_len) * i128::from(self.whole)
    }

    /// True when `row` more tokens leave `source` at most a row ahead.
    fn may_take(&self, source: usize, row: u64) -> bool {
        self.scaled_lead(source, row) <= i128::from(self.row_len) * i128::from(self.whole)
    }

    /// The lead after `row` more tokens from `source`, times the common denominator.
    fn scaled_lead(&self, source: usize, row: u64) -> i128 {
        let drawn = i128::from(self.drawn[source] + row) * i128::from(self.whole);
        let target = i128::from(self.total + row) * i128::from(self.weights[source]);
        drawn - target
    }

    /// A source falls a row behind when the total reaches (drawn + row) / share; the order is exact.
    fn compare_deadlines(&self, a: usize, b: usize) -> std::cmp::Ordering {
        let scaled = |one: usize, other: usize| {
            u128::from(self.drawn[one] + self.row_len) * u128::from(self.weights[other])
        };
        scaled(a, b).cmp(&scaled(b, a)).then(a.cmp(&b))
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests;
