use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::testing::{answer, choice, document, task};

/// Every id says where it stands, so that a misplaced target shows.
fn numbered(first: u32, n: usize) -> Vec<u32> {
    (first..).take(n).collect()
}

/// How often each target of each segment's sequence counts, by (item, choice, index of the id).
fn counted(layout: &Layout<'_>, batch_rows: usize) -> BTreeMap<(usize, usize, usize), usize> {
    let mut counts = BTreeMap::new();
    for first in (0..layout.rows.len()).step_by(batch_rows) {
        let rows = first..layout.rows.len().min(first + batch_rows);
        let packed = layout.batch(rows.clone());
        for (row, numbers) in layout.rows[rows].iter().enumerate() {
            let lengths: Vec<usize> =
                numbers.iter().map(|&number| layout.segments[number].len).collect();
            assert_eq!(packed.segments[row], lengths);
            assert!(lengths.iter().sum::<usize>() <= packed.length);
            let mut at = row * packed.length;
            for segment in numbers.iter().map(|&number| layout.segments[number]) {
                let sequence = layout.items[segment.item].sequences()[segment.choice];
                for position in segment.start..segment.start + segment.len {
                    assert_eq!(packed.inputs[at], sequence.id(position));
                    assert_eq!(packed.targets[at], sequence.id(position + 1));
                    if packed.loss_mask[at] {
                        *counts.entry((segment.item, segment.choice, position + 1)).or_default() +=
                            1;
                    }
                    at += 1;
                }
            }
        }
        let n_counted = packed.loss_mask.iter().filter(|carries| **carries).count();
        assert_eq!(n_counted, packed.n_supervised());
    }
    counts
}

/// Exactly the scored ids of every sequence, once each.
fn expected(task: &LoadedTask) -> BTreeMap<(usize, usize, usize), usize> {
    let mut counts = BTreeMap::new();
    for (item, content) in task.items.iter().enumerate() {
        for (choice, sequence) in content.sequences().iter().enumerate() {
            for index in sequence.context.len()..=sequence.n_positions() {
                counts.insert((item, choice, index), 1);
            }
        }
    }
    counts
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_target_of_a_document_counts_once(lengths in vec(2..90_usize, 1..40), sequence_length in 1..40_usize, batch_rows in 1..7_usize) {
        let items = lengths.iter().enumerate().map(|(number, &n)| document(&number.to_string(), "c", numbered(1_000 * number as u32, n)));
        let task = task(items.collect());
        let layout = Layout::new(&task, sequence_length).unwrap();
        prop_assert_eq!(counted(&layout, batch_rows), expected(&task));
        // Two rows that are at most half full would have been one.
        let fill = |row: &Vec<usize>| row.iter().map(|&number| layout.segments[number].len).sum::<usize>();
        let n_half_full = layout.rows.iter().filter(|row| 2 * fill(row) <= sequence_length).count();
        prop_assert!(n_half_full <= 1);
    }

    #[test]
    fn every_token_of_a_choice_counts_once(
        shapes in vec((1..40_usize, vec(1..12_usize, 2..5)), 1..30),
        sequence_length in 12..32_usize,
        batch_rows in 1..7_usize,
    ) {
        let items = shapes.iter().enumerate().map(|(number, (n_context, lengths))| {
            let choices = lengths.iter().enumerate().map(|(choice, &n)| numbered(100 * (choice as u32 + 1), n)).collect();
            choice(&number.to_string(), numbered(0, *n_context), choices, 0)
        });
        let task = task(items.collect());
        let layout = Layout::new(&task, sequence_length).unwrap();
        prop_assert_eq!(counted(&layout, batch_rows), expected(&task));
        for (item, (n_context, lengths)) in shapes.iter().enumerate() {
            let longest = lengths.iter().max().unwrap();
            let too_many = (n_context + longest).saturating_sub(sequence_length + 1);
            prop_assert_eq!(layout.dropped[item], too_many);
            prop_assert!(layout.segments.iter().filter(|segment| segment.item == item).all(|segment| segment.start == too_many));
        }
    }
}

#[test]
fn a_continuation_may_fill_the_window_and_no_more() {
    let fits = task(vec![answer("a", numbered(0, 9), numbered(50, 4))]);
    let layout = Layout::new(&fits, 4).unwrap();
    assert_eq!(layout.dropped, [8]);
    assert_eq!(layout.batch(0..1).inputs, [8, 50, 51, 52]);
    assert_eq!(layout.batch(0..1).targets, [50, 51, 52, 53]);

    let error = Layout::new(&fits, 3).unwrap_err().to_string();
    assert!(
        error.contains("item `a`: continuation of 4 tokens does not fit a window of 3 positions"),
        "{error}"
    );
}

#[test]
fn short_segments_share_a_row() {
    let lengths = [4, 2, 7, 3, 9];
    let items = lengths
        .iter()
        .enumerate()
        .map(|(number, &n)| document(&number.to_string(), "c", numbered(0, n)));
    let task = task(items.collect());
    let layout = Layout::new(&task, 8).unwrap();
    // Documents of n ids have n − 1 positions: 3, 1, 6, 2, 8.
    assert_eq!(layout.rows, [vec![4], vec![2, 3], vec![0, 1]]);
}
