//! Shares that change, follow from sizes, or run dry.

use super::*;

/// The steps of a plan whose shares change, and the largest distance from the integral of the shares
/// after any row, in rows.
fn walked(spec: &PlanSpec, lengths: &[&[usize]]) -> (Plan, Vec<crate::PlannedStep>, f64) {
    let tokens = lengths.iter().map(|lengths| Arc::new(Lengths::new(lengths)) as _).collect();
    let plan = Plan::new(spec.clone(), tokens).unwrap();
    let all = steps(&plan, plan.start());
    let (mut drawn, mut total, mut largest) = (vec![0.0; lengths.len()], 0, 0.0_f64);
    for row in all.iter().flat_map(|step| &step.rows) {
        drawn[row.source] += row.tokens() as f64;
        total += row.tokens();
        for (source, drawn) in drawn.iter().enumerate() {
            let target = plan.target_share(source, total) * total as f64;
            largest = largest.max((drawn - target).abs() / 64.0);
        }
    }
    (plan, all, largest)
}

fn share_of(steps: &[crate::PlannedStep], source: usize) -> f64 {
    let rows = steps.iter().flat_map(|step| &step.rows);
    let tokens = |row: &crate::PlannedRow| row.tokens() as f64;
    let of_source: f64 = rows.clone().filter(|row| row.source == source).map(tokens).sum();
    of_source / rows.map(tokens).sum::<f64>()
}

#[test]
fn shares_change_where_a_phase_begins() {
    let long: &[usize] = &[33; 4000];
    let change = |at, ramp| PhaseSpec { at, ramp, shares: stated(&[1, 3]) };
    let mut spec = spec(&[3, 1], Budget::Tokens(51_200), 1);
    spec.phases = vec![change(Moment::Fraction(Share::new(1, 2).unwrap()), None)];
    let (_, steps, largest) = walked(&spec, &[long, long]);
    assert!(largest <= 1.0, "{largest}");
    assert!((share_of(&steps[..100], 0) - 0.75).abs() < 0.01);
    assert!((share_of(&steps[100..], 0) - 0.25).abs() < 0.01);
    // The same moment in tokens and in steps.
    for at in [Moment::Tokens(25_600), Moment::Step(100)] {
        spec.phases = vec![change(at, None)];
        assert_eq!(walked(&spec, &[long, long]).1, steps);
    }
    // Over the second half the share falls in a line, so it is a half on the mean.
    spec.phases = vec![change(Moment::Tokens(25_600), Some(Moment::Tokens(25_000)))];
    let (plan, steps, largest) = walked(&spec, &[long, long]);
    assert!(largest <= 1.0, "{largest}");
    assert!(plan.phases().len() > 90);
    assert!((share_of(&steps[100..], 0) - 0.5).abs() < 0.01);
    assert!((share_of(&steps[145..155], 0) - 0.5).abs() < 0.04);

    spec.phases = vec![change(Moment::Tokens(60_000), None)];
    let tokens = vec![Arc::new(Lengths::new(long)) as _, Arc::new(Lengths::new(long)) as _];
    expect![[r#"
        plan: a phase starts at 60000 and takes 0 to get there, expected it after 0 and done before the end of the run at 51200

        hint: phases are listed in order, in tokens, steps or percent of the budget"#]].assert_eq(&Plan::new(spec, tokens).unwrap_err().to_string());
}

#[test]
fn sizes_make_shares() {
    // Supplies of 800 and 80,000 positions.
    #[track_caller]
    fn check(shares: Shares, max_epochs: u32, budget: u64, expected: &[f64]) {
        let mut spec = spec(&[1, 1], Budget::Tokens(budget), max_epochs);
        spec.shares = shares;
        let small: &[usize] = &[9; 100];
        let (plan, _, _) = walked(&spec, &[small, &[9; 10_000]]);
        for (source, expected) in expected.iter().enumerate() {
            let share = plan.phases()[0].shares[source].as_f64();
            assert!((share - expected).abs() < 1e-6, "{share}, expected {expected}");
        }
    }
    let all = Share::ONE;
    check(
        Shares::Temperature { alpha: 1.0, max_share: all },
        1,
        20_000,
        &[1.0 / 101.0, 100.0 / 101.0],
    );
    check(
        Shares::Temperature { alpha: 0.5, max_share: all },
        4,
        20_000,
        &[1.0 / 11.0, 10.0 / 11.0],
    );
    check(Shares::Temperature { alpha: 0.0, max_share: all }, 4, 6_000, &[0.5, 0.5]);
    let most = Share::new(3, 4).unwrap();
    check(Shares::Temperature { alpha: 1.0, max_share: most }, 4, 6_000, &[0.25, 0.75]);
    check(Shares::Unimax { max_share: all }, 2, 3_000, &[0.5, 0.5]);
    check(Shares::Unimax { max_share: all }, 2, 16_000, &[0.1, 0.9]);
    let tokens = BTreeMap::from([("a".to_owned(), 700), ("b".to_owned(), 6300)]);
    check(Shares::Tokens(tokens), 1, 7_000, &[0.1, 0.9]);
}

#[test]
fn epochs_of_each_source_make_up_the_run() {
    let mut spec = spec(&[1, 1], Budget::Epochs(1.5), 2);
    spec.shares = Shares::Epochs(BTreeMap::from([("a".to_owned(), 1.5), ("b".to_owned(), 0.5)]));
    let (plan, _, _) = walked(&spec, &[&[9; 100], &[9; 1000]]);
    assert_eq!(plan.budget(), Budget::Tokens(800 * 3 / 2 + 8000 / 2));
    let forecast = plan.forecast().unwrap();
    assert!((forecast.sources[0].epochs - 1.5).abs() < 0.08, "{forecast:?}");
    assert!((forecast.sources[1].epochs - 0.5).abs() < 0.01, "{forecast:?}");
}

#[test]
fn a_source_that_runs_dry_stops_repeats_or_passes_its_share_on() {
    // Source `a` has 800 positions and is asked for half of 8,000.
    let walk = |on_exhausted| {
        let mut spec = spec(&[1, 1], Budget::Tokens(8_000), 2);
        spec.on_exhausted = on_exhausted;
        let (plan, steps, largest) = walked(&spec, &[&[9; 100], &[9; 2000]]);
        assert!(largest <= 1.0, "{on_exhausted:?}: {largest}");
        (plan.forecast().unwrap(), steps)
    };
    let (forecast, _) = walk(Exhausted::Stop);
    assert!((3_200..3_264).contains(&forecast.tokens), "{forecast:?}");
    let (forecast, _) = walk(Exhausted::Repeat);
    assert!((8_000..8_064).contains(&forecast.tokens), "{forecast:?}");
    assert!((forecast.sources[0].epochs - 5.0).abs() < 0.1, "{forecast:?}");
    let (forecast, steps) = walk(Exhausted::Redistribute);
    assert!((8_000..8_064).contains(&forecast.tokens), "{forecast:?}");
    assert_eq!(forecast.sources[0].tokens, 1600);
    assert!((share_of(&steps[..10], 0) - 0.5).abs() < 0.05);
}

#[test]
fn shares_count_documents_or_rows_when_asked() {
    // Documents of `b` are ten times as long.
    let walk = |unit| {
        let mut spec = spec(&[1, 1], Budget::Tokens(11_000), 1);
        spec.unit = unit;
        let tokens =
            vec![Arc::new(Lengths::new(&[6; 2000])) as _, Arc::new(Lengths::new(&[51; 400])) as _];
        Plan::new(spec, tokens).unwrap().forecast().unwrap()
    };
    let forecast = walk(Unit::Documents);
    let [a, b] = [0, 1].map(|source| forecast.sources[source].units);
    assert!(a.abs_diff(b) <= 13, "{forecast:?}");
    assert!((forecast.sources[0].tokens * 9) < forecast.sources[1].tokens, "{forecast:?}");
    let forecast = walk(Unit::Rows);
    assert!(forecast.sources[0].rows.abs_diff(forecast.sources[1].rows) <= 1, "{forecast:?}");
}
