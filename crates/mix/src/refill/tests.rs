use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;
use temper_recipe::{Budget, Packing, Share, Shares, Unit};

use super::*;
use crate::spec::{PlanSource, PlanSpec};
use crate::testing::Lengths;

/// Sources `a`, `b`, … in equal shares, whose rows are documents of at most 64 positions.
fn plan(lengths: &[&[usize]], steps: u64, max_epochs: u32, on_exhausted: Exhausted) -> Plan {
    let names: Vec<String> = (0..lengths.len()).map(|at| ["a", "b"][at].to_owned()).collect();
    let share = |name: &String| (name.clone(), Share::new(1, lengths.len() as u64).unwrap());
    let spec = PlanSpec {
        whole_documents: true,
        replay: None,
        seed: 7,
        budget: Budget::Steps(steps),
        sequence_length: 64,
        rows_per_step: 4,
        packing: Packing::Pad,
        packing_window: 16,
        unit: Unit::Documents,
        shares: Shares::Stated(names.iter().map(share).collect()),
        phases: Vec::new(),
        on_exhausted,
        sources: names.into_iter().map(|name| PlanSource { name, max_epochs }).collect(),
    };
    Plan::new(spec, lengths.iter().map(|lengths| Arc::new(Lengths::new(lengths)) as _).collect())
        .unwrap()
}

fn first(plan: &Plan) -> PlannedStep {
    plan.walk(plan.start()).unwrap().next().unwrap()
}

fn document(row: &PlannedRow) -> (usize, u64) {
    (row.source, row.segments[0].document)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_document_that_a_row_holds_comes_once_a_pass(
        lengths in prop::collection::vec(0..90usize, 1..40),
        rest in 2..60usize,
    ) {
        let lengths: Vec<usize> = lengths.into_iter().chain([rest]).collect();
        let plan = plan(&[&lengths], 1, 1, Exhausted::Repeat);
        let order = RefillOrder::new(&plan).unwrap();
        let whole: Vec<u64> =
            (0..).zip(&lengths).filter(|(_, len)| (2..=65).contains(*len)).map(|(at, _)| at).collect();
        for pass in 0..3 {
            let numbers = pass * whole.len() as u64..(pass + 1) * whole.len() as u64;
            let rows: Vec<PlannedRow> =
                numbers.map(|number| order.row(0, number).unwrap()).collect();
            for row in &rows {
                let len = lengths[row.segments[0].document as usize] as u32 - 1;
                prop_assert_eq!((row.supervised, row.segments[0].len), (len, len));
                prop_assert_eq!(u64::from(row.epoch), pass);
            }
            let mut documents: Vec<u64> = rows.iter().map(|row| document(row).1).collect();
            documents.sort_unstable();
            prop_assert_eq!(&documents, &whole);
        }
    }
}

#[test]
fn the_order_is_a_sources_own() {
    let of = |plan: &Plan, source: usize| -> Vec<u64> {
        let order = RefillOrder::new(plan).unwrap();
        (0..40).map(|number| document(&order.row(source, number).unwrap()).1).collect()
    };
    let two = plan(&[&[9; 40], &[9; 40]], 3, 9, Exhausted::Refuse);
    let (a, b) = (of(&two, 0), of(&two, 1));
    // Another mix and another budget change nothing, another source everything.
    assert_eq!(a, of(&plan(&[&[9; 40]], 5, 9, Exhausted::Refuse), 0));
    assert_ne!(a, b);
    // It is not that of the plan.
    let planned: Vec<u64> = two
        .walk(two.start())
        .unwrap()
        .flat_map(|step| step.rows)
        .filter(|row| row.source == 0)
        .map(|row| document(&row).1)
        .collect();
    assert_ne!(a[..planned.len()], planned);
    // Passes differ.
    let order = RefillOrder::new(&two).unwrap();
    let second: Vec<u64> =
        (40..80).map(|number| document(&order.row(0, number).unwrap()).1).collect();
    assert_ne!(a, second);
}

#[test]
fn rows_are_replaced_round_after_round_by_their_own_source() {
    let plan = plan(&[&[9; 40], &[17; 40]], 3, 9, Exhausted::Refuse);
    let order = RefillOrder::new(&plan).unwrap();
    let planned = first(&plan);
    let sources: Vec<usize> = planned.rows.iter().map(|row| row.source).collect();
    let mut step = planned.clone();
    step.next.refills.count("a", 2);
    let (mut by_hand, counts) = (step.clone(), [0, 1, 2, 2]);
    let stood = order.replace_all(&mut step, &counts);
    assert_eq!(stood.len(), 4 + 5);
    for (row, planned) in planned.rows.iter().enumerate() {
        assert_eq!(stood[&(row, 0)], document(planned).1);
        assert_eq!(stood[&(row, counts[row])], document(&step.rows[row]).1);
    }
    for row in [1, 2, 3, 2, 3] {
        assert!(order.replace(&mut by_hand, row));
    }
    assert_eq!(step, by_hand);
    assert_eq!(step.rows.iter().map(|row| row.source).collect::<Vec<_>>(), sources);
    assert_eq!(step.rows.iter().map(|row| row.refills).collect::<Vec<_>>(), counts);
    assert_eq!(step.rows[0], planned.rows[0]);
    // What stands in the end is the last of its source's: two of one source, and one of the other.
    let mut drawn = BTreeSet::new();
    let mut next = [2, 0];
    for row in [1, 2, 3, 2, 3] {
        let source = sources[row];
        drawn.insert((row, document(&order.row(source, next[source]).unwrap())));
        next[source] += 1;
    }
    assert!(
        step.rows.iter().enumerate().skip(1).all(|(at, row)| drawn.contains(&(at, document(row))))
    );
    // The cursor counts them, and the tokens of what stands there; the budget knows the plan alone.
    assert_eq!(step.next.refills.drawn["a"], next[0]);
    assert_eq!(step.next.refills.drawn["b"], next[1]);
    assert_eq!(step.next.tokens(), step.tokens());
    assert_eq!(step.next.own_tokens(), planned.tokens());
}

#[test]
fn passes_count_what_is_planned_too() {
    // 12 rows of 10 documents, of which one is longer than a row: 9 a pass.
    let lengths = [8, 9, 10, 11, 12, 13, 14, 15, 16, 90];
    for (max_epochs, on_exhausted, expected) in [
        (2, Exhausted::Refuse, Some(6)),
        (3, Exhausted::Refuse, Some(15)),
        (2, Exhausted::Redistribute, Some(6)),
        (1, Exhausted::Repeat, None),
    ] {
        let plan = plan(&[&lengths], 3, max_epochs, on_exhausted);
        let order = RefillOrder::new(&plan).unwrap();
        let mut step = first(&plan);
        let n = (0..100).take_while(|_| order.replace(&mut step, 0)).count();
        assert_eq!(n, expected.unwrap_or(100));
        let before = step.clone();
        assert_eq!(order.replace(&mut step, 0), expected.is_none());
        assert_eq!(step == before, expected.is_some());
    }
}

#[test]
fn a_cursor_without_them_is_written_as_before() {
    let plan = plan(&[&[9; 40]], 3, 9, Exhausted::Refuse);
    let mut cursor = first(&plan).next;
    let text = serde_json::to_string(&cursor).unwrap();
    assert!(!text.contains("refills"), "{text}");
    cursor.refills.count("a", 3);
    let text = serde_json::to_string(&cursor).unwrap();
    assert_eq!(serde_json::from_str::<crate::Cursor>(&text).unwrap(), cursor);
}
