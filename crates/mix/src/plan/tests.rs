use std::collections::BTreeMap;

use expect_test::{Expect, expect};
use proptest::prelude::*;
use temper_recipe::{Budget, Exhausted, Moment, Packing, PhaseSpec, Share, Shares};

use super::*;
use crate::testing::{Lengths, Telling};

mod anything;
mod beside;
mod changing;
mod simulated;
mod unseen;

/// Stated shares of sources `a`, `b`, … by their weights.
fn stated(weights: &[u64]) -> BTreeMap<String, Share> {
    let whole = weights.iter().sum();
    let share = |weight: &u64| Share::new(*weight, whole).unwrap();
    weights.iter().zip('a'..).map(|(weight, name)| (name.to_string(), share(weight))).collect()
}

/// `n` sources `a`, `b`, … with stated shares.
fn spec(weights: &[u64], budget: Budget, max_epochs: u32) -> PlanSpec {
    let names = weights.iter().zip('a'..).map(|(_, name)| name.to_string());
    PlanSpec {
        whole_documents: false,
        replay: None,
        seed: 7,
        budget,
        sequence_length: 64,
        rows_per_step: 4,
        packing: Packing::BestFit,
        packing_window: 16,
        unit: Unit::Tokens,
        shares: Shares::Stated(stated(weights)),
        phases: Vec::new(),
        on_exhausted: Exhausted::Refuse,
        sources: names.map(|name| PlanSource { name, max_epochs }).collect(),
    }
}

/// Sources `a`, `b`, … with the given weights, each with documents of the given lengths.
fn plan(
    weights: &[u64],
    lengths: &[usize],
    budget: Budget,
    max_epochs: u32,
) -> Result<Plan, Error> {
    let tokens = weights.iter().map(|_| Arc::new(Lengths::new(lengths)) as _).collect();
    Plan::new(spec(weights, budget, max_epochs), tokens)
}

fn steps(plan: &Plan, cursor: &Cursor) -> Vec<crate::PlannedStep> {
    plan.walk(cursor).unwrap().collect()
}

#[track_caller]
fn check_refused(weights: &[u64], lengths: &[usize], budget: Budget, expected: Expect) {
    expected.assert_eq(&plan(weights, lengths, budget, 2).unwrap_err().to_string());
}

#[test]
fn infeasible_plans_are_refused_with_the_ways_out() {
    check_refused(
        &[3, 1],
        &[11; 10],
        Budget::Tokens(400),
        expect![[r#"
            plan: `a` cannot supply its share: needed 300 tokens, available 200 (100 × max_epochs 2)

            hint: raise `max_epochs` to 3, lower the budget to 266 tokens, or give `a` a smaller percent"#]],
    );
    check_refused(
        &[1],
        &[1, 0, 1],
        Budget::Steps(1),
        expect![[r#"
            plan: source `a` has no token to predict in 3 documents; expected at least one document of two tokens

            hint: check the corpus, or leave it out of the mix"#]],
    );
}

#[test]
fn a_source_of_which_nothing_fits_a_row_is_refused_for_that() {
    let check = |lengths: &[usize], expected: &str| {
        let whole = PlanSpec { whole_documents: true, ..spec(&[1], Budget::Steps(1), 1) };
        let refused = Plan::new(whole, vec![Arc::new(Lengths::new(lengths))]).unwrap_err();
        let refused = refused.to_string();
        assert!(refused.starts_with(&format!("plan: source `a`: {expected}\n")), "{refused}");
        assert!(refused.contains("hint: raise `training.sequence_length`"), "{refused}");
    };
    check(&[66; 5], "all 5 documents are longer than a row of 64 positions");
    check(&[66], "its only document is longer than a row of 64 positions");
    check(
        &[66, 1, 0],
        "1 of 3 documents is longer than a row of 64 positions, the others have no token to predict",
    );
    // What is replayed has rows of its own, of 32 positions: the last document, number 39, carries loss from
    // id 41 on, which is not too late for a row of the mix.
    let lengths = [[1; 39].as_slice(), &[66]].concat();
    let replayed = Telling::new(0..100, &lengths).with_turns(Some(40));
    let tokens: [Arc<dyn TokenSource + Send>; 2] =
        [Arc::new(Lengths::new(&[11; 30])), Arc::new(replayed)];
    let spec = beside::spec_beside(&[1], &[1], 4, 1);
    expect![[r#"
        plan: source `ra`: 1 of 40 documents is longer than a row of 32 positions, the others have no token to predict

        hint: raise `training.sequence_length`, or `replay.sequence_length` for what is replayed; prompts leave room for `rl.max_new_tokens`"#]]
    .assert_eq(&Plan::new(spec, tokens.to_vec()).unwrap_err().to_string());
}

#[test]
fn steps_are_counted_in_rows_as_they_are() {
    // Rows hold 55 or 60 of 64 positions, so 1,100 positions last for 20 rows, and not for 17.
    let lengths = [[6; 11].as_slice(), &[56; 9]].concat();
    assert_eq!(plan(&[1], &lengths, Budget::Steps(5), 2).unwrap().forecast().unwrap().rows, 20);
    check_refused(
        &[1],
        &lengths,
        Budget::Steps(6),
        expect![[r#"
            plan: `a` cannot supply its share: needed 1320 tokens, available 1100 (550 × max_epochs 2)

            hint: raise `max_epochs` to 3, lower the budget to 1100 tokens, or give `a` a smaller percent"#]],
    );
    check_refused(
        &[3, 1],
        &[11; 10],
        Budget::Steps(u64::MAX),
        expect![[r#"
            plan: `a` cannot supply its share: needed 13835058055282163712 tokens, available 200 (100 × max_epochs 2)
            plan: `b` cannot supply its share: needed 4611686018427387904 tokens, available 200 (100 × max_epochs 2)

            hint: lower the budget to 266 tokens, or give `a` and `b` a smaller percent"#]],
    );
}

#[test]
fn a_share_that_rounds_to_nothing_is_refused() {
    check_refused(
        &[999, 1],
        &[11; 100],
        Budget::Tokens(600),
        expect![[r#"
            plan: `b` gets no row: its share of 640 tokens is 0.6, expected enough for a row of 64

            hint: raise the budget to 64001 tokens, give `b` a larger percent, or leave `b` out of the mix"#]],
    );
    check_refused(
        &[1, 1],
        &[11; 100],
        Budget::Tokens(0),
        expect![[r#"
            plan: `a` gets no row: its share of 0 tokens is 0.0, expected enough for a row of 64
            plan: `b` gets no row: its share of 0 tokens is 0.0, expected enough for a row of 64

            hint: raise the budget to 129 tokens"#]],
    );
    check_refused(
        &[1, 1, 1],
        &[11; 100],
        Budget::Epochs(0.01),
        expect![[r#"
            plan: `b` gets no row: its share of 60 tokens is 20.0, expected enough for a row of 64
            plan: `c` gets no row: its share of 60 tokens is 20.0, expected enough for a row of 64

            hint: raise the budget to 193 tokens, give `b` and `c` a larger percent, or leave `b` and `c` out of the mix"#]],
    );
    // The budget of the hint is enough.
    let forecast =
        plan(&[999, 1], &[11; 40_000], Budget::Tokens(64_001), 2).unwrap().forecast().unwrap();
    assert!(forecast.sources[1].rows > 0, "{forecast:?}");
}

#[test]
fn epochs_count_the_source_that_is_used_up_first() {
    let plan = plan(&[3, 1], &[11; 30], Budget::Epochs(2.0), 2).unwrap();
    let forecast = plan.forecast().unwrap();
    assert!((800..864).contains(&forecast.tokens), "{forecast:?}");
    assert!((forecast.sources[0].epochs - 2.0).abs() < 0.11, "{forecast:?}");
}

#[test]
fn a_foreign_cursor_is_refused() {
    let plan = plan(&[1, 1], &[11; 30], Budget::Steps(2), 2).unwrap();
    assert!(matches!(plan.walk(&Cursor::start(3)), Err(Error::ForeignCursor { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_cursor_continues_the_walk(
        weights in proptest::collection::vec(1..50u64, 1..5),
        lengths in proptest::collection::vec(2..200usize, 20..80),
        budget in 200..2000u64,
    ) {
        let Ok(plan) = plan(&weights, &lengths, Budget::Tokens(budget), 3) else { return Ok(()) };
        let whole = steps(&plan, plan.start());
        for (i, step) in whole.iter().enumerate() {
            prop_assert_eq!(&steps(&plan, &step.next), &whole[i + 1..]);
        }
        let tokens: u64 = whole.iter().map(crate::PlannedStep::tokens).sum();
        prop_assert!(budget <= tokens && tokens < budget + 64);
        let forecast = plan.forecast().unwrap();
        prop_assert_eq!((forecast.tokens, forecast.steps), (tokens, whole.len() as u64));
        prop_assert!(forecast.sources.iter().all(|source| source.largest_deviation <= 64.0));
    }

    #[test]
    fn a_number_of_steps_is_kept_or_refused(
        weights in proptest::collection::vec(1..50u64, 1..5),
        lengths in proptest::collection::vec(2..200usize, 5..40),
        n_steps in 1..60u64,
    ) {
        match plan(&weights, &lengths, Budget::Steps(n_steps), 2) {
            Ok(plan) => {
                let whole = steps(&plan, plan.start());
                prop_assert_eq!(whole.len() as u64, n_steps);
                prop_assert!(whole.iter().all(|step| step.rows.len() == 4));
                let forecast = plan.forecast().unwrap();
                for source in &forecast.sources {
                    prop_assert!(source.rows > 0 && source.largest_deviation <= 64.0);
                }
            }
            Err(Error::TooFewTokens { shortages }) => prop_assert!(!shortages.is_empty()),
            Err(error) => prop_assert!(matches!(error, Error::NeverDrawn { .. }), "{}", error),
        }
    }

    #[test]
    fn a_position_comes_once_an_epoch(
        lengths in proptest::collection::vec(2..200usize, 5..60),
        epochs in 1..4u32,
    ) {
        let plan = plan(&[1], &lengths, Budget::Epochs(f64::from(epochs)), epochs).unwrap();
        let mut seen = BTreeMap::new();
        for row in steps(&plan, plan.start()).into_iter().flat_map(|step| step.rows) {
            for segment in row.segments {
                for position in segment.start..segment.start + segment.len {
                    *seen.entry((row.epoch, segment.document, position)).or_insert(0) += 1;
                }
            }
        }
        prop_assert!(seen.values().all(|count| *count == 1));
        prop_assert_eq!(seen.len() as u64, plan.available(0) * u64::from(epochs));
    }
}

#[test]
fn the_order_of_a_source_does_not_depend_on_its_place() {
    let order = |weights: &[u64], source: usize| -> Vec<_> {
        let plan = plan(weights, &[40; 60], Budget::Steps(6), 4).unwrap();
        let rows = steps(&plan, plan.start()).into_iter().flat_map(|step| step.rows);
        rows.filter(|row| row.source == source).map(|row| row.segments).take(5).collect()
    };
    assert_eq!(order(&[1, 1], 1), order(&[1, 3], 1));
    assert_ne!(order(&[1, 1], 0), order(&[1, 1], 1));
}

#[test]
fn a_step_is_reached_without_its_cursor() {
    let plan =
        plan(&[3, 1], &[[9; 70].as_slice(), &[130; 9]].concat(), Budget::Epochs(2.5), 4).unwrap();
    let all = steps(&plan, plan.start());
    for step in [0, 1, 7, all.len() - 1, all.len()] {
        let rest: Vec<_> = plan.walk_to(plan.start(), step as u64).unwrap().collect();
        assert_eq!(rest, all[step..], "step {step}");
    }
}
