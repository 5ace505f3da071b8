//! Runs that end in the middle of episodes and go on.

use std::fs;

use serde_json::Value;

use super::{asked, call, journal, measured, project, settings};
use crate::killed::{Moment, kill_at, start};
use crate::project::Project;

/// A judge to whom all are equal.
const HALF: &str = r#"while IFS= read -r line; do
    id=${line#*\"id\":\"}
    printf '{"id":"%s","reward":0.5}\n' "${id%%\"*}"
done
"#;

#[track_caller]
fn check_same(found: &Project, expected: &Project) {
    for (found, expected) in found.results("runs/rl").iter().zip(expected.results("runs/rl")) {
        assert!(*found == expected, "{} and {}", found.0, expected.0);
    }
    assert!(journal(found, "rl", 5) == journal(expected, "rl", 5));
    assert!(!found.files().iter().any(|file| file.contains(".replies")));
}

#[test]
fn whatever_ends_a_run_no_episode_that_is_over_is_played_again() {
    let whole = project();
    let (killed, failed) = (whole.copy(), whole.copy());
    let settings = settings("max_turns=3", "");
    let run = call(&settings, &[]);
    whole.temper(&run).expect_success();
    let expected = asked(&whole);
    assert!(expected.values().all(|n| *n == 1));

    // Killed at a second answer: its own episode, and others that go on, are played to a new process up to there.
    killed.write("waits", "");
    let mut child = start(&killed, &run);
    let moment = Moment::new("waiting", |root| root.join("waiting").exists());
    assert!(kill_at(&mut child, &killed.path(""), &moment), "it ended before it was killed");
    fs::remove_file(killed.path("waits")).unwrap();
    killed.temper(&["resume", "runs/rl"]).expect_success();
    check_same(&killed, &whole);
    let found = asked(&killed);
    assert!(found.keys().eq(expected.keys()));
    let mut n_under_way = 0;
    for ((id, n), times) in &found {
        let goes_on = id.starts_with("5/") && expected.contains_key(&(id.clone(), 2));
        let expected = if goes_on && *n < 2 { 2 } else { 1 };
        n_under_way += usize::from(*times == expected + 1 && goes_on && *n == 2);
        assert!(*times == expected || (goes_on && *n == 2), "{id} {n}: {times} times");
    }
    assert_eq!(n_under_way, 1);

    // One that fails as often as it may stops the run, which goes on when it is mended.
    failed.write("broken", "");
    let stopped = failed.temper(&run).expect_code(3).stderr;
    for part in [
        "an episode of document",
        "environment `./world.sh`, asked 2 times for `5/",
        "it ended without a reply (exit status: 3)",
        "its standard error ends with\n    out of rooms",
        "`temper resume` goes on",
    ] {
        assert!(stopped.contains(part), "expected {part:?} in\n{stopped}");
    }
    assert_eq!(failed.temper(&["runs", "--json"]).expect_success().json()[0]["state"], "failed");
    fs::remove_file(failed.path("broken")).unwrap();
    // Mended, but not to say the same.
    failed.write("again", "stone");
    let stopped = failed.temper(&["resume", "runs/rl"]).expect_code(3).stderr;
    for part in ["its reply to answer 1 is", "stone", "as before", "must say the same"] {
        assert!(stopped.contains(part), "expected {part:?} in\n{stopped}");
    }
    fs::remove_file(failed.path("again")).unwrap();
    failed.temper(&["resume", "runs/rl"]).expect_success();
    check_same(&failed, &whole);
}

#[test]
fn episodes_are_refilled_masked_and_judged_beside() {
    let project = project();
    project.write("half.sh", HALF);
    let judge = "{program=[\"sh\",\"half.sh\"],workers=1,weight=0.5}";
    let whole = settings("max_turns=2", judge);
    let more = ["rl.refill=2", "rl.mask_truncated=true", "rl.normalisation=dr-grpo", "rl.kl=0"];
    project.write("role", "tool");
    let killed = project.copy();
    project.temper(&call(&whole, &more)).expect_success();
    project.temper(&["audit", "runs/rl"]).expect_success();
    assert!(asked(&project).keys().any(|(id, _)| id.contains(".1/")), "no group was refilled");
    let mut n_cut = 0.0;
    for step in 0..12 {
        let of = measured(&project, "rl", step);
        assert_eq!(of["reward_0_program"], 0.5 * of["completions"]);
        let reward = of["reward_environment"] + 0.25 * of["completions"];
        assert!((of["reward"] - reward).abs() < 1e-9, "{of:?}");
        n_cut += of["truncated"];
        // What did not end is not learned from.
        assert!(of["truncated"] == 0.0 || of["learned_tokens"] < of["tokens"], "{of:?}");
    }
    assert!(n_cut > 0.0, "every answer ended: nothing was masked");
    let role = |entry: &Value| entry["turns"][1]["messages"][0]["role"] == "tool";
    assert!(journal(&project, "rl", 0).iter().all(role));

    killed.write("waits", "");
    let mut child = start(&killed, &call(&whole, &more));
    let moment = Moment::new("waiting", |root| root.join("waiting").exists());
    assert!(kill_at(&mut child, &killed.path(""), &moment), "it ended before it was killed");
    fs::remove_file(killed.path("waits")).unwrap();
    killed.temper(&["resume", "runs/rl"]).expect_success();
    check_same(&killed, &project);
}
