use proptest::prelude::*;

use super::{dot, exp, exp_in_place, exp_sum, max, sigmoid, tanh, vectorized};

#[test]
fn exp_is_exact_to_two_units_in_the_last_place() {
    for step in -87_000..=88_200 {
        let x = step as f32 / 1000.0;
        let expected = f64::from(x).exp();
        let error = (f64::from(exp(x)) - expected).abs() / expected;
        assert!(error < 2.5e-7, "exp({x}) is {}, expected {expected}", exp(x));
    }
}

#[test]
fn exp_has_the_right_ends() {
    assert_eq!([exp(0.0), exp(-88.0), exp(-1e30), exp(f32::NEG_INFINITY)], [1.0, 0.0, 0.0, 0.0]);
    assert_eq!([exp(88.4), exp(f32::INFINITY)], [f32::INFINITY; 2]);
    assert!(exp(f32::NAN).is_nan());
}

#[test]
fn sigmoid_saturates() {
    assert_eq!([sigmoid(0.0), sigmoid(200.0), sigmoid(-200.0)], [0.5, 1.0, 0.0]);
}

#[test]
fn tanh_equals_that_of_the_library() {
    for step in -20_000..=20_000 {
        let x = step as f32 / 1000.0;
        assert!((tanh(x) - x.tanh()).abs() < 2e-7, "tanh({x}) is {}", tanh(x));
    }
    assert_eq!([tanh(0.0), tanh(1e30), tanh(-1e30)], [0.0, 1.0, -1.0]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn reductions_equal_plain_loops(values in prop::collection::vec(-4.0_f32..4.0, 0..200)) {
        let expected: f64 = values.iter().map(|x| f64::from(*x).powi(2)).sum();
        prop_assert!((f64::from(dot(&values, &values)) - expected).abs() < 1e-3);
        prop_assert_eq!(max(&values), values.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        let expected: f64 = values.iter().map(|x| (f64::from(*x) - 1.0).exp()).sum();
        prop_assert!((f64::from(exp_sum(&values, 1.0)) - expected).abs() <= 1e-5 * expected);
        // The same order of additions, in place or not and whatever the instruction set.
        let mut replaced = values.clone();
        prop_assert_eq!(exp_in_place(&mut replaced, 1.0), exp_sum(&values, 1.0));
        prop_assert_eq!(vectorized(|| exp_sum(&values, 1.0)), exp_sum(&values, 1.0));
        prop_assert!(replaced.iter().zip(&values).all(|(new, old)| *new == exp(old - 1.0)));
    }
}
