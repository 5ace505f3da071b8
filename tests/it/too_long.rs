//! Rows that are longer than a row of tokens: counted and named before, in and after a run.

use crate::dpo;

#[test]
fn rows_that_are_too_long_are_said_wherever_rows_are_counted() {
    // One pair of 61 is longer than a row, in both sources.
    let project = dpo::project();
    project.edit("dpo.toml", "max_steps = 12", "max_steps = 4");
    let checked = project.temper(&["check", "dpo.toml"]).expect_success().stdout;
    assert!(checked.contains("`rivers`: 60 of 61 rows can be learned from"), "{checked}");
    let long = "`rivers`: 1 row is longer than a row of 96 positions: 1 left out\n";
    assert!(checked.contains(long), "{checked}");
    let place = "rivers.parquet`, row group 0, row 60: ";
    assert!(checked.contains(place) && checked.contains("positions, a row has 96"), "{checked}");
    let checked = project.temper(&["check", "dpo.toml", "--json"]).expect_success().json();
    let rivers = checked["rows"].as_array().unwrap();
    let rivers = rivers.iter().find(|rows| rows["source"] == "rivers").unwrap();
    assert_eq!((&rivers["left_out"], &rivers["truncated"]), (&1.into(), &0.into()));
    assert_eq!(rivers["too_long"][0]["row"], 60);

    let planned = "rivers: 1 of 61 documents is longer than a row of 96 positions: 1 left out";
    let plan = project.temper(&["plan", "dpo.toml"]).expect_success().stdout;
    assert!(plan.contains(planned), "{plan}");
    let ran = project.temper(&["run", "dpo.toml"]).expect_success();
    assert!(ran.stderr.contains(planned), "{}", ran.stderr);
    let line = "rivers: 1 row dropped: 1 longer than a row";
    let report = project.temper(&["report", "runs/dpo"]).expect_success().stdout;
    assert!(ran.stdout.contains(line) && report.contains(line), "{report}");
    let query =
        |sql: &str| project.temper(&["query", "runs/dpo", sql, "--json"]).expect_success().json();
    let dropped = query("SELECT source, reason, rows FROM dropped ORDER BY source");
    let places = query("SELECT source, reason, group_row FROM dropped_rows ORDER BY source");
    for (at, source) in ["rivers", "solvents"].into_iter().enumerate() {
        let reason = "longer than a row";
        let expected = serde_json::json!({ "source": source, "reason": reason, "rows": 1 });
        assert_eq!(dropped[at], expected);
        let expected = serde_json::json!({ "source": source, "reason": reason, "group_row": 60 });
        assert_eq!(places[at], expected);
    }
    project.temper(&["audit", "runs/dpo"]).expect_success();

    // Where nothing fits a row, a run is not even begun.
    let set = ["check", "dpo.toml", "--set", "training.sequence_length=8"];
    let refused = project.temper(&set).expect_code(1).stdout;
    assert!(refused.contains("no row is left; raise `training.sequence_length`"), "{refused}");
    assert!(refused.contains("`rivers`: no row can be learned from\n"), "{refused}");
    assert!(!refused.contains("rows can be learned from"), "{refused}");
    let set = ["plan", "dpo.toml", "--set", "training.sequence_length=8"];
    let refused = project.temper(&set).expect_code(2).stderr;
    let expected = "all 61 documents are longer than a row of 8 positions\n\nhint: raise `training.sequence_length`";
    assert!(refused.contains(expected), "{refused}");
}
