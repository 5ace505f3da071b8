//! `temper eval --rewards`: held-out prompts judged as a recipe or a run judges.

use std::net::TcpListener;

use serde_json::Value;

use crate::project::{Call, Project};
use crate::{judges, rl};

/// 4 completions of each of 6 prompts, by the checkpoint that was taught answers.
fn eval(project: &Project, rest: &[&str]) -> Call {
    let eval = ["eval", "runs/sft", "--prompts", "asked", "--samples", "4", "--max-tokens", "8"];
    project.temper(&[&eval[..], rest].concat())
}

/// A recipe like `rl.toml` with other rewards.
fn recipe(project: &Project, name: &str, rewards: &str) {
    let text = std::fs::read_to_string(project.path("rl.toml")).unwrap();
    let lines = text.lines().map(|line| match line.starts_with("rewards = ") {
        true => format!("rewards = [{rewards}]\n"),
        false => format!("{line}\n"),
    });
    project.write(name, &lines.collect::<String>());
}

fn mean(of: &Value) -> f64 {
    of["mean"].as_f64().unwrap()
}

#[test]
fn rewards_are_told_by_part_and_in_total() {
    let project = rl::project();
    let by_verifier = eval(&project, &["--verifier", "exact", "--json"]).expect_success().json();
    let from_1 = ["--rewards", "rl.toml", "--pass-from", "1", "--json"];
    let by_recipe = eval(&project, &from_1).expect_success().json();
    // The other part alone is worth half.
    for same in ["n", "samples", "left_out", "pass", "right"] {
        assert_eq!(by_recipe[same], by_verifier[same], "{same}");
    }
    let [exact, begins] = [0, 1].map(|part| mean(&by_recipe["parts"][part]));
    assert_eq!(by_recipe["parts"][1]["measure"], "reward_1_regex");
    assert_eq!(by_recipe["parts"][1]["weight"], 0.5);
    assert!((mean(&by_recipe["reward"]) - (exact + 0.5 * begins)).abs() < 1e-8, "{by_recipe}");
    assert!((exact - by_recipe["pass"][0]["share"].as_f64().unwrap()).abs() < 1e-8, "{by_recipe}");
    assert!((exact - mean(&by_verifier["reward"])).abs() < 1e-8, "{by_verifier}");
    let interval = &by_recipe["reward"]["interval"];
    let [lower, upper] = ["lower", "upper"].map(|end| interval[end].as_f64().unwrap());
    assert!((lower..=upper).contains(&mean(&by_recipe["reward"])), "{by_recipe}");
    let each = by_recipe["rewards"].as_array().unwrap();
    assert_eq!(each.len(), 6);

    // If nothing is said, the most passes: both parts.
    let most = eval(&project, &["--rewards", "rl.toml", "--json"]).expect_success().json();
    assert_eq!(most["pass_from"], 1.5);
    let right = |of: &Value| -> u64 {
        of["right"].as_array().unwrap().iter().map(|right| right.as_u64().unwrap()).sum()
    };
    assert!(right(&most) <= right(&by_recipe), "{most}");
    let shown = eval(&project, &["--rewards", "rl.toml"]).expect_success().stdout;
    for part in ["pass@4", "reward_0_exact", "reward_1_regex", "by a reward of 1.5 or more"] {
        assert!(shown.contains(part), "expected {part:?} in\n{shown}");
    }

    // A run judges as its recipe did.
    project.temper(&["run", "rl.toml", "--set", "training.max_steps=1"]).expect_success();
    let from_1 = ["--rewards", "runs/rl", "--pass-from", "1", "--json"];
    assert_eq!(eval(&project, &from_1).expect_success().json(), by_recipe);
}

#[test]
fn programs_judge_and_each_completion_is_asked_for_once() {
    let project = judges::project();
    recipe(&project, "own.toml", r#"{ program = ["sh", "judge.sh"], workers = 3 }"#);
    let own = eval(&project, &["--rewards", "own.toml", "--json"]).expect_success().json();
    let built_in = eval(&project, &["--verifier", "exact", "--json"]).expect_success().json();
    assert_eq!(own["right"], built_in["right"]);
    assert_eq!(own["parts"][0]["measure"], "reward_0_program");
    let asked = judges::asked(&project);
    assert_eq!(asked.len(), 6 * 4);
    assert!(asked.iter().all(|(id, n)| id.starts_with("eval/") && *n == 1), "{asked:?}");
}

#[test]
fn want_of_an_answer_is_no_score() {
    let project = rl::project();
    let check = |rewards: &str, expected: &[&str]| {
        recipe(&project, "own.toml", rewards);
        let stopped = eval(&project, &["--rewards", "own.toml"]).expect_code(3);
        assert_eq!(stopped.stdout, "");
        for part in expected {
            assert!(stopped.stderr.contains(part), "expected {part:?} in\n{}", stopped.stderr);
        }
    };
    check(
        r#"{ verifier = "exact" }, { program = ["sh", "-c", "exit 7"], workers = 1, retries = 0 }"#,
        &[
            "judging a completion of document",
            "of `asked`: program `sh -c exit 7`, asked once for `eval/0/0`",
            "hint: mend it",
        ],
    );
    // Nobody listens where somebody did.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    check(
        &format!(r#"{{ url = "http://{address}/judge", retries = 0 }}"#),
        &["judging a completion of document", &address.to_string()],
    );
}

#[test]
fn what_cannot_judge_is_refused() {
    let project = rl::project();
    let check = |rest: &[&str], expected: &str| {
        let refused = eval(&project, rest).expect_code(2).stderr;
        assert!(refused.contains(expected), "{refused}");
    };
    check(&[], "--prompts: found neither `--verifier` nor `--rewards`");
    check(&["--verifier", "exact", "--rewards", "rl.toml"], "cannot be used with");
    check(&["--rewards", "sft.toml"], "--rewards: `sft.toml` has no stage `rl`");
    check(&["--rewards", "runs/sft"], "--rewards: `runs/sft` is a run of the stage `sft`");
    check(&["--rewards", "none.toml"], "none.toml");
    check(
        &["--rewards", "rl.toml", "--pass-from", "9"],
        "--pass-from: found 9, expected a reward that these can reach, at most 1.5",
    );
    check(&["--rewards", "rl.toml", "--pass-from", "nan"], "--pass-from: found NaN");
    check(&["--verifier", "number"], "row group 0, row 0: `answer`: `number` cannot judge by it");
}
