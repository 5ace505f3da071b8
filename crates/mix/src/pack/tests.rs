use proptest::prelude::*;

use super::*;
use crate::testing::Lengths;

fn pack(lengths: &[usize], row_len: u32) -> Vec<Vec<Segment>> {
    best_fit(&Lengths::new(lengths), 0..lengths.len() as u64, row_len)
}

#[track_caller]
fn check(lengths: &[usize], row_len: u32, expected: &[&[(u64, u32, u32)]]) {
    let rows: Vec<Vec<_>> = pack(lengths, row_len)
        .iter()
        .map(|row| row.iter().map(|s| (s.document, s.start, s.len)).collect())
        .collect();
    assert_eq!(rows, expected);
}

#[test]
fn pieces_go_where_they_fill_best() {
    // Lengths are ids; positions are one fewer.
    check(&[5, 5], 8, &[&[(0, 0, 4), (1, 0, 4)]]);
    check(&[4, 7, 3], 8, &[&[(1, 0, 6), (2, 0, 2)], &[(0, 0, 3)]]);
    check(&[20], 8, &[&[(0, 0, 8)], &[(0, 8, 8)], &[(0, 16, 3)]]);
    check(&[9], 8, &[&[(0, 0, 8)]]);
    check(&[0, 1, 2], 8, &[&[(2, 0, 1)]]);
    check(&[], 8, &[]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_position_stands_in_exactly_one_row(
        lengths in proptest::collection::vec(0..400usize, 0..120),
        row_len in 1..130u32,
    ) {
        let mut seen: Vec<Vec<u32>> = lengths.iter().map(|n| vec![0; n.saturating_sub(1)]).collect();
        for row in pack(&lengths, row_len) {
            let used: u32 = row.iter().map(|segment| segment.len).sum();
            prop_assert!(0 < used && used <= row_len);
            for segment in row {
                for position in segment.start..segment.start + segment.len {
                    seen[segment.document as usize][position as usize] += 1;
                }
            }
        }
        prop_assert!(seen.iter().flatten().all(|count| *count == 1));
    }

    #[test]
    fn only_documents_longer_than_a_row_are_split(
        lengths in proptest::collection::vec(0..400usize, 0..120),
        row_len in 1..130u32,
    ) {
        for segment in pack(&lengths, row_len).into_iter().flatten() {
            let positions = lengths[segment.document as usize] as u32 - 1;
            prop_assert!(segment.len == positions || positions > row_len);
        }
    }
}
