use std::fs;

use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::testing::run;

fn gate(step: u64, harm: f64) -> Decision {
    Decision {
        kind: "gate".to_owned(),
        step,
        cites: Vec::new(),
        checkpoint: None,
        values: json!({ "harm": harm }),
    }
}

#[test]
fn evals_are_cited_by_digest() {
    let folder = TempDir::new().unwrap();
    let (run, _lock) = run(folder.path(), "a");
    let score = json!({ "tasks": [{ "id": "prose", "nats": 2.5 }] });
    let citation = run.write_eval(400, &score).unwrap();
    assert_eq!(citation.file, "evals/step-000400.json");
    assert_eq!(run.eval(400).unwrap(), (score.clone(), citation.clone()));
    run.write_eval(0, &json!({})).unwrap();
    assert_eq!(run.evals().unwrap(), [0, 400]);
    // Scoring again gives the same bytes.
    assert_eq!(run.write_eval(400, &score).unwrap(), citation);
}

#[test]
fn a_decision_is_recorded_once() {
    let folder = TempDir::new().unwrap();
    let (run, _lock) = run(folder.path(), "a");
    // The harm is a float whose shortest decimal is long.
    let decisions = [gate(400, 0.1 + 0.2), gate(800, 1.0 / 3.0)];
    for decision in [&decisions[0], &decisions[1], &decisions[0]] {
        run.record_decision(decision).unwrap();
    }
    assert_eq!(run.decisions().unwrap().len(), 2);
    let message = run.record_decision(&gate(400, 0.5)).unwrap_err().to_string();
    assert!(
        message.contains("decision `gate` at step 400 is recorded with other values"),
        "{message}"
    );
}

#[test]
fn an_extension_says_its_budget() {
    assert_eq!(Decision::extend(438, 2_000_000).budget(), Some(Budget::Tokens(2_000_000)));
    assert_eq!(gate(438, 0.5).budget(), None);
}

#[track_caller]
fn check_damaged(damage: impl FnOnce(String) -> String, expected: &str) {
    let folder = TempDir::new().unwrap();
    let (run, _lock) = run(folder.path(), "a");
    run.record_decision(&gate(400, 0.5)).unwrap();
    run.record_decision(&gate(800, 0.5)).unwrap();
    let path = run.decisions_path();
    fs::write(&path, damage(fs::read_to_string(&path).unwrap())).unwrap();
    let message = run.decisions().unwrap_err().to_string();
    assert!(message.contains("decisions.jsonl`"), "{message}");
    assert!(message.contains(expected), "{message}");
    assert!(run.record_decision(&gate(900, 0.5)).is_err(), "nothing is added to a damaged file");
}

#[test]
fn torn_and_damaged_lines_are_found() {
    check_damaged(|text| text.trim_end().to_owned(), "line 2 is torn");
    check_damaged(|text| text[..text.len() - 20].to_owned(), "line 2 is torn");
    check_damaged(|text| text.replacen("\"kind\"", "\"kinds\"", 1), "line 1: missing field `kind`");
    check_damaged(
        |text| text.replacen("\"schema\":1", "\"schema\":9", 1),
        "has schema 9, expected 1",
    );
    check_damaged(|text| text.replacen('}', "", 1), "line 1: ");
}
