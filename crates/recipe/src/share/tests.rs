use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(value: f64, expected: Option<&str>) {
    assert_eq!(Percent::new(value).map(|percent| percent.to_string()).as_deref(), expected);
}

#[test]
fn percents_have_four_decimals() {
    check(0.0, Some("0"));
    check(33.3333, Some("33.3333"));
    check(0.0001, Some("0.0001"));
    check(100.0, Some("100"));
    check(100.0001, None);
    check(33.33333, None);
    check(-1.0, None);
    check(f64::NAN, None);
    check(f64::INFINITY, None);
}

#[test]
fn nested_percents_are_fractions() {
    let percent = |value| Percent::new(value).unwrap();
    let share = Percent::nested([percent(25.0), percent(40.0), Percent::HUNDRED]);
    assert_eq!(share, Share::new(1, 10).unwrap());
    let tiny = Percent::nested([percent(0.0001); 3]);
    assert_eq!(tiny.to_string(), "1/1000000000000000000");
}

/// Parts of a hundred percent, in units of 1/10,000 percent, some of them zero.
fn parts() -> impl Strategy<Value = Vec<Percent>> {
    prop::collection::vec(0_u64..=1_000_000, 0..6).prop_map(|mut cuts| {
        cuts.extend([0, 1_000_000]);
        cuts.sort_unstable();
        cuts.windows(2).map(|pair| Percent(pair[1] - pair[0])).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn percents_read_back(units in 0_u64..=1_000_000) {
        let percent = Percent(units);
        prop_assert_eq!(Percent::new(percent.to_string().parse().unwrap()), Some(percent));
        prop_assert_eq!(Percent::new(f64::from(percent)), Some(percent));
        prop_assert_eq!(Percent::sum([percent, percent.remainder()]), 100.0);
    }

    #[test]
    fn shares_of_nested_parts_sum_to_one(
        percent in 0_u64..=1_000_000,
        customer in parts(),
        curated in prop::collection::vec(parts(), 4),
        categories in parts(),
    ) {
        prop_assert_eq!(Percent::sum(categories.iter().copied()), 100.0);
        let percent = Percent(percent);
        let mut shares: Vec<Share> = customer
            .iter()
            .map(|part| Percent::nested([percent, *part, Percent::HUNDRED]))
            .collect();
        // The last of the four categories stands for all parts beyond it.
        for (position, part) in categories.iter().enumerate() {
            for corpus in &curated[position.min(3)] {
                shares.push(Percent::nested([percent.remainder(), *part, *corpus]));
            }
        }
        prop_assert!(Share::sum_is_one(shares.iter().copied()));
        shares.push(Share::new(1, 1_000_000_007).unwrap());
        prop_assert!(!Share::sum_is_one(shares));
    }

    #[test]
    fn shares_read_back(numerator in 0_u64..1 << 40, rest in 1_u64..1 << 40) {
        let share = Share::new(numerator, numerator + rest).unwrap();
        prop_assert_eq!(share.to_string().parse::<Share>(), Ok(share));
    }
}
