//! Whole runs of the losses, normalisations and optimizers that other tests do not run: each learns what it is to learn.

use serde_json::Value;

use crate::project::Project;
use crate::{dpo, rl};

/// The first and the last step's sum of a measure.
fn ends(project: &Project, run: &str, measure: &str) -> [f64; 2] {
    let sql = format!(
        "SELECT step, SUM(value) AS value FROM measures WHERE measure = '{measure}' GROUP BY step ORDER BY step"
    );
    let rows = project.temper(&["query", run, &sql, "--json"]).expect_success().json();
    let rows = rows.as_array().unwrap();
    [&rows[0], &rows[rows.len() - 1]].map(|row: &Value| row["value"].as_f64().unwrap())
}

fn run(project: &Project, recipe: &str, name: &str, sets: &[&str]) -> String {
    let name_set = format!("name={name}");
    let sets = sets.iter().copied().chain([name_set.as_str()]);
    let call = ["run", recipe].into_iter().chain(sets.flat_map(|set| ["--set", set]));
    project.temper(&call.collect::<Vec<_>>()).expect_success();
    let run = format!("runs/{name}");
    project.temper(&["audit", &run]).expect_success();
    run
}

#[test]
fn rewards_teach_under_every_normalisation() {
    let project = rl::project();
    for normalisation in ["grpo", "dapo", "dr-grpo", "rloo"] {
        let normalisation_set = format!("rl.normalisation={normalisation}");
        // A narrow clip and several updates, so that some tokens are clipped.
        let sets = [&normalisation_set, "rl.clip=[0.01,0.01]", "rl.updates_per_rollout=4"];
        let run = run(&project, "rl.toml", normalisation, &sets);
        let [first, last] = ends(&project, &run, "reward_0_exact").map(|right| right / 32.0);
        assert!(last > first + 0.1, "{normalisation}: from {first} to {last}");
        let [_, clipped] = ends(&project, &run, "clipped_tokens");
        assert!(clipped > 0.0, "{normalisation}: nothing is clipped");
    }
}

#[test]
fn pairs_teach_under_every_loss() {
    let project = dpo::project();
    for (loss, beta) in [("sigmoid", "0.5"), ("sigmoid-norm", "5"), ("ipo", "0.1")] {
        let sets = [format!("preference.loss={loss}"), format!("preference.beta={beta}")];
        let run = run(&project, "dpo.toml", loss, &sets.each_ref().map(String::as_str));
        let [first, last] = ends(&project, &run, "margin");
        assert!(first == 0.0 && last > 0.0, "{loss}: from {first} to {last}");
        let [pairs, _] = ends(&project, &run, "pairs");
        let [_, correct] = ends(&project, &run, "correct");
        assert!(correct > 0.7 * pairs, "{loss}: {correct} of {pairs}");
    }
}

#[test]
fn answers_are_learned_under_every_optimizer() {
    let project = rl::project();
    for (name, lr) in [("adamw", 1e-3), ("muon", 1e-2), ("lion", 1e-3), ("sgd", 0.3)] {
        let sets = [
            format!("optimizer.name={name}"),
            format!("optimizer.lr={lr}"),
            "model.from=runs/small".to_owned(),
            "data_mixing.max_epochs=100".to_owned(),
        ];
        let run = run(&project, "sft.toml", name, &sets.each_ref().map(String::as_str));
        let sql = "SELECT loss FROM steps ORDER BY step";
        let losses = project.temper(&["query", &run, sql, "--json"]).expect_success().json();
        let loss = |step: usize| losses[step]["loss"].as_f64().unwrap();
        assert!(loss(29) < 0.8 * loss(0), "{name}: from {} to {}", loss(0), loss(29));
    }
}
