use proptest::prelude::*;

use super::*;
use crate::stream::Stream;

/// Draws `rows` rows whose sizes lie in `fill..=1` of a row; returns the largest absolute lead, in rows.
fn largest_lead(weights: &[u64], fill_percent: u64, rows: usize, seed: u64) -> f64 {
    const ROW: u64 = 512;
    let whole: u64 = weights.iter().sum();
    let shares: Vec<Share> = weights.iter().map(|w| Share::new(*w, whole).unwrap()).collect();
    let mut accounts = Accounts::new(&shares, ROW, vec![0; shares.len()]).unwrap();
    let mut stream = Stream::new(seed, &["sizes"], 0);
    let mut size = || {
        let least = (ROW * fill_percent).div_ceil(100).max(1);
        least + stream.next() % (ROW - least + 1)
    };
    let mut next: Vec<Option<u64>> = shares.iter().map(|_| Some(size())).collect();
    let mut largest: f64 = 0.0;
    for _ in 0..rows {
        let source = accounts.choose(&next).unwrap();
        accounts.book(source, next[source].unwrap());
        next[source] = Some(size());
        for source in 0..shares.len() {
            largest = largest.max(accounts.lead(source).abs() / ROW as f64);
        }
    }
    largest
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_source_leaves_its_share_by_more_than_a_row(
        weights in proptest::collection::vec(1..10_000u64, 1..40),
        fill in 1..100u64,
        seed: u64,
    ) {
        let lead = largest_lead(&weights, fill, 2000, seed);
        prop_assert!(lead <= 1.0, "largest lead {} rows", lead);
    }
}

#[test]
fn many_sources_with_tiny_shares_stay_within_a_row() {
    let weights: Vec<u64> = (0..200).map(|i| 1 + (i * i * i) % 99_991).collect();
    assert!(largest_lead(&weights, 50, 20_000, 3) <= 1.0);
}

#[test]
fn a_source_that_is_used_up_is_passed_over() {
    let half = Share::new(1, 2).unwrap();
    let accounts = Accounts::new(&[half, half], 8, vec![0, 0]).unwrap();
    assert_eq!(accounts.choose(&[None, Some(8)]), Some(1));
    assert_eq!(accounts.choose(&[None, None]), None);
}
