//! Rewards from outside: programs that judge, asked once for each completion.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::killed::{Moment, kill_at, start};
use crate::project::Project;
use crate::rl;

/// Finds an answer right that has the words of the reference, as the verifier `exact` does. Every request is
/// counted; at `5/1/2` it may fail or wait, as files in the project say.
const JUDGE: &str = r#"#!/bin/sh
set -f
while IFS= read -r line; do
    id=${line#*\"id\":\"}; id=${id%%\"*}
    completion=${line#*\"completion\":\"}; completion=${completion%%\"*}
    reference=${line#*\"reference\":\"}; reference=${reference%%\"*}
    echo "$id" >> asked.txt
    if [ "$id" = 5/1/2 ] && [ -e broken ]; then echo 'out of luck' >&2; exit 3; fi
    if [ "$id" = 5/1/2 ] && [ -e waits ]; then
        : > waiting
        while [ -e waits ]; do sleep 0.01; done
    fi
    set -- $(printf '%b' "$completion")
    if [ "$*" = "$reference" ]; then reward=1; else reward=0.0; fi
    printf '{"id":"%s","reward":%s}\n' "$id" "$reward"
done
"#;

const PROGRAM: &str = "rl.rewards=[{program=[\"./judge.sh\"],workers=1,retries=1}]";

const RUN: [&str; 4] = ["run", "rl.toml", "--set", PROGRAM];

/// The project of the tests of `rl`, with a program that judges.
pub(crate) fn project() -> Project {
    let project = rl::project();
    project.write("judge.sh", JUDGE);
    let executable = fs::Permissions::from_mode(0o755);
    fs::set_permissions(project.path("judge.sh"), executable).unwrap();
    project
}

/// The last weights of a run.
fn weights(project: &Project) -> Vec<u8> {
    let is_weights = |(name, _): &(String, Vec<u8>)| name.ends_with("/model.safetensors");
    project.results("runs/rl").into_iter().find(is_weights).unwrap().1
}

/// How often the program was asked, by request.
pub(crate) fn asked(project: &Project) -> BTreeMap<String, usize> {
    let mut asked = BTreeMap::new();
    for id in fs::read_to_string(project.path("asked.txt")).unwrap().lines() {
        *asked.entry(id.to_owned()).or_default() += 1;
    }
    asked
}

/// That every completion of a run was asked for once, and `twice` once more.
#[track_caller]
fn check_asked(project: &Project, twice: Option<&str>) {
    let asked = asked(project);
    // 12 steps of 4 prompts with 8 completions each.
    assert_eq!(asked.len(), 12 * 4 * 8);
    for (id, n) in asked {
        assert_eq!(n, if Some(id.as_str()) == twice { 2 } else { 1 }, "{id}");
    }
}

/// That two runs came to the same.
#[track_caller]
pub(crate) fn check_same(found: &Project, expected: &Project) {
    for (found, expected) in found.results("runs/rl").iter().zip(expected.results("runs/rl")) {
        assert!(*found == expected, "{} and {}", found.0, expected.0);
    }
    let journal = |project: &Project| {
        fs::read(project.path("runs/rl/private/rollouts/step-000005.jsonl")).unwrap()
    };
    assert!(journal(found) == journal(expected));
    assert!(!found.files().iter().any(|file| file.contains(".awards")));
}

#[test]
fn a_program_that_judges_like_a_verifier_teaches_the_same() {
    let built_in = project();
    let own = built_in.copy();
    let exact = "rl.rewards=[{verifier=\"exact\"}]";
    built_in.temper(&["run", "rl.toml", "--set", exact]).expect_success();
    let program = "rl.rewards=[{program=[\"sh\",\"judge.sh\"],workers=3}]";
    own.temper(&["run", "rl.toml", "--set", program]).expect_success();
    assert!(weights(&own) == weights(&built_in));
    check_asked(&own, None);
    own.temper(&["audit", "runs/rl"]).expect_success();
    let sql = "SELECT value FROM measures WHERE measure = 'reward_0_program' AND step = 11";
    let rewards = own.temper(&["query", "runs/rl", sql, "--json"]).expect_success().json();
    assert!(rewards[0]["value"].as_f64() > Some(0.0), "{rewards}");
}

#[test]
fn what_takes_the_place_of_a_group_is_asked_for_too() {
    let project = project();
    let sets = ["rl.group_size=2", "rl.refill=2", "training.max_steps=4"];
    let sets = sets.iter().flat_map(|set| ["--set", set]);
    project.temper(&RUN.into_iter().chain(sets).collect::<Vec<_>>()).expect_success();
    let asked = asked(&project);
    assert!(asked.values().all(|n| *n == 1), "{asked:?}");
    assert!(asked.keys().any(|id| id.contains(".1/")), "{asked:?}");
    let sql = "SELECT SUM(value) AS sum FROM measures WHERE measure = 'completions'";
    let completions = project.temper(&["query", "runs/rl", sql, "--json"]).expect_success().json();
    assert_eq!(completions[0]["sum"].as_f64(), Some(asked.len() as f64));
    project.temper(&["audit", "runs/rl"]).expect_success();
}

#[test]
fn whatever_ends_a_run_nothing_is_asked_twice() {
    let whole = project();
    let (killed, failed) = (whole.copy(), whole.copy());
    whole.temper(&RUN).expect_success();
    check_asked(&whole, None);

    // Killed in the middle of a step: only what was under way is asked for again.
    killed.write("waits", "");
    let mut child = start(&killed, &RUN);
    let moment = Moment::new("waiting", |root| root.join("waiting").exists());
    assert!(kill_at(&mut child, &killed.path(""), &moment), "it ended before it was killed");
    fs::remove_file(killed.path("waits")).unwrap();
    killed.temper(&["resume", "runs/rl"]).expect_success();
    check_asked(&killed, Some("5/1/2"));
    check_same(&killed, &whole);

    // A program that fails as often as it may stops the run, which goes on when it is mended.
    failed.write("broken", "");
    let stopped = failed.temper(&RUN).expect_code(3).stderr;
    for part in [
        "judging a completion of document",
        "program `./judge.sh`, asked 2 times for `5/1/2`: it ended without a reply (exit status: 3)",
        "its standard error ends with\n    out of luck",
        "`temper resume` goes on",
    ] {
        assert!(stopped.contains(part), "expected {part:?} in\n{stopped}");
    }
    assert_eq!(failed.temper(&["runs", "--json"]).expect_success().json()[0]["state"], "failed");
    fs::remove_file(failed.path("broken")).unwrap();
    failed.temper(&["resume", "runs/rl"]).expect_success();
    assert_eq!(asked(&failed)["5/1/2"], 3);
    assert!(asked(&failed).into_iter().all(|(id, n)| n == 1 || id == "5/1/2"));
    check_same(&failed, &whole);
}

#[test]
fn judges_are_looked_at_before_anything_is_sampled() {
    let project = project();
    let checked = |rewards: &str| {
        project.temper(&["check", "rl.toml", "--set", &format!("rl.rewards=[{rewards}]")])
    };
    let found = checked(
        "{verifier=\"exact\"},{program=[\"./judge.sh\"],weight=0.5},\
         {url=\"http://127.0.0.1:9/judge\",token_env=\"NO_SUCH_TOKEN_ANYWHERE\"}",
    );
    let found = found.expect_success().stdout;
    for line in [
        "rewarded by the verifier `exact`, weight 1\n",
        "rewarded by the program `./judge.sh` (",
        "judge.sh, 4 at a time), weight 0.5\n",
        "rewarded by the url `http://127.0.0.1:9/judge` (8 at a time; no token in `NO_SUCH_TOKEN_ANYWHERE` \
         here), weight 1\n",
    ] {
        assert!(found.contains(line), "expected {line:?} in\n{found}");
    }
    assert!(!project.path("asked.txt").exists());
    for (rewards, expected) in [
        ("{program=[\"./judge.py\"]}", "rl.rewards: program `./judge.py`: `"),
        ("{program=[\"no-such-program\"]}", "found no such executable in PATH"),
        ("{program=[\"./chat.jinja\"]}", "expected an executable file"),
        ("{url=\"http://[::1\"}", "rl.rewards: url `http://[::1`"),
    ] {
        let refused = checked(rewards).expect_code(2).stderr;
        assert!(refused.contains(expected), "{refused}");
        let set = format!("rl.rewards=[{rewards}]");
        let refused = project.temper(&["run", "rl.toml", "--set", &set]).expect_code(2).stderr;
        assert!(refused.contains(expected), "{refused}");
        assert!(!project.path("runs/rl").exists());
    }
    // What they will be told is read, too; verifiers are told nothing of it.
    let metadata = |columns: &str| format!("metadata = [{columns}]");
    let more = metadata("\"level\", \"depth\"");
    project.edit("data-manifests/asked.toml", &metadata("\"level\""), &more);
    let refused = checked("{program=[\"./judge.sh\"]}").expect_code(2).stderr;
    assert!(refused.contains("`depth`"), "{refused}");
    checked("{verifier=\"exact\"}").expect_success();
}
