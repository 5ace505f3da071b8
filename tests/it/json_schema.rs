//! Rewards by a JSON Schema: the row's or the recipe's.

use crate::project::Project;
use crate::rl;

const FIXED: &str = "rl.rewards=[{verifier=\"json-schema\",schema=\"answer.schema.json\"}]";

fn check(project: &Project, schema: &str, code: i32, expected: &str) {
    project.write("answer.schema.json", schema);
    let found = project.temper(&["check", "rl.toml", "--set", FIXED]).expect_code(code);
    let said = found.stdout + &found.stderr;
    assert!(said.contains(expected), "expected {expected:?} in\n{said}");
}

#[test]
fn a_schema_of_the_recipe_is_looked_at_before_anything_is_sampled() {
    let project = rl::project();
    check(&project, r#"{"type": "object"}"#, 0, "rewarded by the verifier `json-schema`, weight 1");
    let at = "rl.rewards: `answer.schema.json`: schema:";
    check(&project, "{", 2, &format!("{at} it is no JSON: EOF"));
    check(&project, r#"{"type": "text"}"#, 2, &format!("{at} it is no schema: `/type`: "));
    let elsewhere = r#"{"items": {"$ref": "https://example.org/a.json"}}"#;
    check(&project, elsewhere, 2, &format!("{at} it refers to `https://example.org/a.json`"));
    let missing = "rl.rewards=[{verifier=\"json-schema\",schema=\"none.json\"}]";
    let refused = project.temper(&["check", "rl.toml", "--set", missing]).expect_code(2).stderr;
    assert!(refused.contains("schema: cannot read `none.json`"), "{refused}");
}

#[test]
fn a_run_holds_on_to_its_schema() {
    let project = rl::project();
    project.write("answer.schema.json", r#"{"type": "object"}"#);
    let run = ["run", "rl.toml", "--set", FIXED, "--set", "training.max_steps=1"];
    project.temper(&run).expect_success();
    let eval = "eval runs/rl --prompts asked --rewards runs/rl --max-tokens 8 --json";
    let eval: Vec<&str> = eval.split(' ').collect();
    let judged = project.temper(&eval).expect_success().json();
    assert_eq!(judged["parts"][0]["measure"], "reward_0_json-schema");
    project.write("answer.schema.json", r#"{"type": "array"}"#);
    let refused = project.temper(&["resume", "runs/rl"]).expect_code(2).stderr;
    assert!(refused.contains("changed since the run was started\n  rl.rewards"), "{refused}");
    let refused = project.temper(&eval).expect_code(2).stderr;
    assert!(
        refused.contains("rl.rewards: schema: `") && refused.contains("has digest"),
        "{refused}"
    );
}

#[test]
fn schemas_of_rows_are_named_by_row() {
    let project = rl::project();
    let prompt = |answer: &str| format!("{{\"prompt\": \"river\", \"answer\": {answer}}}\n");
    let schemas = [r#"{"type": "object"}"#, r#"{"type": "text"}"#, r#"{"$ref": "b.json"}"#];
    project.write("asked.jsonl", &schemas.map(prompt).concat());
    std::fs::remove_file(project.path("data-manifests/asked.parquet")).unwrap();
    std::fs::remove_file(project.path("data-manifests/asked.toml")).unwrap();
    let import = "corpus import asked.jsonl --prompts --out data-manifests/asked.parquet --id asked \
                  --category dialog --licence CC0-1.0 --source made-by-a-test";
    project.temper(&import.split_whitespace().collect::<Vec<_>>()).expect_success();
    let set = ["--set", "rl.rewards=[{verifier=\"json-schema\"}]"];
    let checked = project.temper(&[&["check", "rl.toml"], &set[..]].concat()).expect_code(1).stdout;
    for expected in [
        "`asked`: 2 of 3 rows cannot be learned from: 2 no reference to judge by",
        "row 1: `answer`: `json-schema` cannot judge by it: it is no schema: `/type`: ",
        "row 2: `answer`: `json-schema` cannot judge by it: it refers to `b.json`",
    ] {
        assert!(checked.contains(expected), "expected {expected:?} in\n{checked}");
    }
    let refused = project.temper(&[&["run", "rl.toml"], &set[..]].concat()).expect_code(2).stderr;
    assert!(refused.contains("asked.parquet`, row group 0, row 1: `answer`"), "{refused}");
    assert!(!project.path("runs/rl").exists());
}
