use proptest::prelude::*;

use super::*;

fn phases(parts: &[(u64, &[u64])]) -> Phases {
    let phase = |(start, weights): &(u64, &[u64])| Phase {
        start: *start,
        shares: weights
            .iter()
            .map(|weight| Share::new(*weight, weights.iter().sum()).unwrap())
            .collect(),
    };
    Phases::new(&parts.iter().map(phase).collect::<Vec<_>>()).unwrap()
}

#[test]
fn targets_are_the_integral_of_the_shares() {
    let phases = phases(&[(0, &[3, 1]), (100, &[0, 1]), (150, &[1, 2])]);
    assert_eq!(phases.whole(), 12);
    let target = |source, total| phases.target(source, total) as f64 / 12.0;
    let at = [0, 40, 100, 120, 150, 180];
    assert_eq!(at.map(|total| target(0, total)), [0.0, 30.0, 75.0, 75.0, 75.0, 85.0]);
    assert_eq!(at.map(|total| target(1, total)), [0.0, 10.0, 25.0, 45.0, 75.0, 95.0]);
}

#[test]
fn a_moment_is_where_the_target_gets_there() {
    let phases = phases(&[(0, &[3, 1]), (100, &[0, 1]), (150, &[1, 2])]);
    let reached = |source, units| {
        let moment = phases.reached(source, units)?;
        Some(moment.whole as f64 + moment.over as f64 / moment.of as f64)
    };
    assert_eq!(reached(0, 0), Some(0.0));
    assert_eq!(reached(0, 75), Some(100.0));
    assert_eq!(reached(0, 76), Some(153.0));
    assert_eq!(reached(1, 26), Some(101.0));
    let never = super::tests::phases(&[(0, &[1, 1]), (10, &[0, 1])]);
    assert_eq!(never.reached(0, 5).map(|moment| moment.whole), Some(10));
    assert_eq!(never.reached(0, 6), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_target_is_reached_at_its_moment_and_not_before(
        weights in proptest::collection::vec((0..50u64, 1..50u64), 1..6),
        lengths in proptest::collection::vec(1..200u64, 6),
        units in 1..500u64,
    ) {
        let mut start = 0;
        let mut parts = Vec::new();
        for ((a, b), length) in weights.iter().zip(lengths) {
            parts.push((start, [*a, *b]));
            start += length;
        }
        let parts: Vec<(u64, &[u64])> = parts.iter().map(|(start, w)| (*start, &w[..])).collect();
        let phases = phases(&parts);
        let scaled = u128::from(units) * u128::from(phases.whole());
        for source in 0..2 {
            match phases.reached(source, units) {
                Some(Moment { whole, over, .. }) => {
                    let ceiling = whole + u64::from(over > 0);
                    prop_assert!(phases.target(source, ceiling) >= scaled);
                    prop_assert!(phases.target(source, ceiling - 1) < scaled);
                }
                None => prop_assert!(phases.target(source, 1 << 40) < scaled),
            }
        }
    }
}
