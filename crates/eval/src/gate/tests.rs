use super::*;
use crate::forgetting::forgetting;
use crate::testing::{choice_item, loss_item, suite_score, task_score};

#[track_caller]
fn check(harm: Option<(f64, f64)>, tolerance: f64, expected: GateState) {
    assert_eq!(state(harm.map(|(lower, upper)| Interval { lower, upper }), tolerance), expected);
}

#[test]
fn the_interval_decides() {
    check(Some((-0.02, 0.04)), 0.05, GateState::Held);
    check(Some((0.06, 0.09)), 0.05, GateState::Breach);
    check(Some((0.04, 0.06)), 0.05, GateState::Undecided);
    // On the border nothing is decided.
    check(Some((0.01, 0.05)), 0.05, GateState::Undecided);
    check(Some((0.05, 0.09)), 0.05, GateState::Undecided);
    check(Some((-0.2, -0.1)), 0.0, GateState::Held);
    check(None, 0.05, GateState::Undecided);
}

/// The loss of every document rises by `rise` a token, and `n_lost` of 40 answers are lost.
fn report(rise: f64, n_lost: usize, looks: u32) -> ForgettingReport {
    let score = |weights: &str, rise: f64, n_lost: usize| {
        let documents = (0..40).map(|n| {
            let spread = if weights == "after" { (n % 8) as f64 * 0.01 } else { 0.0 };
            loss_item(n, &format!("book {}", n % 8), 20.0 + 10.0 * (rise + spread))
        });
        let answers = (0..40).map(|n| choice_item(n, &format!("subject {}", n % 8), n >= n_lost));
        suite_score(
            weights,
            vec![
                task_score("prose", documents.collect()),
                task_score("grammar", answers.collect()),
            ],
        )
    };
    forgetting(&score("before", 0.0, 0), &score("after", rise, n_lost), 17, looks).unwrap()
}

#[test]
fn the_worst_task_decides() {
    let tolerance = Tolerance { loss: 0.1, accuracy: 0.1 };
    let states = |report: &ForgettingReport| {
        let gate = gate(report, &tolerance);
        (gate.state, gate.verdicts.iter().map(|verdict| verdict.state).collect::<Vec<_>>())
    };
    use GateState::{Breach, Held, Undecided};
    assert_eq!(states(&report(0.0, 0, 1)), (Held, vec![Held, Held]));
    assert_eq!(states(&report(0.2, 0, 1)), (Breach, vec![Breach, Held]));
    assert_eq!(states(&report(0.0, 40, 1)), (Breach, vec![Held, Breach]));
    assert_eq!(states(&report(0.0, 4, 1)), (Undecided, vec![Held, Undecided]));

    let mut of_customer = report(0.2, 40, 1);
    of_customer.tasks.iter_mut().for_each(|task| task.group = Group::Customer);
    assert_eq!(states(&of_customer), (Undecided, vec![]));
}

#[test]
fn more_looks_ask_for_more_evidence() {
    let width = |looks| {
        let report = report(0.05, 4, looks);
        let harm = report.tasks[0].harm_interval.unwrap();
        harm.upper - harm.lower
    };
    assert!(width(1) < width(4) && width(4) < width(40), "{} {} {}", width(1), width(4), width(40));
    assert_eq!((report(0.0, 0, 10).resamples, report(0.0, 0, 11).resamples), (2_000, 4_000));
}
