use proptest::prelude::*;

use super::*;
use crate::testing::Lengths;

fn packed(packing: Packing, lengths: &[usize], row_len: u32) -> Vec<Vec<Segment>> {
    let rows =
        super::pack(packing, &Lengths::new(lengths), 0..lengths.len() as u64, row_len, false);
    rows.iter().map(<[Segment]>::to_vec).collect()
}

fn pack(lengths: &[usize], row_len: u32) -> Vec<Vec<Segment>> {
    packed(Packing::BestFit, lengths, row_len)
}

fn check(lengths: &[usize], row_len: u32, expected: &[&[(u64, u32, u32)]]) {
    check_packing(Packing::BestFit, lengths, row_len, expected);
}

#[track_caller]
fn check_packing(
    packing: Packing,
    lengths: &[usize],
    row_len: u32,
    expected: &[&[(u64, u32, u32)]],
) {
    let rows: Vec<Vec<_>> = packed(packing, lengths, row_len)
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

#[test]
fn documents_stand_end_to_end_or_alone() {
    let concat = |lengths, expected| check_packing(Packing::Concat, lengths, 8, expected);
    concat(&[5, 7, 1, 4], &[&[(0, 0, 4), (1, 0, 4)], &[(1, 4, 2), (3, 0, 3)]]);
    concat(&[20], &[&[(0, 0, 8)], &[(0, 8, 8)], &[(0, 16, 3)]]);
    let pad = |lengths, expected| check_packing(Packing::Pad, lengths, 8, expected);
    pad(&[5, 7, 1, 10], &[&[(0, 0, 4)], &[(1, 0, 6)], &[(3, 0, 8)], &[(3, 8, 1)]]);
}

fn packings() -> impl Strategy<Value = Packing> {
    prop::sample::select(vec![Packing::BestFit, Packing::Concat, Packing::Pad])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_position_stands_in_exactly_one_row(
        packing in packings(),
        lengths in proptest::collection::vec(0..400usize, 0..120),
        row_len in 1..130u32,
    ) {
        let mut seen: Vec<Vec<u32>> = lengths.iter().map(|n| vec![0; n.saturating_sub(1)]).collect();
        for row in packed(packing, &lengths, row_len) {
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
