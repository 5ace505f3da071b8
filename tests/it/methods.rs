//! Whole runs of every normalisation, and of the losses and optimizers beside the usual ones: each learns what it is to
//! learn.

use crate::project::Project;
use crate::{dpo, rl};

/// A measure, step by step.
fn steps(project: &Project, run: &str, measure: &str) -> Vec<f64> {
    let sql = format!(
        "SELECT step, SUM(value) AS value FROM measures WHERE measure = '{measure}' GROUP BY step ORDER BY step"
    );
    let rows = project.temper(&["query", run, &sql, "--json"]).expect_success().json();
    rows.as_array().unwrap().iter().map(|row| row["value"].as_f64().unwrap()).collect()
}

fn run(project: &Project, recipe: &str, name: &str, sets: &[&str]) -> String {
    let named = format!("name={name}");
    let sets = sets.iter().copied().chain([named.as_str()]);
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
        let chosen = format!("rl.normalisation={normalisation}");
        // A narrow clip and several updates, so that some tokens are clipped.
        let sets = [&chosen, "rl.clip=[0.01,0.01]", "rl.updates_per_rollout=4"];
        let run = run(&project, "rl.toml", normalisation, &sets);
        let right = steps(&project, &run, "reward_0_exact");
        let (first, last) = (right[0] / 32.0, right[11] / 32.0);
        assert!(last > first + 0.1, "{normalisation}: from {first} to {last}");
        let clipped: f64 = steps(&project, &run, "clipped_tokens").iter().sum();
        assert!(clipped > 0.0, "{normalisation}: nothing is clipped");
    }
}

#[test]
fn pairs_teach_under_other_losses() {
    let project = dpo::project();
    for (loss, beta) in [("sigmoid-norm", "5"), ("ipo", "0.1")] {
        let sets = [format!("preference.loss={loss}"), format!("preference.beta={beta}")];
        let run = run(&project, "dpo.toml", loss, &sets.each_ref().map(String::as_str));
        let margin = steps(&project, &run, "margin");
        assert!(
            margin[0] == 0.0 && margin[11] > 0.0,
            "{loss}: from {} to {}",
            margin[0],
            margin[11]
        );
        let correct = steps(&project, &run, "correct")[11];
        assert!(correct >= 7.0, "{loss}: {correct} of 8");
    }
}

#[test]
fn answers_are_learned_under_other_optimizers() {
    let project = rl::project();
    for (name, lr) in [("muon", 1e-2), ("lion", 1e-3), ("sgd", 0.3)] {
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
