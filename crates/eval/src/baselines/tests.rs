use rand::Rng;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

use super::*;
use crate::testing::choice;

const YES: u32 = 1;
const NO: u32 = 2;

/// Right is YES where `yes` says so; every other item has its choices in the other order.
fn items(cases: impl IntoIterator<Item = (f64, bool)>) -> Vec<Item> {
    let item = |(number, (confounder, yes)): (usize, (f64, bool))| {
        let turned = number % 2 == 1;
        let choices = if turned { vec![vec![NO], vec![YES]] } else { vec![vec![YES], vec![NO]] };
        Item::Choice {
            id: format!("i{number}"),
            cluster: format!("c{}", number / 2),
            context: vec![0],
            choices,
            gold: usize::from(yes == turned),
            confounder: Some(confounder),
        }
    };
    cases.into_iter().enumerate().map(item).collect()
}

#[test]
fn a_confounder_that_decides_everything_is_found() {
    let above = baselines(&items((0..100).map(|n| (f64::from(n), n >= 70))));
    assert_eq!(above.chance, 0.5);
    assert_eq!(above.majority, Some(0.7));
    // Two neighbours of the border share a cluster; left out, the threshold falls beside them.
    assert!(above.confounder_only.unwrap() >= 0.98, "{above:?}");
    // With room at the border the threshold is right in every fold.
    let below = baselines(&items(
        (0..100).map(|n| (f64::from(n) + if n < 40 { 0.0 } else { 50.0 }, n < 40)),
    ));
    assert_eq!(below.confounder_only, Some(1.0));
}

#[test]
fn a_confounder_without_meaning_is_worth_the_majority() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut uniform = move || (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
    let found = baselines(&items((0..2_000).map(|_| (uniform(), uniform() < 0.6))));
    let (majority, confounder) = (found.majority.unwrap(), found.confounder_only.unwrap());
    assert!((majority - confounder).abs() < 0.02, "{found:?}");
}

#[test]
fn the_order_of_items_does_not_matter() {
    let forward = items((0..60).map(|n| (f64::from(n * 37 % 60), n % 3 == 0)));
    let backward: Vec<Item> = forward.iter().rev().cloned().collect();
    assert_eq!(baselines(&forward), baselines(&backward));
}

#[test]
fn choices_that_differ_have_no_majority() {
    let pairs = [
        choice("a", vec![0], vec![vec![1], vec![2]], 0),
        choice("b", vec![0], vec![vec![3], vec![4]], 0),
    ];
    assert_eq!(baselines(&pairs), Baselines { chance: 0.5, majority: None, confounder_only: None });
    let of_three = [choice("a", vec![0], vec![vec![1], vec![2], vec![3]], 0)];
    assert_eq!(baselines(&of_three).chance, 0.333_333_333);
}

#[test]
fn a_single_item_teaches_nothing() {
    assert_eq!(baselines(&items([(1.0, true)])).confounder_only, None);
    assert_eq!(baselines(&items([(1.0, true), (1.0, true)])).confounder_only, Some(1.0));
}

#[test]
fn equal_confounders_are_not_split() {
    let found = baselines(&items((0..100).map(|n| (1.0, n % 4 == 0))));
    assert_eq!(found.confounder_only, Some(0.75));
}
