//! Curated rows beside pairs and rewards.

use serde_json::Value;

use crate::killed::killed_after_a_checkpoint;
use crate::project::Project;
use crate::{dpo, kto, rl};

const REPLAY: &str = "[replay]\nrows_per_step = 3\nweight = 0.5\nsequence_length = 64\n\
                      [replay.data_mixing]\nmax_epochs = 100\nweights = { general = 3, customer = 1 }\n\
                      [anchor]\nkl = 0.01\newc = 0.01\nfisher_rows = 4\n";

fn query(project: &Project, run: &str, sql: &str) -> Vec<Value> {
    let found = project.temper(&["query", run, sql, "--json"]).expect_success().json();
    found.as_array().unwrap().clone()
}

/// The loss of a source over the first and the last three steps, nats per token.
fn losses(project: &Project, run: &str, source: &str) -> [f64; 2] {
    let sql = format!(
        "SELECT step, loss_sum / tokens AS loss FROM losses WHERE source = '{source}' ORDER BY step"
    );
    let losses: Vec<f64> =
        query(project, run, &sql).iter().map(|row| row["loss"].as_f64().unwrap()).collect();
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    [mean(&losses[..3]), mean(&losses[losses.len() - 3..])]
}

/// A run with replay: its rows, its shares, what it taught, and the same bytes after a kill.
fn check(project: &Project, recipe: &str, run: &str, own: &str, n_own: u64) {
    let text = std::fs::read_to_string(project.path(recipe)).unwrap();
    project.write(recipe, &format!("{text}{REPLAY}"));
    let checked = project.temper(&["check", recipe]).expect_success().stdout;
    assert!(
        checked.contains("3 rows of `customer`, `general` are replayed in every step"),
        "{checked}"
    );
    let again = project.copy();
    project.temper(&["run", recipe]).expect_success();
    let audit = project.temper(&["audit", run, "--json"]).expect_success().json();
    let realised = |name: &str| {
        let sources = audit["sources"].as_array().unwrap();
        let source = sources.iter().find(|source| source["source"] == name).unwrap();
        (source["realised"].as_f64().unwrap(), source["rows"].as_u64().unwrap())
    };
    // Shares of the mix sum to one, and so do those of what is replayed.
    let [(general, general_rows), (customer, customer_rows)] =
        ["general", "customer"].map(realised);
    assert!(
        (general + customer - 1.0).abs() < 1e-9 && (general - 0.75).abs() < 0.05,
        "{general} {customer}"
    );
    assert_eq!(general_rows + customer_rows, 3 * 12);
    assert_eq!(realised(own).1, n_own);
    let norms = query(
        project,
        run,
        "SELECT step, source, value FROM measures WHERE measure = 'gradient_norm' AND source = 'replay'",
    );
    assert_eq!(norms.len(), 12);
    assert!(norms.iter().all(|norm| norm["value"].as_f64() > Some(0.0)));
    // What is replayed is held to what the starting model says of it, and to its weights.
    for term in ["kl", "ewc"] {
        let sql = format!(
            "SELECT step, value FROM measures WHERE source = 'anchor' AND measure = '{term}' ORDER BY step"
        );
        let terms: Vec<f64> =
            query(project, run, &sql).iter().map(|row| row["value"].as_f64().unwrap()).collect();
        assert_eq!(terms.len(), 12, "{term}");
        // Of several updates with the same completions the last one is measured, so that even the first step
        // may stand away from the start.
        assert!(terms.iter().all(|term| *term > -1e-6) && terms[11] > 0.0, "{term}: {terms:?}");
    }
    let [first, last] = losses(project, run, "general");
    assert!(last < first, "from {first} to {last}");
    let report = project.temper(&["report", run]).expect_success().stdout;
    assert!(report.contains("gradient, over the stage's"), "{report}");

    let again = killed_after_a_checkpoint(&again, &["run", recipe], run);
    again.temper(&["resume", run]).expect_success();
    for (found, expected) in again.results(run).iter().zip(project.results(run)) {
        assert!(*found == expected, "{} and {}", found.0, expected.0);
    }
}

#[test]
fn beside_rewards_it_is_mixed_recorded_and_learned_from() {
    let project = rl::project();
    check(&project, "rl.toml", "runs/rl", "asked", 4 * 12);
}

#[test]
fn beside_pairs_it_is_mixed_recorded_and_learned_from() {
    let project = dpo::project();
    check(&project, "dpo.toml", "runs/dpo", "rivers", 24);
}

#[test]
fn beside_judged_answers_it_is_mixed_recorded_and_learned_from() {
    let project = kto::project();
    check(&project, "kto.toml", "runs/kto", "rivers", 24);
}

#[test]
fn a_run_with_it_is_remixed_and_extended() {
    let project = dpo::project();
    let text = std::fs::read_to_string(project.path("dpo.toml")).unwrap();
    let text = text.replace("max_steps = 12", "max_epochs = 1").replace("every = 4", "every = 5");
    project.write("dpo.toml", &format!("{text}{REPLAY}"));
    project.temper(&["run", "dpo.toml"]).expect_success();
    let own = |since: &str| {
        let sql = format!(
            "SELECT SUM(supervised) AS tokens FROM ledger WHERE step >= {since} AND source IN ('rivers', 'solvents')"
        );
        query(&project, "runs/dpo", &sql)[0]["tokens"].as_u64().unwrap()
    };
    let steps = || query(&project, "runs/dpo", "SELECT COUNT(*) AS n FROM steps")[0]["n"].clone();

    // What is extended is what a budget counts: pairs, not what is replayed beside them.
    let before = own("0");
    project.edit("dpo.toml", "rivers = 25", "rivers = 75");
    let extended = ["resume", "runs/dpo", "--extend", "300", "--remix", "dpo.toml"];
    let seam = steps().to_string();
    project.temper(&extended).expect_success();
    let more = own(&seam);
    assert!((300..400).contains(&more) && own("0") == before + more, "{more} after {before}");
    project.temper(&["audit", "runs/dpo"]).expect_success();
    let replayed = format!(
        "SELECT COUNT(*) AS n FROM ledger WHERE step >= {seam} AND source IN ('general', 'customer')"
    );
    let n_steps = steps().as_u64().unwrap() - seam.parse::<u64>().unwrap();
    assert_eq!(query(&project, "runs/dpo", &replayed)[0]["n"], 3 * n_steps);
    let plan = std::fs::read_to_string(project.path("runs/dpo/plan.json")).unwrap();
    let plan: Value = serde_json::from_str(&plan).unwrap();
    let rows = query(&project, "runs/dpo", "SELECT COUNT(*) AS n FROM ledger");
    assert_eq!((&plan["own_tokens"], &plan["rows"]), (&(before + more).into(), &rows[0]["n"]));
}

#[test]
fn what_cannot_be_replayed_is_refused() {
    let project = dpo::project();
    let text = std::fs::read_to_string(project.path("dpo.toml")).unwrap();
    project.write("dpo.toml", &format!("{text}{REPLAY}"));
    let refused = |sets: &[&str], expected: &str| {
        let mut call = vec!["check", "dpo.toml"];
        call.extend(sets.iter().flat_map(|set| ["--set", set]));
        let found = project.temper(&call).expect_code(2).stderr;
        assert!(found.contains(expected), "{found}");
    };
    refused(&["replay.weight=0"], "replay.weight: found `0`, expected more than 0");
    refused(&["replay.rows_per_step=0"], "replay.rows_per_step: found `0`");
    refused(
        &["replay.data_mixing.weights={rivers=1}"],
        "`rivers` is a source of the stage's own mix",
    );
    refused(&["replay.data_mixing.weights={nowhere=1}"], "replay.data_mixing.weights");
    refused(
        &["replay.data_mixing.on_exhausted=stop"],
        "expected replay to last as long as the stage",
    );
    refused(&["replay.data_mixing={tokens={general=\"1k\"}}"], "found amounts, expected shares");
    refused(&["stage=sft"], "replay: found in the stage `sft`");
    let plan = [
        "plan",
        "dpo.toml",
        "--set",
        "replay.data_mixing.max_epochs=1",
        "--set",
        "training.max_steps=4000",
    ];
    let found = project.temper(&plan).expect_code(2).stderr;
    assert!(found.contains("cannot supply its share"), "{found}");
}
