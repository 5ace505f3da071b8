//! The main job and the verbs around it.

use std::fs;
use std::path::Path;

use crate::project::{Call, Project};

#[test]
fn a_run_ends_with_a_report_that_the_audit_confirms() {
    let project = Project::new();
    let plan = project.temper(&["plan", "recipe.toml", "--json"]).expect_success().json();
    assert_eq!(plan["plan"]["steps"], 24);

    let run = project.temper(&["run", "recipe.toml"]).expect_success();
    for expected in
        ["general-loss", "customer-loss", "75.00 %", "runs/small/checkpoints/step-000024"]
    {
        assert!(run.stdout.contains(expected), "no {expected:?} in\n{}", run.stdout);
    }
    // Steps cannot be extended, and nobody is told to.
    let finished = project.temper(&["resume", "runs/small"]).expect_code(2).stderr;
    assert!(finished.contains("a new run with `model.from = \"runs/small\"`"), "{finished}");
    for said in [&run.stdout, &finished] {
        assert!(!said.contains("--extend"), "{said}");
    }
    let report = project.temper(&["report", "runs/small", "--json"]).expect_success().json();
    let tasks = report["forgetting"]["tasks"].as_array().unwrap();
    // A model that starts from random weights learns both.
    assert!(tasks.iter().all(|task| task["delta"].as_f64().unwrap() < -0.5), "{report:#}");

    let audit = project.temper(&["audit", "runs/small", "--json"]).expect_success().json();
    assert_eq!(audit["findings"], serde_json::json!([]));
    assert!(audit["largest_deviation"][1]["rows"].as_f64().unwrap().abs() <= 1.0);

    let runs = project.temper(&["runs", "--json"]).expect_success().json();
    assert_eq!((&runs[0]["name"], &runs[0]["state"]), (&"small".into(), &"finished".into()));

    let sql = "SELECT source, SUM(tokens) AS tokens FROM rows GROUP BY source ORDER BY source";
    let answer = project.temper(&["query", "runs/small", sql, "--json"]).expect_success().stdout;
    assert!(answer.contains("customer") && answer.contains("general"), "{answer}");

    let trace =
        project.temper(&["trace", "runs/small", "--step", "3", "--json"]).expect_success().json();
    assert_eq!(trace["as_recorded"], true);

    let again = project.temper(&["run", "recipe.toml"]).expect_code(2);
    assert!(again.stderr.contains("exists already"), "{}", again.stderr);
}

#[test]
fn the_same_recipe_gives_the_same_bytes() {
    let (one, other) = (Project::new(), Project::new());
    for project in [&one, &other] {
        project.temper(&["run", "recipe.toml"]).expect_success();
    }
    assert!(one.results("runs/small") == other.results("runs/small"));
    one.temper(&["run", "recipe.toml", "--set", "seed=4", "--set", "name=other"]).expect_success();
    assert!(one.results("runs/other") != other.results("runs/small"));
}

#[test]
fn a_chain_of_runs_compares_and_extends() {
    let project = Project::new();
    project.temper(&["run", "recipe.toml"]).expect_success();
    let next = [
        "run",
        "recipe.toml",
        "--set",
        "name=next",
        "--set",
        "stage=mid-train",
        "--set",
        "model.from=runs/small@20",
        "--set",
        "training.max_tokens=1500",
    ];
    let run = project.temper(&next).expect_success();
    assert!(run.stderr.contains("data order restarts"), "{}", run.stderr);
    let info = fs::read_to_string(project.path("runs/next/run.json")).unwrap();
    assert!(info.contains("\"run\": \"small\""), "{info}");

    let compare = ["compare", "runs/small@20", "runs/next", "--suite", "small", "--json"];
    let report = project.temper(&compare).expect_success().json();
    assert_eq!(report["tasks"].as_array().unwrap().len(), 2);
    // Without a suite it is that of the run behind the second checkpoint.
    let compare = ["compare", "runs/small@20", "runs/next", "--json"];
    assert_eq!(project.temper(&compare).expect_success().json(), report);
    let made_by_no_run = ["compare", "runs/next", "checkpoint"];
    copy(&project.path("runs/small/checkpoints/step-000020"), &project.path("checkpoint"));
    let refused = project.temper(&made_by_no_run).expect_code(2).stderr;
    assert!(
        refused.contains("was made by no run")
            && refused.contains("`--suite`; in `data-manifests/suites/`: small"),
        "{refused}"
    );

    let finished = project.temper(&["resume", "runs/next"]).expect_code(2);
    assert!(finished.stderr.contains("--extend"), "{}", finished.stderr);
    project.temper(&["resume", "runs/next", "--extend", "1k"]).expect_success();
    let audit = project.temper(&["audit", "runs/next", "--json"]).expect_success().json();
    assert!(audit["tokens"].as_u64().unwrap() >= 2500, "{audit:#}");
}

#[test]
fn moments_are_kept_where_there_are_some() {
    let project = Project::new();
    project.temper(&["run", "recipe.toml"]).expect_success();
    let next = |name: &str, from: &str| {
        let (name, from) = (format!("name={name}"), format!("model.from={from}"));
        let keep = "optimizer.state=keep";
        project.temper(&["run", "recipe.toml", "--set", &name, "--set", &from, "--set", keep])
    };
    let kept = next("kept", "runs/small").expect_success();
    assert!(kept.stderr.contains("optimizer moments continue"), "{}", kept.stderr);
    copy(&project.path("runs/small/checkpoints/step-000024"), &project.path("weights"));
    let refused = next("refused", "weights").expect_code(2).stderr;
    assert!(refused.contains("`weights` has no training state"), "{refused}");
    assert!(!project.path("runs/refused").exists());
}

#[test]
fn a_checkpoint_writes_text_that_a_seed_decides() {
    let project = Project::new();
    project.temper(&["run", "recipe.toml"]).expect_success();
    let generate = |more: &[&str]| {
        let arguments = ["generate", "runs/small", "--prompt", "benzene", "--max-tokens", "12"];
        project.temper(&[&arguments[..], more].concat()).expect_success().stdout
    };
    assert!(generate(&[]).starts_with("benzene"));
    assert_eq!(generate(&[]), generate(&["--seed", "5"]));
    let warm = |seed| generate(&["--temperature", "1.5", "--seed", seed]);
    assert_eq!(warm("1"), warm("1"));
    assert_ne!(warm("1"), warm("2"));
}

#[test]
fn check_says_what_is_wrong_before_anything_is_written() {
    let project = Project::new();
    project.temper(&["check", "recipe.toml"]).expect_success();
    let deep =
        project.temper(&["check", "recipe.toml", "--deep", "--json"]).expect_success().json();
    assert!(deep["deep"]["loss"].as_f64().unwrap() > 5.0);
    project.edit("recipe.toml", "packing_window", "packing_windw");
    project.edit("recipe.toml", "percent = 75", "percent = 175");
    let refused = project.temper(&["check", "recipe.toml"]).expect_code(2).stderr;
    assert!(
        refused.contains("did you mean `packing_window`") && refused.contains("175"),
        "{refused}"
    );
    assert!(!project.path("runs").exists());
}

#[test]
fn the_cache_is_listed_and_cleaned() {
    let project = Project::new();
    project.temper(&["plan", "recipe.toml"]).expect_success();
    let list = || project.temper(&["cache", "list", "--json"]).expect_success().json();
    assert_eq!(list()["entries"].as_array().unwrap().len(), 2);
    let again = project.temper(&["plan", "recipe.toml"]).expect_success();
    assert!(again.stderr.contains("all from the cache"), "{}", again.stderr);
    assert_eq!(list()["others"], serde_json::json!([]));

    // A run adds the score of its start, and that its suite stands in none of its corpora.
    project.temper(&["run", "recipe.toml"]).expect_success();
    let others = list()["others"].clone();
    for (other, kind) in others.as_array().unwrap().iter().zip(["baselines", "contamination"]) {
        assert_eq!((&other["kind"], &other["entries"]), (&kind.into(), &1.into()), "{others:#}");
        let files = fs::read_dir(project.path(&format!(".temper/cache/{kind}"))).unwrap();
        let bytes: u64 = files.map(|file| file.unwrap().metadata().unwrap().len()).sum();
        assert_eq!(other["bytes"], bytes, "{others:#}");
    }
    assert_eq!(others.as_array().unwrap().len(), 2, "{others:#}");
    let text = project.temper(&["cache", "list"]).expect_success().stdout;
    assert!(text.contains("general") && text.contains("contamination"), "{text}");

    let held = list();
    let bytes =
        |kind: &str| held[kind].as_array().unwrap().iter().map(|it| it["bytes"].as_u64().unwrap());
    let held = bytes("entries").chain(bytes("others")).sum::<u64>();
    let freed = project.temper(&["cache", "clean", "--json"]).expect_success().json();
    assert_eq!(freed["freed_bytes"], held);
    assert_eq!(
        (&list()["entries"], &list()["others"]),
        (&serde_json::json!([]), &serde_json::json!([]))
    );
}

#[test]
fn lanes_change_nothing_but_rounding() {
    let project = Project::new();
    let losses = |name: &str, lane_rows: &str| -> Vec<f64> {
        let name = format!("name={name}");
        let lane_rows = format!("training.micro_batch_size={lane_rows}");
        let set = ["run", "recipe.toml", "--set", &name, "--set", &lane_rows];
        project.temper(&set).expect_success();
        let run = name.replace("name=", "runs/");
        let sql = "SELECT loss FROM steps ORDER BY step";
        let answer = project.temper(&["query", &run, sql, "--json"]).expect_success().json();
        answer.as_array().unwrap().iter().map(|row| row["loss"].as_f64().unwrap()).collect()
    };
    let (one_lane, four_lanes) = (losses("one", "4"), losses("four", "1"));
    assert_eq!(one_lane.len(), 24);
    for (step, (one, four)) in one_lane.iter().zip(&four_lanes).enumerate() {
        assert!((one - four).abs() < 1e-3, "step {step}: {one} and {four}");
    }
}

#[test]
fn a_report_is_the_one_that_the_run_ended_with() {
    let project = Project::new();
    project.temper(&["run", "recipe.toml"]).expect_success();
    let report = || project.temper(&["report", "runs/small", "--json"]).expect_success().json();
    let at_the_end = report();
    let outcome = fs::read_to_string(project.path("runs/small/outcome.json")).unwrap();
    let outcome: serde_json::Value = serde_json::from_str(&outcome).unwrap();
    assert_eq!(at_the_end["gate"], outcome["summary"]["gate"]);
    assert_eq!((&at_the_end["step"], &at_the_end["forgetting"]["looks"]), (&24.into(), &3.into()));

    // A killed run has no outcome: the same report comes from its scores, with as many looks.
    let outcome = project.path("runs/small/outcome.json");
    fs::remove_file(&outcome).unwrap();
    assert_eq!(report(), at_the_end);
    // What was scored after the last checkpoint is of weights that are gone.
    fs::remove_dir_all(project.path("runs/small/checkpoints/step-000024")).unwrap();
    assert_eq!(report()["step"], 16);
    for step in ["008", "016"] {
        fs::remove_file(project.path(&format!("runs/small/evals/step-000{step}.json"))).unwrap();
    }
    let refused = project.temper(&["report", "runs/small"]).expect_code(2).stderr;
    assert!(refused.contains("no score between its baseline and step 20"), "{refused}");
}

#[test]
fn a_score_is_told_task_by_task() {
    let project = Project::new();
    project.temper(&["run", "recipe.toml", "--set", "training.max_steps=4"]).expect_success();
    let eval = ["eval", "runs/small", "--suite", "small"];
    let score = project.temper(&[&eval[..], &["--json"]].concat()).expect_success().json();
    let task = &score["tasks"][0];
    assert_eq!(
        (&task["task"], &task["n_items"], &task["n_clusters"]),
        (&"general-loss".into(), &20.into(), &20.into())
    );
    assert!(
        task["standard_error"].as_f64().unwrap() > 0.0 && task["accuracy"].is_null(),
        "{task:#}"
    );
    assert_eq!(score["score"]["tasks"][0]["items"].as_array().unwrap().len(), 20);
    assert_eq!(score["categories"].as_array().unwrap().len(), 4);
    let tables = project.temper(&eval).expect_success().stdout;
    let loss = format!("{:.4}", task["loss"].as_f64().unwrap());
    assert!(tables.contains("customer-loss") && tables.matches(&loss).count() >= 2, "{tables}");

    // The runs of a project are found from any folder in it.
    let inside = project
        .command(&["runs", "--json"])
        .current_dir(project.path("data-manifests/suites"))
        .output();
    let runs = Call::of(inside.unwrap()).expect_success().json();
    assert_eq!((&runs[0]["name"], &runs[0]["state"]), (&"small".into(), &"finished".into()));
}

#[test]
fn what_a_user_has_becomes_a_corpus() {
    let project = Project::new();
    // Parquet of one's own, such as another tool wrote, gets its manifest in a folder that is not there yet.
    project.write("mine.jsonl", "{\"body\": \"one\", \"key\": 7, \"book\": \"a\"}\n{\"body\": \"two\", \"key\": 8, \"book\": null}\n");
    let columns = ["--text", "body", "--id-column", "key", "--keep", "book"];
    let import = ["corpus", "import", "mine.jsonl", "--out", "mine.parquet", "--json"];
    let report = project.temper(&[&import[..], &columns].concat()).expect_success().json();
    assert_eq!(
        (&report["rows"], &report["text_bytes"], &report["manifest"]),
        (&2.into(), &6.into(), &serde_json::Value::Null)
    );

    let manifest = [
        "--id",
        "mine",
        "--category",
        "prose",
        "--licence",
        "CC0-1.0",
        "--source",
        "me",
        "--split",
        "heldout",
        "--json",
    ];
    let import =
        ["corpus", "import", "mine.parquet", "--id-column", "id", "--keep", "book", "--out"];
    let outside = project
        .temper(&[&import[..], &["new/mine.parquet"], &manifest].concat())
        .expect_code(2)
        .stderr;
    assert!(
        outside.contains("write it to `data-manifests/mine.parquet`")
            && !project.path("new").exists(),
        "{outside}"
    );
    let out = "new/data-manifests/corpora/mine.parquet";
    fs::create_dir(project.path("new")).unwrap();
    let missing =
        [&["corpus", "import", "mine.parquet", "--text", "body", "--out", out], &manifest[..]]
            .concat();
    let missing = project.temper(&missing).expect_code(2).stderr;
    assert!(missing.contains("no column `body`; it has `id`, `text`, `book`"), "{missing}");
    assert_eq!(fs::read_dir(project.path("new")).unwrap().count(), 0);

    let report = project.temper(&[&import[..], &[out], &manifest].concat()).expect_success().json();
    let path = report["manifest"].as_str().unwrap();
    let text = fs::read_to_string(path).unwrap();
    assert!(path.ends_with("new/data-manifests/mine.toml"), "{path}");
    for expected in [
        "split = \"heldout\"",
        "path = \"corpora/mine.parquet\"",
        "rows = 2",
        report["sha256"].as_str().unwrap(),
    ] {
        assert!(text.contains(expected), "no {expected} in\n{text}");
    }
    let again = project
        .temper(&[&import[..], &["data-manifests/mine.parquet"], &manifest].concat())
        .expect_success();
    assert_eq!(again.json()["sha256"], report["sha256"]);

    let train =
        ["tokenizer", "train", "general", "--vocabulary", "300", "--out", "tokenizer", "--json"];
    let made = project.temper(&train).expect_success().json();
    assert_eq!((&made["vocabulary"], &made["documents"]), (&300.into(), &600.into()));
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        if entry.path().is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}
