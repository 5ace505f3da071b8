use std::fs;
use std::ops::Range;

use burn::tensor::Device;
use proptest::prelude::*;
use serde::Deserialize;
use temper_recipe::{Reward, VerifierName, VerifierReward};

use super::*;

fn rl(normalisation: Normalisation, clip: [f64; 2], kl: f64, max_new_tokens: usize) -> Rl {
    let exact =
        VerifierReward { verifier: VerifierName::Exact, weight: 1.0, pattern: None, schema: None };
    Rl {
        group_size: 4,
        max_new_tokens,
        temperature: 1.0,
        normalisation,
        clip,
        kl,
        updates_per_rollout: 2,
        max_drift: None,
        refill: 0,
        mask_truncated: false,
        rewards: vec![Reward::Verifier(exact)],
        environment: None,
    }
}

#[derive(Deserialize)]
struct Fixture {
    max_new_tokens: usize,
    advantages: Vec<f64>,
    now: Vec<Vec<f64>>,
    old: Vec<Vec<f64>>,
    reference: Vec<Vec<f64>>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    normalisation: Normalisation,
    kl: f64,
    clip: [f64; 2],
    loss: f64,
    gradients: Vec<Vec<f64>>,
}

/// `scripts/rl_fixtures.py` had TRL compute the fixture, in double precision; what is handed over here are
/// losses in single precision.
#[test]
fn losses_and_gradients_are_those_of_trl() {
    let text = fs::read_to_string("../../tests/fixtures/rl/trl.json").unwrap();
    let fixture: Fixture = serde_json::from_str(&text).unwrap();
    assert!(fixture.cases.len() >= 6);
    for case in fixture.cases {
        let rl = rl(case.normalisation, case.clip, case.kl, fixture.max_new_tokens);
        let learned = fixture.now.iter().enumerate().map(|(row, now)| Learned {
            advantage: fixture.advantages[row],
            positions: (0..now.len()).into(),
            old: Some(fixture.old[row].clone()),
            reference: (case.kl > 0.0).then(|| fixture.reference[row].clone()),
        });
        let n_tokens = fixture.now.iter().map(Vec::len).sum();
        let n_completions = fixture.now.len();
        let lanes = vec![learned.collect()];
        let objective = Objective { rl: &rl, lanes, n_completions, n_tokens };
        let mut loss = 0.0;
        for (row, now) in fixture.now.iter().enumerate() {
            let losses: Vec<f32> = now.iter().map(|now| -*now as f32).collect();
            let found = objective.loss(&objective.lanes[0][row], &losses);
            loss += found.loss;
            for (found, expected) in found.gradient.iter().zip(&case.gradients[row]) {
                let apart = (found - expected).abs();
                assert!(apart < 1e-6, "{:?}: {found}, expected {expected}", case.normalisation);
            }
        }
        let apart = (loss - case.loss).abs();
        assert!(apart < 1e-6, "{:?}: {loss}, expected {}", case.normalisation, case.loss);
    }
}

proptest! {
    #[test]
    fn gradients_equal_finite_differences(
        normalisation in prop::sample::select(vec![
            Normalisation::Grpo, Normalisation::Dapo, Normalisation::DrGrpo, Normalisation::Rloo,
        ]),
        now in prop::collection::vec(-3.0..-0.1_f64, 1..6),
        apart in prop::collection::vec(-0.5..0.5_f64, 6),
        advantage in prop::sample::select(vec![-1.5, 0.7]),
        kl in prop::sample::select(vec![0.0, 0.3]),
    ) {
        let rl = rl(normalisation, [0.2, 0.28], kl, 7);
        let old: Vec<f64> = now.iter().zip(&apart).map(|(now, apart)| now + apart).collect();
        let reference = Some(old.iter().map(|old| old - 0.1).collect()).filter(|_| kl > 0.0);
        let positions = (1..1 + now.len()).into();
        let learned = Learned { advantage, positions, old: Some(old), reference };
        let objective = Objective {
            rl: &rl, lanes: vec![vec![learned.clone()]], n_completions: 3, n_tokens: 11,
        };
        let at = |now: &[f64]| {
            let mut losses = vec![9.0_f32];
            losses.extend(now.iter().map(|now| -*now as f32));
            objective.loss(&learned, &losses)
        };
        let found = at(&now);
        // At the border of the clip the loss has a corner.
        let ratios: Vec<f64> = match normalisation {
            Normalisation::Rloo => vec![-apart[..now.len()].iter().sum::<f64>()],
            Normalisation::Grpo | Normalisation::Dapo | Normalisation::DrGrpo => apart[..now.len()].iter().map(|apart| -apart).collect(),
        };
        let near = |ratio: &f64| {
            let ratio = ratio.exp();
            (ratio - 0.8).abs() < 0.03 || (ratio - 1.28).abs() < 0.03
        };
        prop_assume!(!ratios.iter().any(near));
        for token in 0..now.len() {
            let moved = |by: f64| {
                let mut now = now.clone();
                now[token] += by;
                at(&now).loss
            };
            let expected = (moved(4e-3) - moved(-4e-3)) / 8e-3;
            let apart = (found.gradient[token] - expected).abs();
            prop_assert!(apart < 2e-3 * (1.0 + expected.abs()), "{:?} {expected}", found);
        }
    }
}

/// By hand: e^a − a − 1 for each token, a being how much likelier it is now than when it was sampled.
#[test]
fn the_drift_is_a_mean_over_tokens() {
    let rl = rl(Normalisation::Dapo, [0.2, 0.2], 0.0, 8);
    let learned = |old: &[f64], positions: Range<usize>| Learned {
        advantage: 1.0,
        positions: positions.into(),
        old: Some(old.to_vec()),
        reference: None,
    };
    let lanes = vec![
        vec![learned(&[-1.0, -2.0], 1..3), learned(&[-0.5], 0..1)],
        vec![learned(&[-3.0], 2..3)],
    ];
    let objective = Objective { rl: &rl, lanes, n_completions: 3, n_tokens: 4 };
    let rows = [PackedRows::empty(2, 3), PackedRows::empty(1, 3)];
    let losses = [vec![9.0, 1.1, 1.8, 0.5, 9.0, 9.0], vec![9.0, 9.0, 2.5]];
    let k3 = |apart: f64| apart.exp() - apart - 1.0;
    let expected = (k3(-0.1) + k3(0.2) + k3(0.0) + k3(0.5)) / 4.0;
    let found = objective.drift(&rows, &losses);
    assert!((found - expected).abs() < 1e-6, "{found}, expected {expected}");
}

/// On policy, the gradient is that of the advantage alone, in the positions of the completion.
#[test]
fn a_lane_has_gradients_where_completions_stand() {
    let rl = rl(Normalisation::Dapo, [0.2, 0.2], 0.0, 8);
    let learned = |advantage, positions: Range<usize>| Learned {
        advantage,
        positions: positions.into(),
        old: None,
        reference: None,
    };
    let lanes = vec![vec![learned(1.0, 1..3), learned(-2.0, 2..3)]];
    let objective = Objective { rl: &rl, lanes, n_completions: 4, n_tokens: 10 };
    let rows = PackedRows::empty(2, 4);
    let losses = Tensor::from_data(TensorData::new(vec![0.5_f32; 8], [2, 4]), &Device::flex());
    let found = objective.gradient(0, &rows, losses).into_data().try_into_vec::<f32>().unwrap();
    // More of what was better: its loss is to fall.
    assert_eq!(found, [0.0, 0.1, 0.1, 0.0, 0.0, 0.0, -0.2, 0.0]);
}
