use serde_json::json;
use temper_recipe::Budget;

use super::*;
use crate::testing::{recipe, run};

fn remix(step: u64) -> Remix {
    let start = json!({ "step": step, "sources": [] });
    let recipe_file = "recipes/other.toml".into();
    Remix { step, recipe_file, recipe: recipe("a"), budget: Budget::Tokens(900), start }
}

#[test]
fn a_remix_is_read_as_it_was_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let (run, _lock) = run(folder.path(), "a");
    run.record_decision(&Decision::extend(4, 900)).unwrap();
    run.record_decision(&remix(4).decision()).unwrap();
    run.record_decision(&remix(8).decision()).unwrap();
    assert_eq!(run.remixes().unwrap(), [remix(4), remix(8)]);
    let last = run.decisions().unwrap().pop().unwrap();
    assert_eq!(last.budget(), Some(Budget::Tokens(900)));
}

#[test]
fn a_damaged_remix_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (run, _lock) = run(folder.path(), "a");
    let mut decision = remix(4).decision();
    decision.values["recipe"] = json!("schema = 1");
    run.record_decision(&decision).unwrap();
    let error = run.remixes().unwrap_err().to_string();
    assert!(error.contains("decisions.jsonl") && error.contains("`remix` at step 4"), "{error}");
}
