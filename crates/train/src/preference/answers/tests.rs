use std::fs;

use proptest::prelude::*;
use serde::Deserialize;
use temper_recipe::PreferenceLoss;

use super::*;

#[derive(Deserialize)]
struct Fixture {
    labels: Vec<bool>,
    policy: Vec<f64>,
    reference: Vec<f64>,
    reference_mismatched: Vec<f64>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    beta: f64,
    desirable_weight: f64,
    undesirable_weight: f64,
    policy_mismatched: Vec<f64>,
    kl: f64,
    loss: f64,
    gradients: Vec<f64>,
}

fn preference(beta: f64, desirable: f64, undesirable: f64) -> Preference {
    let weights = Some(AnswerWeights { desirable, undesirable });
    Preference { loss: PreferenceLoss::Kto, beta, label_smoothing: 0.0, weights }
}

/// `scripts/kto_fixtures.py` had TRL compute the fixture.
#[test]
fn losses_and_gradients_are_those_of_trl() {
    let text = fs::read_to_string("../../tests/fixtures/preference/kto.json").unwrap();
    let fixture: Fixture = serde_json::from_str(&text).unwrap();
    assert!(fixture.cases.len() >= 4);
    let n = fixture.labels.len() as f64;
    for case in fixture.cases {
        let preference = preference(case.beta, case.desirable_weight, case.undesirable_weight);
        let mismatched = fixture.reference_mismatched.iter().copied();
        let divergence = Divergence::new(case.policy_mismatched.into_iter(), mismatched);
        assert!((divergence.estimate - case.kl).abs() < 1e-9, "{}", case.kl);
        let answers: Vec<AnswerLoss> = (0..fixture.labels.len())
            .map(|at| {
                let judged = Judged { label: fixture.labels[at], reference: fixture.reference[at] };
                AnswerLoss::new(&preference, judged, fixture.policy[at], divergence.estimate)
            })
            .collect();
        let found = answers.iter().map(|answer| answer.loss).sum::<f64>() / n;
        assert!(
            (found - case.loss).abs() < 1e-9,
            "{preference:?}: {found}, expected {}",
            case.loss
        );
        for (answer, expected) in answers.iter().zip(case.gradients) {
            let found = answer.gradient / n;
            assert!(
                (found - expected).abs() < 1e-9,
                "{preference:?}: {found}, expected {expected}"
            );
        }
    }
}

proptest! {
    #[test]
    fn gradients_equal_finite_differences(
        beta in 0.05..3.0_f64,
        weights in prop::array::uniform2(0.1..3.0_f64),
        label in any::<bool>(),
        (policy, reference) in (-60.0..0.0_f64, -60.0..0.0_f64),
        divergence in 0.0..5.0_f64,
    ) {
        let preference = preference(beta, weights[0], weights[1]);
        let at = |policy| {
            AnswerLoss::new(&preference, Judged { label, reference }, policy, divergence)
        };
        let found = at(policy).gradient;
        let expected = (at(policy + 1e-4).loss - at(policy - 1e-4).loss) / 2e-4;
        prop_assert!((found - expected).abs() < 1e-5, "{found}, expected {expected}");
        // What was liked is made likelier, what was not less likely.
        let is_right = if label { found <= 0.0 } else { found >= 0.0 };
        prop_assert!(is_right, "{found}");
    }

    /// However sure a model is, the loss is a number between 0 and its weight.
    #[test]
    fn no_ratio_is_too_large(policy in -1e9..1e9_f64, label in any::<bool>()) {
        let judged = Judged { label, reference: 0.0 };
        let found = AnswerLoss::new(&preference(1.0, 1.0, 1.0), judged, policy, 0.0);
        prop_assert!((0.0..=1.0).contains(&found.loss) && found.gradient.is_finite());
    }
}

#[test]
fn the_divergence_is_never_below_zero_and_no_number_stays_none() {
    let check = |policy: &[f64], expected: f64| {
        let reference = [-1.0, -2.0].into_iter();
        let found = Divergence::new(policy.iter().copied(), reference).estimate;
        assert!(found == expected || found.is_nan() && expected.is_nan(), "{found}");
    };
    check(&[0.0, -2.0], 0.5);
    check(&[-3.0, -2.0], 0.0);
    check(&[f64::NAN, -2.0], f64::NAN);
    check(&[], 0.0);
}

/// A row of two answers and a row of one: answers get their gradient, questions and padding none.
#[test]
fn a_lane_spreads_gradients_over_answers() {
    let mask = [0, 1, 0, 1, 1, 0, 0, 1, 0, 0];
    let rows = PackedRows {
        loss_mask: mask.iter().map(|carries| *carries == 1).collect(),
        segments: vec![vec![2, 3], vec![3]],
        ..PackedRows::empty(2, 5)
    };
    let losses: Vec<f32> = mask.iter().map(|carries| *carries as f32).collect();
    let judged = |label, reference| Judged { label, reference };
    // As the reference sees it, so that σ is one half everywhere.
    let judged = vec![vec![judged(true, -1.0), judged(false, -2.0), judged(true, -1.0)]];
    let preference = preference(1.0, 1.0, 2.0);
    let divergence = Divergence::default();
    let step = StepAnswers { preference: &preference, n_answers: 5, judged, divergence };
    let gradient = step.gradient(0, &rows, &losses);
    let (up, down) = (0.05, -0.1);
    assert_eq!(gradient, [0.0, up, 0.0, down, down, 0.0, 0.0, up, 0.0, 0.0]);
}
