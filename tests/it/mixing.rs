//! Mixes that change on the way, what a plan says of them, and what is found out afterwards.

use std::fs;

use serde_json::Value;

use crate::killed::{Moment, kill_at, start};
use crate::project::{Project, texts};

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
        assert_eq!(source["pass"]["available"], source["pass"]["tokens"], "{source:#}");
        assert_eq!(source["pass"]["dropped"], 0, "{source:#}");
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

/// A third corpus, and a recipe that brings it in and leaves the general one out.
fn other_mix(project: &Project) {
    let words = ["harbour", "lantern", "meadow", "window", "quietly", "turned"];
    project.import("more", "prose", "train", &texts(&words, 0..300));
    project.edit("recipe.toml", "keep_last = 2", "keep_last = 9");
    let recipe = fs::read_to_string(project.path("recipe.toml")).unwrap();
    let (before, rest) = recipe.split_once("[data_mixing]").unwrap();
    let (_, after) = rest.split_once("[optimizer]").unwrap();
    let mix = "[data_mixing]\npacking_window = 64\nweights = { customer = 1, more = 3 }\n\n";
    project.write("other.toml", &format!("{before}{mix}[optimizer]{after}"));
}

/// Stops the run of `small` after its first checkpoints.
fn stopped(project: &Project) {
    project.temper(&["run", "recipe.toml"]).expect_success();
    let folder = project.path("runs/small/checkpoints");
    for step in [20, 24] {
        let _ = fs::remove_dir_all(folder.join(format!("step-{step:06}")));
    }
    fs::remove_file(project.path("runs/small/outcome.json")).unwrap();
}

#[test]
fn a_mix_changes_midway_and_the_audit_follows_the_seam() {
    let project = Project::new();
    other_mix(&project);
    stopped(&project);
    let resumed = project.temper(&["resume", "runs/small", "--remix", "other.toml", "--json"]);
    let ended = resumed.expect_success().json();
    assert_eq!((&ended["step"], &ended["remixed_after"]), (&24.into(), &16.into()), "{ended:#}");

    let audit = project.temper(&["audit", "runs/small", "--json"]).expect_success().json();
    assert_eq!(audit["sources"].as_array().unwrap().len(), 3, "{audit:#}");
    assert!(audit["largest_deviation"][1]["rows"].as_f64().unwrap().abs() <= 1.0, "{audit:#}");
    let sql = "SELECT source, MIN(step) AS first, MAX(step) AS last, SUM(tokens) AS tokens FROM ledger \
               WHERE step >= 16 GROUP BY source ORDER BY source";
    let after = project.temper(&["query", "runs/small", sql, "--json"]).expect_success().json();
    let names: Vec<&str> =
        after.as_array().unwrap().iter().map(|line| line["source"].as_str().unwrap()).collect();
    assert_eq!(names, ["customer", "more"], "{after:#}");
    let [customer, more] = [0, 1].map(|line| after[line]["tokens"].as_f64().unwrap());
    assert!((more / (customer + more) - 0.75).abs() < 0.05, "{after:#}");

    // Both sides of the seam are traced, by step and by document.
    for (step, source) in [("15", "general"), ("17", "more")] {
        let trace = project.temper(&["trace", "runs/small", "--step", step, "--json"]);
        let trace = trace.expect_success().json();
        assert_eq!(trace["as_recorded"], true, "{trace:#}");
        let row = trace["rows"].as_array().unwrap().iter().find(|row| row["source"] == source);
        let segment = &row.unwrap()["segments"][0];
        let document = format!("{source}:{source}.parquet:{}", segment["row"]);
        let found = ["trace", "runs/small", "--document", &document, "--json"];
        let found = project.temper(&found).expect_success().json();
        assert!(!found["seen"].as_array().unwrap().is_empty(), "{found:#}");
    }

    // A seam that does not start where the mix before it stood is a finding.
    let decisions = "runs/small/ledger/decisions.jsonl";
    let text = fs::read_to_string(project.path(decisions)).unwrap();
    let line = text.lines().find(|line| line.contains("\"remix\"")).unwrap();
    let mut seam: Value = serde_json::from_str(line).unwrap();
    let row = &mut seam["values"]["start"]["sources"][0]["row"];
    *row = (row.as_u64().unwrap() + 1).into();
    project.edit(decisions, line, &seam.to_string());
    let found = project.temper(&["audit", "runs/small"]).expect_code(1);
    assert!(found.stdout.contains("`remix` at step 16, start"), "{}", found.stdout);
}

#[test]
fn a_remix_killed_and_resumed_ends_with_the_same_bytes() {
    let whole = Project::new();
    other_mix(&whole);
    stopped(&whole);
    let killed = whole.copy();
    let remix = ["resume", "runs/small", "--remix", "other.toml"];
    whole.temper(&remix).expect_success();
    for moment in [Moment::planned(1), Moment::ledger(3), Moment::checkpoint(40)] {
        let is_begun = fs::read_to_string(killed.path("runs/small/ledger/decisions.jsonl"))
            .is_ok_and(|text| text.contains("\"remix\""));
        let arguments = if is_begun { &remix[..2] } else { &remix[..] };
        let mut child = start(&killed, arguments);
        assert!(kill_at(&mut child, &killed.path(""), &moment), "ended before the kill");
    }
    killed.temper(&remix[..2]).expect_success();
    assert!(killed.results("runs/small") == whole.results("runs/small"));
    killed.temper(&["audit", "runs/small"]).expect_success();
}

#[test]
fn what_is_no_remix_is_refused() {
    let project = Project::new();
    other_mix(&project);
    stopped(&project);
    let refused = |project: &Project, file: &str| {
        project.temper(&["resume", "runs/small", "--remix", file]).expect_code(2).stderr
    };
    let said = refused(&project, "recipe.toml");
    assert!(said.contains("the mix is the one that the run has"), "{said}");
    let other = fs::read_to_string(project.path("other.toml")).unwrap();
    project.write("lr.toml", &other.replace("lr = 3e-3", "lr = 1e-3"));
    let said = refused(&project, "lr.toml");
    assert!(said.contains("optimizer.lr: 0.003, now 0.001"), "{said}");
    project.write(
        "greedy.toml",
        &other
            .replace("[optimizer]", "max_epochs = 1\n\n[optimizer]")
            .replace("more = 3", "more = 900"),
    );
    let said = refused(&project, "greedy.toml");
    assert!(said.contains("gets no row"), "{said}");
    // Nothing was decided.
    let decisions = project.path("runs/small/ledger/decisions.jsonl");
    assert!(!fs::read_to_string(decisions).unwrap_or_default().contains("remix"));
    // A remix that is under way is held to its own file.
    project.temper(&["resume", "runs/small", "--remix", "other.toml"]).expect_success();
    project.edit("other.toml", "more = 3", "more = 4");
    let said = project.temper(&["resume", "runs/small", "--extend", "4k"]).expect_code(2).stderr;
    assert!(said.contains("other.toml` changed") && said.contains("--remix"), "{said}");
}

#[test]
fn scores_are_asked_beside_the_ledger() {
    let project = Project::new();
    project.temper(&["run", "recipe.toml"]).expect_success();
    let sql = "SELECT step, task, SUM(nats) / SUM(tokens) AS loss, COUNT(*) AS items FROM evals \
               GROUP BY step, task ORDER BY task, step";
    let answer = project.temper(&["query", "runs/small", sql, "--json"]).expect_success().json();
    let report = project.temper(&["report", "runs/small", "--json"]).expect_success().json();
    let lines = answer.as_array().unwrap();
    // Before, twice on the way, after.
    assert_eq!(lines.len(), 8, "{answer:#}");
    assert!(lines.iter().all(|line| line["items"] == 20), "{answer:#}");
    let text = report.to_string();
    let loss = lines[3]["loss"].as_f64().unwrap();
    assert!(text.contains(&format!("{loss:.4}")), "{loss} is not in {text}");
}

#[test]
fn a_run_whose_mix_ran_out_goes_on_with_another() {
    let project = Project::new();
    project.edit("recipe.toml", "max_steps = 24", "max_tokens = \"10k\"");
    project.edit("recipe.toml", "packing_window = 64", "packing_window = 64\nmax_epochs = 1");
    project.temper(&["run", "recipe.toml"]).expect_success();
    let extend = ["resume", "runs/small", "--extend", "30k"];
    let refused = project.temper(&extend).expect_code(2).stderr;
    assert!(refused.contains("`customer` cannot supply its share"), "{refused}");

    // The run's own recipe, edited where it lies.
    project.edit("recipe.toml", "max_epochs = 1", "max_epochs = 9");
    project.edit("recipe.toml", "percent = 75", "percent = 20");
    let remix = [&extend[..], &["--remix", "recipe.toml", "--json"]].concat();
    let ended = project.temper(&remix).expect_success().json();
    assert!(ended["tokens"].as_u64().unwrap() >= 40_000, "{ended:#}");
    project.temper(&["audit", "runs/small"]).expect_success();

    // Amounts say how much is to come; nothing else may say it too.
    let recipe = fs::read_to_string(project.path("recipe.toml")).unwrap();
    let (before, rest) = recipe.split_once("[data_mixing]").unwrap();
    let (_, after) = rest.split_once("[optimizer]").unwrap();
    let before = before.replace("max_tokens = \"10k\"\n", "");
    let mix = "[data_mixing]\npacking_window = 64\ntokens = { general = 2000 }\n\n";
    project.write("amounts.toml", &format!("{before}{mix}[optimizer]{after}"));
    let amounts = ["resume", "runs/small", "--remix", "amounts.toml", "--json"];
    let both = [&amounts[..], &["--extend", "1k"]].concat();
    let refused = project.temper(&both).expect_code(2).stderr;
    assert!(refused.contains("says in tokens how much is to come"), "{refused}");
    let more = project.temper(&amounts).expect_success().json();
    let tokens = |ended: &Value| ended["tokens"].as_u64().unwrap();
    assert!((2000..2064).contains(&(tokens(&more) - tokens(&ended))), "{more:#}");
    project.temper(&["audit", "runs/small"]).expect_success();
}
