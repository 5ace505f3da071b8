//! What is drawn beside a mix, against a plan of its own.

use super::*;
use crate::PlannedStep;

/// A mix of rows of 64 positions with another beside it, of rows of 32.
pub(super) fn spec_beside(own: &[u64], beside: &[u64], rows: usize, steps: u64) -> PlanSpec {
    let mut replay = PlanSpec {
        sequence_length: 32,
        rows_per_step: rows,
        ..spec(beside, Budget::Steps(steps), 1000)
    };
    for source in &mut replay.sources {
        source.name.insert(0, 'r');
    }
    let shares = stated(beside).into_iter().map(|(name, share)| (format!("r{name}"), share));
    replay.shares = Shares::Stated(shares.collect());
    PlanSpec { replay: Some(Box::new(replay)), ..spec(own, Budget::Steps(steps), 1000) }
}

fn sources(n: usize, lengths: &[usize]) -> Vec<Arc<dyn TokenSource + Send>> {
    (0..n).map(|_| Arc::new(Lengths::new(lengths)) as _).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn both_are_as_they_would_be_alone(
        own in prop::collection::vec(1_u64..5, 1..4),
        beside in prop::collection::vec(1_u64..5, 1..4),
        lengths in prop::collection::vec(2_usize..90, 5..30),
        rows in 1_usize..7,
        n_steps in 6_u64..12,
        rows_per_lane in 1_usize..5,
        cut in 0_usize..6,
    ) {
        let spec = spec_beside(&own, &beside, rows, n_steps);
        let (n_own, n_beside) = (own.len(), beside.len());
        let alone = PlanSpec { replay: None, ..spec.clone() };
        let Ok(alone) = Plan::new(alone, sources(n_own, &lengths)) else { return Ok(()) };
        let replay = *spec.replay.clone().unwrap();
        let Ok(replay) = Plan::new(replay, sources(n_beside, &lengths)) else { return Ok(()) };
        let plan = Plan::new(spec, sources(n_own + n_beside, &lengths)).unwrap();
        let of = |plan: &Plan| steps(plan, plan.start());
        let (both, alone, replay) = (of(&plan), of(&alone), of(&replay));
        prop_assert_eq!((both.len(), both.len()), (alone.len(), replay.len()));
        for ((step, alone), replay) in both.iter().zip(alone).zip(replay) {
            prop_assert_eq!(step.own_rows(), &alone.rows);
            let replayed = step.replayed_rows().to_vec();
            let expected = replay.rows.into_iter().map(|row| crate::PlannedRow {
                source: n_own + row.source,
                ..row
            });
            prop_assert_eq!(replayed, expected.collect::<Vec<_>>());
            // Lanes hold rows of one length, and each row lies where it is said to.
            let lanes = plan.lanes(step, rows_per_lane);
            let mut counted = vec![0; lanes.len()];
            for (number, row) in step.rows.iter().enumerate() {
                let lane = step.lane_of(number, rows_per_lane);
                counted[lane] += 1;
                prop_assert_eq!(lanes[lane].length, plan.row_length(row.source));
            }
            prop_assert_eq!(counted, lanes.iter().map(|lane| lane.n_rows).collect::<Vec<_>>());
        }
        // From any cursor, as a checkpoint keeps it, and by counting, the rest is the same.
        let text = serde_json::to_string(&both[cut.min(both.len() - 2)].next).unwrap();
        let cursor: Cursor = serde_json::from_str(&text).unwrap();
        let rest = &both[cursor.step as usize..];
        prop_assert_eq!(&steps(&plan, &cursor), rest);
        let counted: Vec<PlannedStep> =
            plan.walk_to(plan.start(), cursor.step).unwrap().collect();
        prop_assert_eq!(&counted, rest);
        // What is foretold is what is drawn.
        let forecast = plan.forecast().unwrap();
        prop_assert_eq!(forecast.tokens, both.iter().map(PlannedStep::tokens).sum::<u64>());
        prop_assert_eq!(forecast.tokens, both.last().unwrap().next.tokens());
        for part in [&forecast.sources[..n_own], &forecast.sources[n_own..]] {
            let whole: f64 = part.iter().map(|source| source.realised).sum();
            prop_assert!((whole - 1.0).abs() < 1e-9, "{}", whole);
        }
    }
}

#[test]
fn cursors_without_it_are_foreign() {
    let spec = spec_beside(&[1], &[1, 1], 2, 5);
    let plan = Plan::new(spec.clone(), sources(3, &[20; 9])).unwrap();
    let bare = Cursor { replay: None, ..plan.start().clone() };
    let expected = expect!["plan: the cursor stands in 1 sources, the recipe has 3"];
    let found = plan.walk(&bare).unwrap_err().to_string();
    expected.assert_eq(found.lines().next().unwrap());
    let later = Cursor { step: 2, ..bare };
    let found = Plan::continued(spec, sources(3, &[20; 9]), later).unwrap_err().to_string();
    assert!(found.contains("stands in 1 sources, the recipe has 3"), "{found}");
}

#[test]
fn what_cannot_be_replayed_for_so_long_is_refused() {
    let mut spec = spec_beside(&[1], &[1], 4, 5);
    spec.replay.as_mut().unwrap().sources[0].max_epochs = 1;
    let found = Plan::new(spec, sources(2, &[20; 9])).unwrap_err().to_string();
    assert!(found.contains("`ra` cannot supply its share"), "{found}");
}
