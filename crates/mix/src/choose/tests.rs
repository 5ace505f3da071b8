use proptest::prelude::*;
use temper_recipe::Share;

use super::*;
use crate::phases::Phase;
use crate::stream::Stream;

const ROW: u64 = 512;

/// A mix with the sizes of its rows.
#[derive(Clone, Debug)]
struct Mix {
    /// Start and weights of each phase.
    phases: Vec<(u64, Vec<u64>)>,
    /// Rows are at least so full.
    fill_percent: u64,
    seed: u64,
}

impl Mix {
    fn phases(&self) -> Arc<Phases> {
        let phase = |(start, weights): &(u64, Vec<u64>)| {
            let whole = weights.iter().sum();
            let shares = weights.iter().map(|weight| Share::new(*weight, whole).unwrap()).collect();
            Phase { start: *start, shares }
        };
        let phases: Vec<Phase> = self.phases.iter().map(phase).collect();
        Arc::new(Phases::new(&phases).unwrap())
    }

    /// What a source's row with this number holds.
    fn row(&self, source: usize, number: u64) -> u64 {
        let least = (ROW * self.fill_percent).div_ceil(100).max(1);
        let mut stream = Stream::new(self.seed, &["row", &source.to_string()], number);
        // Most rows are full, as after packing.
        if !stream.next().is_multiple_of(4) {
            ROW
        } else {
            least + stream.next() % (ROW - least + 1)
        }
    }

    /// The sources of the first `n` rows, and the largest lead after any of them, in rows.
    fn draw(&self, n: usize) -> (Vec<usize>, f64) {
        let phases = self.phases();
        let n_sources = phases.n_sources();
        let mut accounts = Accounts::new(phases, ROW, vec![0; n_sources]);
        let mut numbers = vec![0; n_sources];
        for source in 0..n_sources {
            accounts.offer(source, Some(self.row(source, 0)));
        }
        let mut largest: f64 = 0.0;
        let rows = (0..n).map(|_| {
            let source = accounts.choose().unwrap();
            numbers[source] += 1;
            accounts.take(source, Some(self.row(source, numbers[source])));
            for source in 0..n_sources {
                largest = largest.max(accounts.lead(source).abs() / ROW as f64);
            }
            source
        });
        let rows = rows.collect();
        (rows, largest)
    }

    /// The rule as it is written down, every source looked at for every row.
    fn reference(&self, n: usize) -> Vec<usize> {
        let phases = self.phases();
        let n_sources = phases.n_sources();
        let (mut drawn, mut numbers, mut total) = (vec![0; n_sources], vec![0; n_sources], 0);
        let whole = u128::from(phases.whole());
        let mut rows = Vec::new();
        while rows.len() < n {
            let ahead = |source: &usize| {
                let row = self.row(*source, numbers[*source]);
                let target = phases.target(*source, total + row);
                u128::from(drawn[*source] + row) * whole <= target + u128::from(ROW) * whole
            };
            let deadline = |source: usize| phases.reached(source, drawn[source] + ROW);
            let source = (0..n_sources)
                .filter(ahead)
                .min_by(|a, b| match (deadline(*a), deadline(*b)) {
                    (Some(a), Some(b)) => {
                        let fraction = |x: u64, of: u64| u128::from(x) * u128::from(of);
                        let fractions = fraction(a.over, b.of).cmp(&fraction(b.over, a.of));
                        a.whole.cmp(&b.whole).then(fractions)
                    }
                    (a, b) => b.is_some().cmp(&a.is_some()),
                })
                .unwrap();
            let row = self.row(source, numbers[source]);
            drawn[source] += row;
            total += row;
            numbers[source] += 1;
            rows.push(source);
        }
        rows
    }
}

fn mixes() -> impl Strategy<Value = Mix> {
    (1..30usize, 1..4usize, 1..=100u64, any::<u64>()).prop_flat_map(|(n, phases, fill, seed)| {
        let weights = proptest::collection::vec(1..10_000u64, n);
        let phase = (20 * ROW..400 * ROW, weights);
        proptest::collection::vec(phase, phases).prop_map(move |parts| {
            let mut start = 0;
            let mut phases = Vec::new();
            for (length, weights) in parts {
                phases.push((start, weights));
                start += length;
            }
            Mix { phases, fill_percent: fill, seed }
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_source_leaves_its_target_by_more_than_a_row(mix in mixes()) {
        let (_, lead) = mix.draw(2000);
        prop_assert!(lead <= 1.0, "largest lead {} rows", lead);
    }

    #[test]
    fn the_tournaments_choose_as_the_rule_says(mix in mixes()) {
        prop_assert_eq!(mix.draw(1200).0, mix.reference(1200));
    }

    #[test]
    fn accounts_go_on_from_what_was_drawn(mix in mixes(), after in 0..300usize) {
        let (rows, _) = mix.draw(400);
        let phases = mix.phases();
        let mut drawn = vec![0; phases.n_sources()];
        let mut numbers = vec![0; phases.n_sources()];
        for source in &rows[..after] {
            drawn[*source] += mix.row(*source, numbers[*source]);
            numbers[*source] += 1;
        }
        let mut accounts = Accounts::new(phases, ROW, drawn);
        for (source, number) in numbers.iter().enumerate() {
            accounts.offer(source, Some(mix.row(source, *number)));
        }
        for expected in &rows[after..] {
            let source = accounts.choose().unwrap();
            prop_assert_eq!(source, *expected);
            numbers[source] += 1;
            accounts.take(source, Some(mix.row(source, numbers[source])));
        }
    }
}

#[test]
fn many_sources_with_tiny_shares_stay_within_a_row() {
    let weights = (0..200).map(|i| 1 + (i * i * i) % 99_991).collect();
    let mix = Mix { phases: vec![(0, weights)], fill_percent: 50, seed: 3 };
    let (rows, lead) = mix.draw(20_000);
    assert!(lead <= 1.0, "{lead}");
    assert_eq!(rows[..4000], mix.reference(4000));
}

#[test]
fn a_source_that_is_used_up_is_passed_over() {
    let mix = Mix { phases: vec![(0, vec![1, 1])], fill_percent: 100, seed: 0 };
    let mut accounts = Accounts::new(mix.phases(), 8, vec![0, 0]);
    accounts.offer(1, Some(8));
    assert_eq!(accounts.choose(), Some(1));
    accounts.take(1, None);
    assert_eq!(accounts.choose(), None);
}

#[test]
fn a_source_joins_where_its_share_begins() {
    let mix =
        Mix { phases: vec![(0, vec![1, 0]), (10 * ROW, vec![1, 3])], fill_percent: 100, seed: 0 };
    let (rows, lead) = mix.draw(50);
    assert!(lead <= 1.0, "{lead}");
    let first = rows.iter().position(|source| *source == 1).unwrap();
    assert!((8..=12).contains(&first), "{first}");
    assert_eq!(rows[10..].iter().filter(|source| **source == 1).count(), 30);
}
