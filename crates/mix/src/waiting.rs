//! Sources that may not be drawn from yet, by the moment from which they may.

use crate::tournament::{ABSENT, Tournament};

/// A timing wheel (Varghese and Lauck 1987, "Hashed and hierarchical timing wheels"): moments
/// within reach lie in buckets of about a row, those beyond in a tournament.
///
/// A number is in it once at most, and leaves it by [`Waiting::release`] only.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    /// Moments of a bucket differ below this bit.
    shift: u32,
    /// The bucket of the moment that was looked at last, counted from 0 over all time.
    now: u64,
    /// By bucket, the first number in it.
    first: Vec<u32>,
    /// By number: the next one in its bucket, and its moment.
    next: Vec<u32>,
    moments: Vec<u64>,
    beyond: Tournament,
}

/// Buckets on the wheel.
const BUCKETS: u64 = 1024;

/// No number.
const NONE: u32 = u32::MAX;

impl Waiting {
    /// Nobody of `n` waits at `moment`; a row has `row` units.
    pub(crate) fn new(n: usize, row: u64, moment: u64) -> Self {
        let shift = row.max(1).ilog2();
        Self {
            shift,
            now: moment >> shift,
            first: vec![NONE; BUCKETS as usize],
            next: vec![NONE; n],
            moments: vec![0; n],
            beyond: Tournament::new(n),
        }
    }

    /// Lets `number` wait until `moment`, which is still to come.
    #[inline]
    pub(crate) fn insert(&mut self, number: usize, moment: u64) {
        let bucket = moment >> self.shift;
        if bucket >= self.now + BUCKETS {
            self.beyond.set(number, moment, |a, b| a < b);
            return;
        }
        self.moments[number] = moment;
        let slot = (bucket % BUCKETS) as usize;
        self.next[number] = self.first[slot];
        self.first[slot] = number as u32;
    }

    /// Hands out a number whose moment is not after `moment`, until there is none left. Moments must
    /// not go back.
    #[inline]
    pub(crate) fn release(&mut self, moment: u64) -> Option<usize> {
        let last = moment >> self.shift;
        loop {
            let slot = (self.now % BUCKETS) as usize;
            if let Some(number) = self.take_from(slot, moment) {
                return Some(number);
            }
            if self.now >= last {
                break;
            }
            self.now += 1;
        }
        let (number, first) = self.beyond.first();
        if first > moment || first == ABSENT {
            return None;
        }
        self.beyond.set(number, ABSENT, |a, b| a < b);
        Some(number)
    }

    /// The first number of a bucket whose moment has come, taken out of it.
    #[inline]
    fn take_from(&mut self, slot: usize, moment: u64) -> Option<usize> {
        let (mut before, mut at) = (NONE, self.first[slot]);
        while at != NONE {
            let number = at as usize;
            if self.moments[number] <= moment {
                match before {
                    NONE => self.first[slot] = self.next[number],
                    before => self.next[before as usize] = self.next[number],
                }
                return Some(number);
            }
            (before, at) = (at, self.next[number]);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn everybody_is_released_when_the_moment_comes(
            row in 1..5000u64,
            start in 0..1_000_000_000_000u64,
            steps in proptest::collection::vec((0..3_000_000u64, 0..9000u64), 1..200),
        ) {
            let mut waiting = Waiting::new(steps.len(), row, start);
            let (mut expected, mut moment) = (Vec::new(), start);
            for (number, (later, passed)) in steps.into_iter().enumerate() {
                waiting.insert(number, moment + 1 + later);
                expected.push((number, moment + 1 + later));
                moment += passed;
                let mut released: Vec<usize> =
                    std::iter::from_fn(|| waiting.release(moment)).collect();
                released.sort_unstable();
                let is_due = |(_, at): &(usize, u64)| *at <= moment;
                let due: Vec<usize> =
                    expected.iter().filter(|one| is_due(one)).map(|(number, _)| *number).collect();
                expected.retain(|one| !is_due(one));
                prop_assert_eq!(released, due);
            }
        }
    }
}
