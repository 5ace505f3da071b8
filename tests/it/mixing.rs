//! Mixes that change on the way, what a plan says of them, and what is found out afterwards.

use std::fs;

use serde_json::Value;

use crate::project::Project;

#[test]
fn shares_change_on_the_way_and_the_audit_follows() {
    let project = Project::new();
    project.edit(
        "recipe.toml",
        "[optimizer]",
        "[[data_mixing.phases]]\nat = \"50%\"\nramp = \"25%\"\nweights = { customer = 1, general = 9 }\n\n[optimizer]",
    );
    let plan = project.temper(&["plan", "recipe.toml", "--json"]).expect_success().json();
    assert!(plan["phases"].as_array().unwrap().len() >= 3, "{plan:#}");
    let text = project.temper(&["plan", "recipe.toml"]).expect_success().stdout;
    assert!(text.contains("from") && text.contains("10.00 %"), "{text}");

    project.temper(&["run", "recipe.toml"]).expect_success();
    let audit = project.temper(&["audit", "runs/small", "--json"]).expect_success().json();
    assert!(audit["largest_deviation"][1]["rows"].as_f64().unwrap().abs() <= 1.0, "{audit:#}");
    let sql = "SELECT step < 12 AS early, SUM(CASE WHEN source = 'customer' THEN tokens ELSE 0 END) * 100 / \
               SUM(tokens) AS percent FROM ledger GROUP BY early ORDER BY early";
    let answer = project.temper(&["query", "runs/small", sql, "--json"]).expect_success().json();
    let percent = |line: usize| answer[line]["percent"].as_f64().unwrap();
    assert!(percent(0) < 45.0 && percent(1) > 70.0, "{answer:#}");
}

#[test]
fn two_audits_of_one_recipe_give_one_digest() {
    let (one, other) = (Project::new(), Project::new());
    let derived = |project: &Project| -> Value {
        project.temper(&["run", "recipe.toml"]).expect_success();
        project.temper(&["audit", "runs/small", "--json"]).expect_success().json()["derived"]
            .clone()
    };
    let digest = derived(&one);
    assert_eq!(digest.as_str().unwrap().len(), 64);
    assert_eq!(digest, derived(&other));
}

#[test]
fn a_plan_answers_before_anything_runs() {
    let project = Project::new();
    let plan = |more: &[&str]| project.temper(&[&["plan", "recipe.toml"], more].concat());
    let found = plan(&["--json", "--tokens-per-second", "1000"]).expect_success().json();
    let cost = &found["cost"];
    let tokens = found["plan"]["tokens"].as_f64().unwrap();
    assert_eq!(cost["seconds"].as_f64().unwrap(), tokens / 1000.0);
    assert!(cost["flops"].as_f64().unwrap() > 0.0 && cost["disk_bytes"].as_u64().unwrap() > 0);
    for source in found["sources"].as_array().unwrap() {
        assert_eq!(source["pass"]["avoidable_splits"], 0, "{source:#}");
    }
    let smaller = plan(&["--json", "--budget", "1k"]).expect_success().json();
    assert!(smaller["plan"]["tokens"].as_f64().unwrap() < tokens);

    let refused = plan(&["--budget", "10M"]).expect_code(2).stderr;
    assert!(
        refused.contains("cannot supply its share") && !refused.contains("weights"),
        "{refused}"
    );
    let suggested = plan(&["--budget", "10M", "--suggest"]).expect_code(2).stderr;
    assert!(suggested.contains("no other shares of these sources"), "{suggested}");
    let overrides = ["--set", "data_mixing.max_epochs=1", "--budget", "26k", "--suggest"];
    let suggested = plan(&overrides).expect_code(2).stderr;
    assert!(suggested.contains("[data_mixing.weights]\ncustomer = "), "{suggested}");
    // What is suggested can be kept.
    let weights =
        suggested.lines().filter(|line| line.contains(" = ")).collect::<Vec<_>>().join(", ");
    let weights = format!("data_mixing.weights={{ {weights} }}");
    plan(&["--set", &weights, "--set", "data_mixing.max_epochs=1", "--budget", "26k"])
        .expect_success();

    plan(&["--picture", "mix.svg"]).expect_success();
    let svg = fs::read_to_string(project.path("mix.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("customer 75.00 %"), "{svg}");
    let again = plan(&["--picture", "mix.svg"]).expect_code(2).stderr;
    assert!(again.contains("cannot write `mix.svg`"), "{again}");
}

#[test]
fn a_document_is_traced_both_ways() {
    let project = Project::new();
    project.temper(&["run", "recipe.toml"]).expect_success();
    let step = ["trace", "runs/small", "--step", "2", "--row", "1"];
    let traced = project.temper(&[&step[..], &["--json"]].concat()).expect_success().json();
    assert_eq!(traced["rows"].as_array().unwrap().len(), 1);
    let text = project.temper(&[&step[..], &["--text"]].concat()).expect_success().stdout;
    let source = traced["rows"][0]["source"].as_str().unwrap();
    for segment in traced["rows"][0]["segments"].as_array().unwrap() {
        // Texts end with their number.
        let whole = segment["start"] == 0 && segment["length"].as_u64().unwrap() < 64;
        let number = format!(" number {}.", segment["row"]);
        assert!(!whole || text.contains(&number), "{number} is not in\n{text}");
    }
    let refused = project.temper(&["trace", "runs/small", "--step", "2", "--row", "99"]);
    assert!(refused.expect_code(2).stderr.contains("step 2 has no row 99"));

    let segment = &traced["rows"][0]["segments"][0];
    let document = format!("{source}:{source}.parquet:{}", segment["row"]);
    let found = ["trace", "runs/small", "--document", &document, "--json"];
    let found = project.temper(&found).expect_success().json();
    assert_eq!(found["document"], segment["document"]);
    let steps: Vec<u64> = found["seen"]
        .as_array()
        .unwrap()
        .iter()
        .map(|seen| seen["step"].as_u64().unwrap())
        .collect();
    assert!(steps.contains(&2), "{found:#}");
    assert!(!found["checkpoints"].as_array().unwrap().is_empty(), "{found:#}");
    // A run that starts there contains it as well.
    let next = ["run", "recipe.toml", "--set", "name=next", "--set", "model.from=runs/small"];
    project.temper(&next).expect_success();
    let text = project.temper(&["trace", "runs/small", "--document", &document]).expect_success();
    assert!(text.stdout.contains("next@24"), "{}", text.stdout);
}

#[test]
fn answers_are_saved() {
    let project = Project::new();
    project.temper(&["run", "recipe.toml", "--set", "training.max_steps=4"]).expect_success();
    let sql = "SELECT source, SUM(tokens) AS tokens FROM ledger GROUP BY source ORDER BY source";
    for name in ["answer.csv", "answer.parquet"] {
        project.temper(&["query", "runs/small", sql, "--out", name]).expect_success();
    }
    let csv = fs::read_to_string(project.path("answer.csv")).unwrap();
    assert!(csv.starts_with("source,tokens\ncustomer,"), "{csv}");
    assert!(fs::read(project.path("answer.parquet")).unwrap().starts_with(b"PAR1"));
    let again = project.temper(&["query", "runs/small", sql, "--out", "answer.csv"]).expect_code(2);
    assert!(again.stderr.contains("cannot write `answer.csv`"), "{}", again.stderr);
    let other = project.temper(&["query", "runs/small", sql, "--out", "answer.xls"]).expect_code(2);
    assert!(other.stderr.contains("no .csv and no .parquet"), "{}", other.stderr);
}
