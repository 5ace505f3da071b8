use proptest::prelude::*;

use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn rounded_parts_sum_to_one_and_none_is_lost(
        parts in proptest::collection::vec(prop_oneof![Just(0.0), 1e-12..1e12f64], 1..200),
    ) {
        prop_assume!(parts.iter().any(|part| *part > 0.0));
        let shares = rounded(&parts);
        let whole: f64 = parts.iter().sum();
        let counts = shares.iter().map(|share| share.numerator() * (PARTS / share.denominator()));
        prop_assert_eq!(counts.sum::<u64>(), PARTS);
        for (share, part) in shares.iter().zip(&parts) {
            prop_assert_eq!(share.is_zero(), *part == 0.0);
            prop_assert!((share.as_f64() - part / whole).abs() < 1e-6);
        }
    }

    #[test]
    fn a_cap_is_kept_and_nothing_is_lost(
        parts in proptest::collection::vec(1e-6..1e6f64, 1..20),
        cap in 0.01..1.0f64,
    ) {
        let kept = cap.max(1.0 / parts.len() as f64);
        let after = capped(parts.clone(), cap);
        prop_assert!((after.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        prop_assert!(after.iter().all(|part| *part <= kept + 1e-9));
        // Whoever had more still has no less.
        for (a, b) in parts.iter().zip(&after) {
            for (c, d) in parts.iter().zip(&after) {
                prop_assert!(a < c || b + 1e-12 >= *d);
            }
        }
    }
}
