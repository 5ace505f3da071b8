use std::fs;

use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::ledger::Ledger;
use crate::run_info::{Outcome, PlanRecord};
use crate::testing::{records, run};

fn outcome(end: End) -> Outcome {
    Outcome { end, step: 7, reason: Some("why".to_owned()), summary: Value::Null }
}

#[test]
fn states_are_told_apart() {
    let folder = TempDir::new().unwrap();
    let named = |name: &str| run(folder.path(), name);
    let (running, _lock) = named("running");
    let plan = PlanRecord {
        steps: 9,
        tokens: 1,
        own_tokens: None,
        rows: 1,
        mix_from: 0,
        tokenizer: temper_recipe::Digest::of(b""),
        sources: Vec::new(),
    };
    running.write_plan(&plan).unwrap();
    let mut ledger = Ledger::create(&running, 2).unwrap();
    for step in 0..3 {
        let (report, rows) = records(step);
        ledger.append(report, rows).unwrap();
    }
    for (name, end) in [
        ("finished", End::Finished),
        ("stopped", End::Stopped),
        ("interrupted", End::Interrupted),
        ("failed", End::Failed),
    ] {
        named(name).0.write_outcome(&outcome(end)).unwrap();
    }
    named("killed");
    let (damaged, _) = named("damaged");
    fs::write(damaged.path().join("outcome.json"), "{").unwrap();
    fs::create_dir(folder.path().join("runs/no-run")).unwrap();

    let runs = list_runs(&folder.path().join("runs")).unwrap();
    let states: Vec<_> =
        runs.iter().map(|run| (run.name.as_str(), run.state, run.steps_done)).collect();
    let expected = [
        ("damaged", State::Damaged, 0),
        ("failed", State::Failed, 7),
        ("finished", State::Finished, 7),
        ("interrupted", State::Interrupted, 7),
        ("killed", State::Interrupted, 0),
        ("running", State::Running, 2),
        ("stopped", State::Stopped, 7),
    ];
    assert_eq!(states, expected);
    assert_eq!(runs[5].steps_planned, Some(9));
    assert_eq!((runs[1].steps_planned, runs[1].note.as_deref()), (None, Some("why")));
}

#[test]
fn going_on_clears_the_outcome() {
    let folder = TempDir::new().unwrap();
    let (run, _lock) = run(folder.path(), "a");
    run.clear_outcome().unwrap();
    run.write_outcome(&outcome(End::Interrupted)).unwrap();
    assert_eq!(run.outcome().unwrap(), Some(outcome(End::Interrupted)));
    run.clear_outcome().unwrap();
    assert_eq!(run.outcome().unwrap(), None);
}

#[test]
fn a_missing_folder_has_no_runs() {
    let folder = TempDir::new().unwrap();
    assert_eq!(list_runs(&folder.path().join("runs")).unwrap(), []);
}
