//! Rounds of training, each from the last one's checkpoint and on what is new alone.

use std::collections::HashSet;
use std::fs;

use crate::killed::killed_after_a_checkpoint;
use crate::project::{Project, texts};

const WORDS: [&str; 6] = ["benzene", "solvent", "titration", "mole", "reacts", "acid"];

/// A project of which `first.toml`, `second.toml` and `third.toml` are rounds.
fn project() -> Project {
    let project = Project::new();
    let recipe = fs::read_to_string(project.path("recipe.toml")).unwrap();
    let recipe = recipe
        .replace("max_steps = 24", "max_steps = 8")
        .replace("packing_window = 64", "packing_window = 64\nmax_epochs = 1");
    project.write("first.toml", &recipe.replace("\"small\"\nstage", "\"first\"\nstage"));
    for (before, name) in [("first", "second"), ("second", "third")] {
        let round = recipe
            .replace(
                "\"small\"\nstage = \"pretrain\"",
                &format!("\"{name}\"\nstage = \"mid-train\""),
            )
            .replace("init = \"model\"", &format!("from = \"runs/{before}\""))
            .replace("max_epochs = 1", "max_epochs = 1\nskip_seen = [\"customer\"]")
            .replace("suite = \"small\"", "suite = \"small\"\nsince = \"runs/first\"");
        project.write(&format!("{name}.toml"), &round);
    }
    project
}

/// The customer's corpus as it is by now, with its first `n` documents.
fn feedback(project: &Project, n: usize) {
    for file in ["data-manifests/customer.parquet", "data-manifests/customer.toml"] {
        fs::remove_file(project.path(file)).unwrap();
    }
    project.import("customer", "chemistry", "train", &texts(&WORDS, 0..n));
}

/// What the run has trained on of the customer's, by what the documents hold.
fn seen(project: &Project, run: &str) -> HashSet<String> {
    let sql = "SELECT DISTINCT document_ids FROM segments WHERE source = 'customer'";
    let found = project.temper(&["query", run, sql, "--json"]).expect_success().json();
    let ids = |line: &serde_json::Value| line["document_ids"].as_str().unwrap().to_owned();
    found.as_array().unwrap().iter().map(ids).collect()
}

#[test]
fn three_rounds_train_on_nothing_twice_and_report_since_the_first() {
    let project = project();
    let mut before: HashSet<String> = HashSet::new();
    for (number, round) in ["first", "second", "third"].into_iter().enumerate() {
        feedback(&project, 400 + 100 * number);
        let recipe = format!("{round}.toml");
        project.temper(&["check", &recipe, "--deep"]).expect_success();
        let planned = project.temper(&["plan", &recipe, "--json"]).expect_success().json();
        let sources = planned["sources"].as_array().unwrap();
        let customer = sources.iter().find(|source| source["source"] == "customer").unwrap();
        assert_eq!(customer["pass"]["seen_documents"], before.len(), "{round}");
        assert_eq!(customer["pass"]["left_out_documents"], 0, "{round}");

        project.temper(&["run", &recipe]).expect_success();
        let run = format!("runs/{round}");
        let new = seen(&project, &run);
        assert!(!new.is_empty() && new.is_disjoint(&before), "{round}");
        before.extend(new);
        project.temper(&["audit", &run]).expect_success();
    }
    let report = project.temper(&["report", "runs/third", "--json"]).expect_success().json();
    assert_eq!(report["since"]["checkpoint"], "runs/first");
    let of = |run: &str| {
        project.temper(&["report", run, "--json"]).expect_success().json()["forgetting"].clone()
    };
    for (task, number) in [("general-loss", 0), ("customer-loss", 1)] {
        let since = &report["since"]["forgetting"]["tasks"][number];
        assert_eq!(since["task"], task);
        // The chain begins where the first round ended and ends where the last one did.
        assert_eq!(since["before"], of("runs/first")["tasks"][number]["after"]);
        assert_eq!(since["after"], of("runs/third")["tasks"][number]["after"]);
    }
    let printed = project.temper(&["report", "runs/third"]).expect_success().stdout;
    assert!(printed.contains("since runs/first, which the gate goes by"), "{printed}");
}

#[test]
fn a_killed_round_goes_on_without_the_runs_behind_it() {
    let project = project();
    project.temper(&["run", "first.toml"]).expect_success();
    let again = project.copy();
    project.temper(&["run", "second.toml"]).expect_success();

    let again = killed_after_a_checkpoint(&again, &["run", "second.toml"], "runs/second");
    fs::rename(again.path("runs/first"), again.path("elsewhere")).unwrap();
    again.temper(&["resume", "runs/second"]).expect_success();
    for (found, expected) in again.results("runs/second").iter().zip(project.results("runs/second"))
    {
        assert!(*found == expected, "{} and {}", found.0, expected.0);
    }
    again.temper(&["audit", "runs/second"]).expect_success();

    // A new round does need them.
    let refused = again.temper(&["run", "third.toml"]).expect_code(2).stderr;
    assert!(refused.contains("`runs/first`"), "{refused}");
    again.edit("third.toml", "since = \"runs/first\"", "");
    let refused = again.temper(&["run", "third.toml"]).expect_code(2).stderr;
    assert!(
        refused.contains("is not the run that the starting checkpoint comes from"),
        "{refused}"
    );
    assert!(refused.contains("leave `data_mixing.skip_seen` out"), "{refused}");
    assert!(!again.path("runs/third").exists());
}

#[test]
fn what_was_left_out_is_audited() {
    let project = project();
    project.temper(&["run", "first.toml"]).expect_success();
    project.temper(&["run", "second.toml"]).expect_success();
    project.temper(&["run", "third.toml"]).expect_success();
    fs::copy(project.path("runs/third/seen.parquet"), project.path("runs/second/seen.parquet"))
        .unwrap();
    let found = project.temper(&["audit", "runs/second"]).expect_code(1).stdout;
    assert!(found.contains("seen: documents of `customer` left out: found"), "{found}");
    assert!(found.contains("in the mix: no run behind the start trained on it"), "{found}");
    fs::remove_file(project.path("runs/second/seen.parquet")).unwrap();
    let found = project.temper(&["audit", "runs/second"]).expect_code(1).stdout;
    assert!(found.contains("seen: seen.parquet: found no such file"), "{found}");
}

#[test]
fn a_round_without_anything_new_is_refused() {
    let project = project();
    feedback(&project, 30);
    // Two passes over thirty documents.
    project.edit("first.toml", "max_epochs = 1", "max_epochs = 9");
    project.temper(&["run", "first.toml"]).expect_success();
    let refused = project.temper(&["run", "second.toml"]).expect_code(2).stderr;
    assert!(
        refused.contains("source `customer`: all of its 30 documents were trained on by the runs behind the start (first@8)"),
        "{refused}"
    );
    project.edit("second.toml", "skip_seen = [\"customer\"]", "skip_seen = [\"chemist\"]");
    let refused = project.temper(&["check", "second.toml"]).expect_code(2).stderr;
    assert!(
        refused.contains("found `chemist`, expected sources of the mix, each once"),
        "{refused}"
    );
}

#[test]
fn a_task_is_scored_by_period_and_gated_as_a_whole() {
    let project = project();
    let times = ["\"2026-06-30T23:59:59Z\"", "\"2026-07-01T00:00:00Z\"", "\"2026-05-04\"", "null"];
    let lines = texts(&WORDS, 600..620);
    let lines = lines.lines().enumerate().map(|(number, line)| {
        let text = line.strip_suffix('}').unwrap();
        format!("{text}, \"time\": {}}}\n", times[number % 4])
    });
    project.write("log.jsonl", &lines.collect::<String>());
    let named = ["--id", "log", "--category", "chemistry", "--licence", "CC0-1.0"];
    let kept = ["--source", "made by a test", "--split", "heldout", "--keep", "time"];
    let import = ["corpus", "import", "log.jsonl", "--out", "data-manifests/log.parquet"];
    project.temper(&[&import[..], &named, &kept].concat()).expect_success();
    let suite = "data-manifests/suites/small.toml";
    let split = "corpus = \"log\"\nperiods = { column = \"time\", by = \"month\" }";
    project.edit(suite, "corpus = \"customer-heldout\"", split);

    project.temper(&["run", "first.toml"]).expect_success();
    let report = project.temper(&["report", "runs/first", "--json"]).expect_success().json();
    let gated = report["gate"]["verdicts"].as_array().unwrap();
    assert_eq!(gated.len(), 1, "{report}");
    let score = ["eval", "runs/first", "--suite", "small"];
    let scored = project.temper(&[&score[..], &["--json"]].concat()).expect_success().json();
    let expected = ["2026-05", "2026-06", "2026-07", "no time"];
    let expected = expected.map(|period| format!("customer-loss/{period}"));
    let (mut nats, mut tokens) = (0.0, 0.0);
    for (number, name) in expected.iter().enumerate() {
        let (change, score) =
            (&report["forgetting"]["periods"][number], &scored["periods"][number]);
        assert_eq!(
            (&change["task"], &score["task"]),
            (&name.as_str().into(), &name.as_str().into())
        );
        assert_eq!((&change["n_items"], &score["n_items"]), (&5.into(), &5.into()), "{name}");
        assert_eq!(change["after"], score["loss"], "{name}");
        assert!(change["interval"]["lower"].as_f64() < change["interval"]["upper"].as_f64());
        tokens += score["tokens"].as_f64().unwrap();
        nats += score["tokens"].as_f64().unwrap() * score["loss"].as_f64().unwrap();
    }
    let whole = &scored["tasks"][1];
    assert_eq!((&whole["task"], &whole["n_items"]), (&"customer-loss".into(), &20.into()));
    assert!((whole["loss"].as_f64().unwrap() - nats / tokens).abs() < 1e-6, "{scored}");
    for printed in [&["report", "runs/first"][..], &score] {
        let printed = project.temper(printed).expect_success().stdout;
        let at = printed.find("by period").unwrap();
        assert!(expected.iter().all(|name| printed[at..].contains(name)), "{printed}");
    }

    let check = ["check", "first.toml"];
    let checked = project.temper(&check).expect_success().stdout;
    assert!(checked.contains("40 items of 2 tasks in suite `small` can be scored"), "{checked}");
    project.edit(suite, "column = \"time\"", "column = \"moment\"");
    for call in [&score[..], &check, &["check", "first.toml", "--deep"]] {
        let refused = project.temper(call).expect_code(2).stderr;
        assert!(refused.contains("task `customer-loss`: "), "{refused}");
        assert!(refused.contains("`periods.column` is `moment`: found "), "{refused}");
        assert!(refused.contains("name another column in the suite"), "{refused}");
    }
}
