use std::fs;

use proptest::prelude::*;
use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Fixture {
    lengths: Vec<[usize; 2]>,
    policy: Vec<LogProbs>,
    reference: Vec<LogProbs>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    loss_type: String,
    beta: f64,
    loss: f64,
    gradients: Vec<[f64; 2]>,
}

fn loss_named(name: &str) -> PreferenceLoss {
    match name {
        "sigmoid" => PreferenceLoss::Sigmoid,
        "sigmoid_norm" => PreferenceLoss::SigmoidNorm,
        "ipo" => PreferenceLoss::Ipo,
        other => panic!("no loss of the name {other}"),
    }
}

/// `scripts/preference_fixtures.py` had TRL compute the fixture.
#[test]
fn losses_and_gradients_are_those_of_trl() {
    let text = fs::read_to_string("../../tests/fixtures/preference/trl.json").unwrap();
    let Fixture { lengths, policy, reference, cases } = serde_json::from_str(&text).unwrap();
    assert!(cases.len() >= 5);
    let n = lengths.len() as f64;
    for Case { loss_type, beta, loss, gradients } in cases {
        let preference =
            Preference { loss: loss_named(&loss_type), beta, label_smoothing: 0.0, weights: None };
        let pairs: Vec<PairLoss> = (0..lengths.len())
            .map(|at| PairLoss::new(&preference, policy[at], reference[at], lengths[at]))
            .collect();
        let found = pairs.iter().map(|pair| pair.loss).sum::<f64>() / n;
        assert!((found - loss).abs() < 1e-9, "{loss_type} {beta}: {found}, expected {loss}");
        for (pair, expected) in pairs.iter().zip(gradients) {
            for (found, expected) in pair.gradient.iter().zip(expected) {
                let apart = (found / n - expected).abs();
                assert!(apart < 1e-9, "{loss_type} {beta}: {}, expected {expected}", found / n);
            }
        }
    }
}

fn preference() -> impl Strategy<Value = Preference> {
    let losses = [PreferenceLoss::Sigmoid, PreferenceLoss::SigmoidNorm, PreferenceLoss::Ipo];
    (prop::sample::select(losses.to_vec()), 0.05..3.0, 0.0..0.4).prop_map(
        |(loss, beta, smoothing)| {
            let label_smoothing = if loss == PreferenceLoss::Ipo { 0.0 } else { smoothing };
            Preference { loss, beta, label_smoothing, weights: None }
        },
    )
}

proptest! {
    #[test]
    fn gradients_equal_finite_differences(
        preference in preference(),
        policy in prop::array::uniform2(-60.0..0.0),
        reference in prop::array::uniform2(-60.0..0.0),
        lengths in prop::array::uniform2(1..20_usize),
    ) {
        let at = |policy| PairLoss::new(&preference, policy, reference, lengths);
        let found = at(policy);
        for half in 0..2 {
            let moved = |by: f64| {
                let mut policy = policy;
                policy[half] += by;
                at(policy).loss
            };
            let expected = (moved(1e-4) - moved(-1e-4)) / 2e-4;
            let apart = (found.gradient[half] - expected).abs();
            prop_assert!(apart < 1e-5 * (1.0 + expected.abs()), "{found:?}, expected {expected}");
        }
        prop_assert!(found.loss >= 0.0);
    }

    /// However sure a model is, the loss is a number.
    #[test]
    fn no_margin_is_too_large(apart in -1e9..1e9_f64) {
        let preference = Preference { loss: PreferenceLoss::Sigmoid, beta: 1.0, label_smoothing: 0.1, weights: None };
        let found = PairLoss::new(&preference, [apart, 0.0], [0.0, 0.0], [1, 1]);
        prop_assert!(found.loss.is_finite() && found.gradient[0].is_finite());
    }
}

#[test]
fn what_is_preferred_as_before_has_no_margin() {
    let preference = Preference {
        loss: PreferenceLoss::Sigmoid,
        beta: 0.1,
        label_smoothing: 0.0,
        weights: None,
    };
    let found = PairLoss::new(&preference, [-5.0, -9.0], [-5.0, -9.0], [3, 4]);
    assert_eq!((found.loss, found.margin), (std::f64::consts::LN_2, 0.0));
    assert_eq!(found.gradient, [-0.05, 0.05]);
}

/// A row of two pairs and a row of one: answers get their gradient, questions and padding none.
#[test]
fn a_lane_spreads_gradients_over_answers() {
    let mask = [0, 1, 0, 1, 1, 0, 0, 1, 0, 0, 1, 0, 0, 0];
    let rows = PackedRows {
        loss_mask: mask.iter().map(|carries| *carries == 1).collect(),
        segments: vec![vec![2, 3, 1, 1], vec![1, 3]],
        ..PackedRows::empty(2, 7)
    };
    // The segments of row 0: [0, 2), [2, 5), [5, 6), [6, 7); of row 1: [7, 8), [8, 11).
    let found: Vec<_> = places::<2>(&rows).collect();
    assert_eq!(found, [[0..2, 2..5], [5..6, 6..7], [7..8, 8..11]]);
    let losses: Vec<f32> = mask.iter().map(|carries| *carries as f32).collect();
    assert_eq!(log_probs::<2>(&rows, &losses), [[-1.0, -2.0], [0.0, 0.0], [-1.0, -1.0]]);

    let preference = Preference {
        loss: PreferenceLoss::Sigmoid,
        beta: 1.0,
        label_smoothing: 0.0,
        weights: None,
    };
    // As the reference sees it, so that σ is one half everywhere.
    let reference = vec![vec![[-1.0, -2.0], [0.0, 0.0], [-1.0, -1.0]]];
    let step = StepPairs { preference: &preference, n_pairs: 4, reference };
    let gradient = step.gradient(0, &rows, &losses);
    let (up, down) = (0.125, -0.125);
    assert_eq!(gradient, [0.0, up, 0.0, down, down, 0.0, 0.0, up, 0.0, 0.0, down, 0.0, 0.0, 0.0]);
}
