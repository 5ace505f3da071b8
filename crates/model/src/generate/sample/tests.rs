use std::collections::BTreeSet;

use proptest::prelude::*;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

use super::{Choice, Sampling, choose, filter};

/// Probabilities 0.06, 0.40, 0.15, 0.40.
const LOGITS: [f32; 4] = [0.0, 2.0, 1.0, 2.0];

fn pick(logits: &[f32], sampling: &Sampling, seen: &[u32], seed: u64) -> Choice {
    let seen: BTreeSet<u32> = seen.iter().copied().collect();
    choose(logits, sampling, &seen, &mut ChaCha8Rng::seed_from_u64(seed))
}

#[track_caller]
fn check_kept(sampling: Sampling, expected: &[u32]) {
    let scores = LOGITS.map(f64::from);
    let mut kept: Vec<u32> = filter(&scores, &sampling).into_iter().map(|(id, _)| id).collect();
    kept.sort();
    assert_eq!(kept, expected, "{sampling:?}");
    for seed in 0..50 {
        assert!(expected.contains(&pick(&LOGITS, &sampling, &[], seed).id));
    }
}

#[test]
fn filters_keep_the_likeliest() {
    let all = Sampling::default;
    check_kept(all(), &[0, 1, 2, 3]);
    check_kept(Sampling { top_k: 1, ..all() }, &[1]);
    check_kept(Sampling { top_k: 2, ..all() }, &[1, 3]);
    check_kept(Sampling { top_k: 9, ..all() }, &[0, 1, 2, 3]);
    check_kept(Sampling { top_p: 0.3, ..all() }, &[1]);
    check_kept(Sampling { top_p: 0.7, ..all() }, &[1, 3]);
    check_kept(Sampling { top_p: 0.9, ..all() }, &[1, 2, 3]);
    check_kept(Sampling { min_p: 0.2, ..all() }, &[1, 2, 3]);
    check_kept(Sampling { min_p: 1.0, ..all() }, &[1, 3]);
    // Half the temperature makes e^2 of each e: 2 is now 0.14 as likely as 1.
    check_kept(Sampling { temperature: 0.5, min_p: 0.2, ..all() }, &[1, 3]);
    check_kept(Sampling { top_k: 3, top_p: 0.7, ..all() }, &[1, 3]);
}

#[test]
fn greedy_takes_the_lower_id_of_a_tie() {
    let choice = pick(&LOGITS, &Sampling::greedy(), &[], 0);
    assert_eq!((choice.id, choice.sampled), (1, 0.0));
    assert!((choice.model - 0.4_f32.ln()).abs() < 0.02, "{choice:?}");
}

#[test]
fn the_penalty_makes_seen_tokens_less_likely() {
    let sampling = Sampling { repetition_penalty: 3.0, ..Sampling::greedy() };
    assert_eq!(pick(&LOGITS, &sampling, &[1], 0).id, 3);
    assert_eq!(pick(&LOGITS, &sampling, &[1, 3], 0).id, 2);
    assert_eq!(pick(&[-1.0, -2.0], &sampling, &[0], 0).id, 1);
}

#[test]
fn frequencies_follow_the_probabilities() {
    let sampling = Sampling { top_k: 3, ..Sampling::default() };
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut counts = [0; 4];
    for _ in 0..4000 {
        counts[choose(&LOGITS, &sampling, &BTreeSet::new(), &mut rng).id as usize] += 1;
    }
    let share = |id: usize| f64::from(counts[id]) / 4000.0;
    // e² / (2e² + e) and e / (2e² + e).
    assert_eq!(counts[0], 0);
    assert!((share(1) - 0.422).abs() < 0.03 && (share(3) - 0.422).abs() < 0.03, "{counts:?}");
    assert!((share(2) - 0.155).abs() < 0.03, "{counts:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_choice_has_the_probability_it_says(
        logits in prop::collection::vec(-20.0_f32..20.0, 1..40),
        temperature in 0.1_f64..3.0, top_k in 0_usize..50, top_p in 0.01_f64..1.2, min_p in 0.0_f64..1.0,
        seed in any::<u64>(),
    ) {
        let sampling = Sampling { temperature, top_k, top_p, min_p, repetition_penalty: 1.0 };
        let choice = pick(&logits, &sampling, &[], seed);
        let scores: Vec<f64> = logits.iter().map(|x| f64::from(*x)).collect();
        let kept = filter(&scores, &sampling);
        let total: f64 = kept.iter().map(|(_, score)| score.exp()).sum();
        let of = kept.iter().find(|(id, _)| *id == choice.id).expect("only kept tokens are drawn");
        prop_assert!((f64::from(choice.sampled) - (of.1.exp() / total).ln()).abs() < 1e-5);
        prop_assert!(choice.model <= 1e-6);
        prop_assert!(choice.sampled <= 1e-6);
    }
}
