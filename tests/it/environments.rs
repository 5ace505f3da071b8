//! Environments: programs that go on with the conversation after each answer, and reward it.

mod refused;
mod resumed;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::project::Project;
use crate::rl;

/// Asks again until the answer is `acid`. Every request is on record; with second answers in step 5 it may fail
/// or wait, and to first ones in step 0 it may say what it must not, as files in the project tell.
const WORLD: &str = r#"#!/bin/sh
set -f
while IFS= read -r line; do
    id=${line#*\"id\":\"}; id=${id%%\"*}
    completion=${line#*\"completion\":\"}; completion=${completion%%\"*}
    key=n_$(printf '%s' "$id" | tr /. __)
    case $line in
    *'"reset":'*) n=0;;
    *) eval "n=\$$key"; [ -n "$n" ] || exit 4; n=$((n + 1));;
    esac
    eval "$key=$n"
    echo "$id $n" >> asked.txt
    case "$id $n" in
    5/*' 2')
        if [ -e broken ]; then echo 'out of rooms' >&2; exit 3; fi
        if [ -e waits ]; then : > waiting; while [ -e waits ]; do sleep 0.01; done; fi;;
    0/*' 1') [ -e bad.sh ] && eval "$(cat bad.sh)";;
    esac
    if [ $n = 0 ]; then
        printf '%s\n' "$line" >> resets.txt
        said=
        [ -e opening ] && said='{"role":"user","content":"'$(cat opening)'"}'
        printf '{"id":"%s","messages":[%s]}\n' "$id" "$said"
        continue
    fi
    again=river role=user
    [ -e role ] && role=$(cat role)
    [ -e again ] && again=$(cat again)
    set -- $(printf '%b' "$completion")
    if [ "$*" = acid ]; then reward=1 done=true; else reward=0 done=false; fi
    printf '{"id":"%s","messages":[{"role":"%s","content":"%s"}],"reward":%s,"done":%s}\n' \
        "$id" "$role" "$again" "$reward" "$done"
done
"#;

/// The project of the tests of `rl`, with an environment.
fn project() -> Project {
    let project = rl::project();
    project.write("world.sh", WORLD);
    let executable = fs::Permissions::from_mode(0o755);
    fs::set_permissions(project.path("world.sh"), executable).unwrap();
    project
}

/// What makes the recipe of the tests of `rl` one with an environment; `more` is said of it.
fn settings(more: &str, rewards: &str) -> [String; 3] {
    [
        format!("rl.environment={{program=[\"./world.sh\"],workers=1,retries=1,{more}}}"),
        format!("rl.rewards=[{rewards}]"),
        "training.sequence_length=64".to_owned(),
    ]
}

fn call<'a>(settings: &'a [String], more: &[&'a str]) -> Vec<&'a str> {
    let mut call = vec!["run", "rl.toml"];
    for setting in settings.iter().map(String::as_str).chain(more.iter().copied()) {
        call.extend(["--set", setting]);
    }
    call
}

/// The last weights of a run.
fn weights(project: &Project) -> Vec<u8> {
    let is_weights = |(name, _): &(String, Vec<u8>)| name.ends_with("/model.safetensors");
    project.results("runs/rl").into_iter().find(is_weights).unwrap().1
}

/// How often the environment was asked, by episode and number of the answer.
fn asked(project: &Project) -> BTreeMap<(String, u32), usize> {
    let mut asked = BTreeMap::new();
    for line in fs::read_to_string(project.path("asked.txt")).unwrap().lines() {
        let (id, n) = line.split_once(' ').unwrap();
        *asked.entry((id.to_owned(), n.parse().unwrap())).or_default() += 1;
    }
    asked
}

fn journal(project: &Project, run: &str, step: u64) -> Vec<Value> {
    let path = format!("runs/{run}/private/rollouts/step-{step:06}.jsonl");
    let text = fs::read_to_string(project.path(&path)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What was measured in a step of a run, by name.
fn measured(project: &Project, run: &str, step: u64) -> BTreeMap<String, f64> {
    let sql = format!("SELECT measure, value FROM measures WHERE step = {step}");
    let rows = project.temper(&["query", &format!("runs/{run}"), &sql, "--json"]);
    let rows = rows.expect_success().json();
    let row =
        |row: &Value| (row["measure"].as_str().unwrap().to_owned(), row["value"].as_f64().unwrap());
    rows.as_array().unwrap().iter().map(row).collect()
}

#[test]
fn an_environment_of_one_turn_teaches_what_a_verifier_does() {
    let built_in = project();
    let own = built_in.copy();
    let exact = ["rl.rewards=[{verifier=\"exact\"}]", "training.sequence_length=64"];
    built_in.temper(&call(&exact.map(str::to_owned), &[])).expect_success();
    own.temper(&call(&settings("max_turns=1", ""), &[])).expect_success();
    assert!(weights(&own) == weights(&built_in));
    own.temper(&["audit", "runs/rl"]).expect_success();
}

#[test]
fn episodes_are_on_record_answer_by_answer() {
    let project = project();
    let exact = "{verifier=\"exact\",weight=0.5}";
    let call = call(&settings("max_turns=3", exact), &["training.max_steps=2"]).join("\n");
    project.temper(&call.split('\n').collect::<Vec<_>>()).expect_success();
    project.temper(&["audit", "runs/rl"]).expect_success();
    let entries = journal(&project, "rl", 0);
    let (mut n_tokens, mut n_answers, mut reward) = (0, 0, 0.0);
    for entry in &entries {
        let turns = entry["turns"].as_array().unwrap();
        assert!((2..=4).contains(&turns.len()), "{entry}");
        let ids = turns.iter().flat_map(|turn| turn["ids"].as_array().unwrap());
        assert_eq!(
            ids.collect::<Vec<_>>(),
            entry["ids"].as_array().unwrap().iter().collect::<Vec<_>>()
        );
        let (last, before) = turns.split_last().unwrap();
        assert!(before.iter().all(|turn| turn["is_done"] == false), "{entry}");
        assert_eq!(last["text"], entry["text"]);
        // An answer that is right is the last, and the verifier finds it right as well.
        let is_right = last["is_done"] == true;
        assert_eq!(last["reward"], f64::from(u8::from(is_right)));
        assert_eq!(entry["rewards"][0], f64::from(u8::from(is_right)));
        assert_eq!(entry["reward"], 1.5 * f64::from(u8::from(is_right)));
        n_tokens += entry["ids"].as_array().unwrap().len();
        n_answers += turns.len() - 1;
        reward += last["reward"].as_f64().unwrap();
    }
    assert!(n_answers > entries.len(), "every first answer is right: nothing is said twice");
    let measured = measured(&project, "rl", 0);
    let expected = [
        ("completions", entries.len() as f64),
        ("turns", n_answers as f64),
        ("tokens", n_tokens as f64),
        // `kl` asks for all that was sampled, and nothing is learned of what was not.
        ("learned_tokens", n_tokens as f64),
        ("reward_environment", reward),
        ("reward_0_exact", reward),
        ("reward", 1.5 * reward),
    ];
    for (name, expected) in expected {
        assert!((measured[name] - expected).abs() < 1e-9, "{name}: {}", measured[name]);
    }
    let n_replies = |step: u64| {
        let entries = journal(&project, "rl", step);
        entries.iter().map(|entry| entry["turns"].as_array().unwrap().len()).sum::<usize>()
    };
    let asked = asked(&project);
    assert_eq!(asked.len(), n_replies(0) + n_replies(1));
    assert!(asked.values().all(|n| *n == 1));

    let step = ["trace", "runs/rl", "--step", "0", "--row", "2"];
    let shown = project.temper(&[&step[..], &["--text"]].concat()).expect_success().stdout;
    let hidden = project.temper(&step).expect_success().stdout;
    for line in ["  assistant: \"", ", rewarded ", "  user: \"river\""] {
        assert!(shown.contains(line) && !hidden.contains(line), "{line}: {shown}");
    }
    assert!(hidden.contains("turns"), "{hidden}");
    let trace = project.temper(&[&step[..], &["--json"]].concat()).expect_success().json();
    let turns = trace["rollouts"][0]["turns"].as_array().unwrap();
    assert!(turns.len() >= 2 && turns.iter().all(|turn| turn.get("messages").is_none()), "{trace}");
    let report = project.temper(&["report", "runs/rl"]).expect_success().stdout;
    assert!(report.contains("asked turns: ") && report.contains("asked environment: "), "{report}");
}

#[test]
fn prompts_need_no_reference_where_nobody_looks_at_it() {
    let project = project();
    project.edit("data-manifests/asked.toml", "answer = \"answer\"\n", "");
    let refused = project.temper(&["check", "rl.toml"]).expect_code(2).stderr;
    assert!(refused.contains("`asked` has no column for `answer`"), "{refused}");
    let alone = settings("max_turns=2", "");
    project.temper(&call(&alone, &["training.max_steps=1"])).expect_success();
    project.temper(&["audit", "runs/rl"]).expect_success();
    let resets = fs::read_to_string(project.path("resets.txt")).unwrap();
    for part in ["\"reference\":null", "\"metadata\":{\"level\":\"0\"}", "\"source\":\"asked\""] {
        assert!(resets.contains(part), "expected {part:?} in\n{resets}");
    }
}

#[test]
fn conversations_that_outgrow_a_row_end_and_are_counted() {
    let project = project();
    let settings = settings("max_turns=3", "");
    let short = ["training.sequence_length=32", "training.max_steps=1"];
    let long = "river stone morning letter walked slowly ".repeat(4);

    // No room for a second answer.
    project.write("again", &long);
    let again = [&short[..], &["name=again"]].concat();
    project.temper(&call(&settings[..2], &again)).expect_success();
    let of = measured(&project, "again", 0);
    assert_eq!(of["turns"], of["completions"]);
    let wrong = of["completions"] - of["reward_environment"];
    assert!(wrong > 0.0);
    // Of those that are right some may not have ended either.
    assert!(of["truncated"] >= wrong, "{of:?}");

    // None for a first one: there is nothing to learn, and nothing is.
    project.write("opening", &long);
    let opening = [&short[..], &["name=opening"]].concat();
    project.temper(&call(&settings[..2], &opening)).expect_success();
    let of = measured(&project, "opening", 0);
    assert_eq!((of["turns"], of["tokens"], of["learned_tokens"]), (0.0, 0.0, 0.0));
    assert_eq!((of["truncated"], of["reward"]), (of["completions"], 0.0));

    // With room it stands before the first answer.
    project.write("opening", "stone");
    fs::remove_file(project.path("again")).unwrap();
    let both = ["training.max_steps=1", "name=both"];
    project.temper(&call(&settings, &both)).expect_success();
    for entry in journal(&project, "both", 0) {
        assert_eq!(entry["turns"][0]["messages"][0]["content"], "stone");
        assert!(entry["turns"].as_array().unwrap().len() >= 2, "{entry}");
    }
}
