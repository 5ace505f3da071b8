//! Rows that are no texts: named, or dropped and counted.

use std::fs;

use crate::documents::replace;
use crate::project::Project;

/// A project whose customer has 200 texts: one in ten is missing, row 33 is no UTF-8.
fn texts() -> Project {
    let project = Project::new();
    project.edit("recipe.toml", "max_steps = 24", "max_steps = 4");
    let text = |number: usize| match number {
        33 => Some(b"benzene \xff\xfe".to_vec()),
        _ if number % 10 == 4 => None,
        _ => Some(format!("benzene reacts with acid, number {number}").into_bytes()),
    };
    replace(&project, "customer", &(0..200).map(text).collect::<Vec<_>>());
    project
}

#[test]
fn texts_that_are_none_are_refused_by_name() {
    let project = texts();
    let checked = project.temper(&["check", "recipe.toml"]).expect_code(1).stdout;
    for expected in [
        "`customer`: 21 of 200 rows cannot be learned from: 20 a value is missing, 1 no UTF-8\n",
        "customer.parquet`, row group 0, row 4: `text` is null\n",
        "customer.parquet`, row group 0, row 33: `text` is no UTF-8 from byte 8 on\n",
        "and 16 more",
        "`data_mixing.on_bad_row = \"drop\"`",
        "`general`: all 600 rows can be learned from",
    ] {
        assert!(checked.contains(expected), "expected {expected:?} in\n{checked}");
    }
    let refused = project.temper(&["run", "recipe.toml"]).expect_code(2).stderr;
    assert!(refused.contains("customer.parquet`, row group 0, row 4: `text` is null"), "{refused}");
    assert!(refused.contains("data_mixing.on_bad_row = \"drop\""), "{refused}");
    assert!(!project.path("runs/small").exists());
}

#[test]
fn texts_that_are_none_are_dropped_and_counted() {
    let project = texts();
    project.edit("recipe.toml", "[data_mixing]\n", "[data_mixing]\non_bad_row = \"drop\"\n");
    let checked = project.temper(&["check", "recipe.toml"]).expect_success().stdout;
    let counts = "20 a value is missing, 1 no UTF-8";
    assert!(checked.contains(&format!("21 of 200 rows are dropped: {counts}")), "{checked}");
    let line = format!("customer: 21 rows dropped: {counts}");
    let ran = project.temper(&["run", "recipe.toml"]).expect_success();
    assert!(ran.stdout.contains(&line) && ran.stderr.contains(&line), "{}", ran.stderr);
    let query =
        |sql: &str| project.temper(&["query", "runs/small", sql, "--json"]).expect_success().json();
    let dropped = query("SELECT reason, rows FROM dropped ORDER BY rows");
    assert_eq!(dropped[0], serde_json::json!({ "reason": "no UTF-8", "rows": 1 }));
    assert_eq!(dropped[1]["rows"], 20);
    let rows = query("SELECT DISTINCT group_row FROM segments WHERE source = 'customer'");
    for row in rows.as_array().unwrap() {
        let row = row["group_row"].as_u64().unwrap();
        assert!(row != 33 && row % 10 != 4, "{row}");
    }
    project.temper(&["audit", "runs/small"]).expect_success();
    // Without shards the same are found again.
    fs::remove_dir_all(project.path(".temper/cache")).unwrap();
    project.temper(&["plan", "recipe.toml"]).expect_success();
    project.temper(&["audit", "runs/small"]).expect_success();
}

#[test]
fn runs_on_good_texts_are_the_same_where_bad_rows_are_dropped() {
    let project = Project::new();
    project.edit("recipe.toml", "max_steps = 24", "max_steps = 4");
    let derived = |name: &str, on_bad_row: &str| {
        let (name, on_bad_row) =
            (format!("name={name}"), format!("data_mixing.on_bad_row={on_bad_row}"));
        let set = ["--set", &name, "--set", &on_bad_row];
        project.temper(&[&["run", "recipe.toml"], &set[..]].concat()).expect_success();
        let run = name.replace("name=", "runs/");
        let audit = project.temper(&["audit", &run, "--json"]).expect_success().json();
        let plan = fs::read_to_string(project.path(&format!("{run}/plan.json"))).unwrap();
        let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
        (audit["derived"].clone(), plan["sources"].clone())
    };
    assert_eq!(derived("refused", "refuse"), derived("dropped", "drop"));
}
