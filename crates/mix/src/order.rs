//! The order of an epoch: a seeded permutation with random access and no table.

use crate::stream::{Stream, scramble};

const ROUNDS: usize = 6;

/// A permutation of `0..n` in O(1) memory.
///
/// A Feistel network over the next even power of two, walked along its cycle until it lands below
/// `n` (Black and Rogaway 2002, "Ciphers with arbitrary finite domains"): at most four steps on average.
#[derive(Clone, Debug)]
pub(crate) struct Permutation {
    n: u64,
    half_bits: u32,
    keys: [u64; ROUNDS],
}

impl Permutation {
    /// The permutation of `0..n` that `stream` decides.
    pub(crate) fn new(n: u64, stream: &mut Stream) -> Self {
        let bits = u64::BITS - n.saturating_sub(1).leading_zeros();
        Self { n, half_bits: bits.div_ceil(2).max(1), keys: std::array::from_fn(|_| stream.next()) }
    }

    /// Which item stands at `position`, which must be below `n`.
    pub(crate) fn at(&self, position: u64) -> u64 {
        assert!(position < self.n, "position {position} of {}", self.n);
        let mut item = position;
        loop {
            item = self.encrypt(item);
            if item < self.n {
                return item;
            }
        }
    }

    fn encrypt(&self, block: u64) -> u64 {
        let mask = (1 << self.half_bits) - 1;
        let (mut left, mut right) = (block >> self.half_bits, block & mask);
        for key in self.keys {
            (left, right) = (right, left ^ (scramble(right ^ key) & mask));
        }
        (left << self.half_bits) | right
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn order(n: u64, seed: u64) -> Vec<u64> {
        let permutation = Permutation::new(n, &mut Stream::new(seed, &["test"], 0));
        (0..n).map(|position| permutation.at(position)).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn every_item_stands_exactly_once(n in 1..3000u64, seed: u64) {
            let mut items = order(n, seed);
            items.sort_unstable();
            prop_assert_eq!(items, (0..n).collect::<Vec<_>>());
        }
    }

    #[test]
    fn seeds_give_different_orders() {
        assert_ne!(order(100, 1), order(100, 2));
        assert_ne!(order(100, 1), (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn positions_spread_over_the_items() {
        // The first tenth of an epoch must not come from one end of the corpus.
        let head: u64 = order(10_000, 7)[..1000].iter().sum();
        let mean = head as f64 / 1000.0;
        assert!((mean - 5000.0).abs() < 300.0, "mean item of the first tenth: {mean}");
    }
}
