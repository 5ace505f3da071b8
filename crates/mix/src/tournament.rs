//! The smallest of many keys, of which one changes at a time.

use std::hint::select_unpredictable;

/// Keys by number, none at the start; the smallest one is known at all times.
///
/// A winner tree (Knuth, The Art of Computer Programming, volume 3, 5.4.1): a change costs one
/// comparison per level. Numbers with equal keys are told apart by the caller.
#[derive(Clone, Debug)]
pub(crate) struct Tournament {
    /// Key and number: the root at 1, the two below node `i` at `2 i` and `2 i + 1`.
    nodes: Vec<(u64, u32)>,
    first_leaf: usize,
}

/// The key of a number that has none.
pub(crate) const ABSENT: u64 = u64::MAX;

impl Tournament {
    /// `n` numbers without keys.
    pub(crate) fn new(n: usize) -> Self {
        let first_leaf = n.next_power_of_two().max(2);
        let number = |leaf: usize| u32::try_from(leaf).expect("sources are far fewer than 2^32");
        let mut nodes = vec![(ABSENT, 0); 2 * first_leaf];
        for leaf in 0..first_leaf {
            nodes[first_leaf + leaf].1 = number(leaf);
        }
        for node in (1..first_leaf).rev() {
            nodes[node] = nodes[2 * node];
        }
        Self { nodes, first_leaf }
    }

    /// Gives `number` a key; `comes_first` decides between two numbers with the same key.
    #[inline]
    pub(crate) fn set(
        &mut self,
        number: usize,
        key: u64,
        comes_first: impl Fn(usize, usize) -> bool,
    ) {
        let mut node = self.first_leaf + number;
        let mut winner = (key, self.nodes[node].1);
        self.nodes[node] = winner;
        while node > 1 {
            let other = self.nodes[node ^ 1];
            let wins = if winner.0 == other.0 {
                comes_first(winner.1 as usize, other.1 as usize)
            } else {
                winner.0 < other.0
            };
            // Who wins is as good as random: a jump would often be guessed wrong.
            winner = select_unpredictable(wins, winner, other);
            node /= 2;
            // Further up nothing changes, unless it is the changed number that is compared there.
            if self.nodes[node] == winner && winner.1 as usize != number {
                return;
            }
            self.nodes[node] = winner;
        }
    }

    /// The number of the smallest key, and the key, which may be [`ABSENT`].
    #[inline]
    pub(crate) fn first(&self) -> (usize, u64) {
        let (key, number) = self.nodes[1];
        (number as usize, key)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn the_first_is_the_smallest(
            n in 1..40usize,
            changes in proptest::collection::vec((any::<usize>(), 0..9u64), 1..200),
        ) {
            let mut keys = vec![ABSENT; n];
            let mut tournament = Tournament::new(n);
            for (number, key) in changes {
                let key = if key == 8 { ABSENT } else { key };
                keys[number % n] = key;
                tournament.set(number % n, key, |a, b| a < b);
                let smallest = (0..n).min_by_key(|number| keys[*number]).unwrap();
                prop_assert_eq!(tournament.first(), (smallest, keys[smallest]));
            }
        }
    }
}
