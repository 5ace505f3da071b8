//! Reinforcement learning: completions sampled, judged, journaled and learned from.

use std::fs;

use serde_json::Value;

use crate::killed::killed_after_a_checkpoint;
use crate::project::Project;

const TEMPLATE: &str = "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}<|end|>{% endfor %}\
                        {% if add_generation_prompt %}<|assistant|>{% endif %}";

/// A project with a checkpoint that was taught answers, prompts and a recipe `rl.toml`.
pub(crate) fn project() -> Project {
    let project = Project::new();
    // Taught to answer one of two words to each of a few questions.
    let pair = |number: usize, answer: &str| {
        format!("{{\"prompt\": \"river {number}\", \"completion\": \"{answer}\"}}\n")
    };
    let taught: String = (0..6)
        .flat_map(|number| ["acid", "stone"].map(|answer| pair(number, answer)))
        .cycle()
        .take(240)
        .collect();
    project.write("taught.jsonl", &taught);
    let prompt = |number: usize| {
        format!("{{\"prompt\": \"river {number}\", \"answer\": \"acid\", \"level\": {number}}}\n")
    };
    project.write("asked.jsonl", &(0..6).map(prompt).collect::<String>());
    for (name, form) in [("taught", "--conversations"), ("asked", "--prompts --keep level")] {
        let import = format!(
            "corpus import {name}.jsonl {form} --out data-manifests/{name}.parquet --id {name} \
             --category dialog --licence CC0-1.0 --source made-by-a-test"
        );
        project.temper(&import.split_whitespace().collect::<Vec<_>>()).expect_success();
    }
    project.write("chat.jinja", TEMPLATE);
    let recipe = |name: &str, stage: &str, model: &str, source: &str, rest: &str| {
        format!(
            "schema = 1\nname = \"{name}\"\nstage = \"{stage}\"\nseed = 5\n\
             [model]\n{model}\nchat_template = \"chat.jinja\"\n\
             [data_mixing.weights]\n{source} = 1\n[checkpoint]\nevery = 4\n\
             [tokenization]\nbos = true\neos = true\n{rest}"
        )
    };
    project.write(
        "sft.toml",
        &recipe(
            "sft",
            "sft",
            "from = \"runs/small\"",
            "taught",
            "[training]\nmax_steps = 30\nsequence_length = 32\nglobal_batch_size = 16\n\
         [optimizer]\nlr = 1e-2\n",
        ),
    );
    project.edit("recipe.toml", "max_steps = 24", "max_steps = 4");
    project.temper(&["run", "recipe.toml"]).expect_success();
    project.temper(&["run", "sft.toml", "--set", "data_mixing.max_epochs=100"]).expect_success();
    project.write("rl.toml", &recipe("rl", "rl", "from = \"runs/sft\"", "asked",
        "[training]\nmax_steps = 12\nsequence_length = 32\nglobal_batch_size = 4\n\
         micro_batch_size = 2\n\
         [rl]\ngroup_size = 8\nmax_new_tokens = 8\nkl = 0.01\nupdates_per_rollout = 2\n\
         rewards = [{ verifier = \"exact\" }, { verifier = \"regex\", pattern = \"^a\", weight = 0.5 }]\n\
         [optimizer]\nlr = 3e-3\nschedule = { kind = \"constant\" }\n"));
    project.edit("rl.toml", "asked = 1", "asked = 1\n[data_mixing]\nmax_epochs = 100");
    project
}

fn query(project: &Project, sql: &str) -> Value {
    project.temper(&["query", "runs/rl", sql, "--json"]).expect_success().json()
}

#[test]
fn what_is_rewarded_becomes_likelier_and_everything_is_on_record() {
    let project = project();
    project.temper(&["check", "rl.toml", "--deep"]).expect_success();
    project.temper(&["run", "rl.toml"]).expect_success();
    project.temper(&["audit", "runs/rl"]).expect_success();
    let sql = "SELECT step, measure, value FROM measures ORDER BY step";
    let measures = query(&project, sql);
    let of = |step: u64, name: &str| {
        let rows = measures.as_array().unwrap();
        let row = rows.iter().find(|row| row["step"] == step && row["measure"] == name);
        row.unwrap_or_else(|| panic!("no {name} in step {step}"))["value"].as_f64().unwrap()
    };
    assert_eq!((of(0, "groups"), of(0, "completions")), (4.0, 32.0));
    let right = |step| of(step, "reward_0_exact") / of(step, "completions");
    assert!(right(0) < 0.8, "{}", right(0));
    assert!(right(11) > right(0) + 0.15, "from {} to {}", right(0), right(11));
    assert!(of(11, "divergence") > 0.0);
    // Of all that was sampled, before it was learned from.
    assert!(of(0, "entropy") > 0.0);

    // The journal has what was sampled and what it was given, and nobody else may look.
    let journal = project.path("runs/rl/private/rollouts/step-000000.jsonl");
    let text = fs::read_to_string(&journal).unwrap();
    assert_eq!(text.lines().count(), 32);
    let first: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(first["source"], "asked");
    assert_eq!(first["rewards"].as_array().unwrap().len(), 2);
    let report = project.temper(&["report", "runs/rl"]).expect_success().stdout;
    assert!(report.contains("reward"), "{report}");

    // A step is traced with its completions; what they say is shown to who asks for texts.
    let step = ["trace", "runs/rl", "--step", "0", "--row", "2"];
    let trace = project.temper(&[&step[..], &["--json"]].concat()).expect_success().json();
    let rollouts = trace["rollouts"].as_array().unwrap();
    assert_eq!(rollouts.len(), 8);
    assert!(rollouts.iter().all(|one| one["row"] == 2 && one.get("text").is_none()), "{trace}");
    let sum: f64 = rollouts.iter().map(|one| one["advantage"].as_f64().unwrap()).sum();
    assert!(sum.abs() < 1e-6, "{sum}");
    let said = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let said = said.filter(|line| line["row"] == 2).map(|line| line["text"].to_string());
    let shown = project.temper(&[&step[..], &["--text"]].concat()).expect_success().stdout;
    for said in said {
        assert!(shown.contains(&format!("{:?}", said.trim_matches('"'))), "{said} in {shown}");
    }
    let hidden = project.temper(&step).expect_success().stdout;
    assert!(hidden.contains("advantage") && !hidden.contains("completion"), "{hidden}");
}

#[test]
fn killed_and_resumed_it_ends_with_the_same_bytes() {
    check_resumed(&["run", "rl.toml"]);
}

#[test]
fn with_lora_it_is_killed_and_resumed_to_the_same_bytes() {
    check_resumed(&["run", "rl.toml", "--set", "lora.rank=4"]);
}

/// A run that is killed and resumed samples and learns what a whole one does.
#[track_caller]
fn check_resumed(call: &[&str]) {
    let project = project();
    let again = project.copy();
    project.temper(call).expect_success();
    let again = killed_after_a_checkpoint(&again, call, "runs/rl");
    again.temper(&["resume", "runs/rl"]).expect_success();
    for (found, expected) in again.results("runs/rl").iter().zip(project.results("runs/rl")) {
        assert!(*found == expected, "{} and {}", found.0, expected.0);
    }
    for step in [0, 7, 11] {
        let of = |project: &Project| {
            fs::read(project.path(&format!("runs/rl/private/rollouts/step-{step:06}.jsonl")))
                .unwrap()
        };
        assert!(of(&again) == of(&project), "step {step}");
    }
}

#[test]
fn empty_completions_are_counted_and_learned_from() {
    let project = project();
    // A model that knows hardly anything, and has a token for its answer: now and then that is a space, or the end.
    let sets = ["model.from=runs/small", "rl.max_new_tokens=1", "rl.temperature=2"];
    let call = ["run", "rl.toml"].into_iter().chain(sets.iter().flat_map(|set| ["--set", set]));
    project.temper(&call.collect::<Vec<_>>()).expect_success();
    project.temper(&["audit", "runs/rl"]).expect_success();
    let counts = "SELECT step, value FROM measures WHERE measure = 'empty' ORDER BY step";
    let counts = query(&project, counts);
    let steps = query(&project, "SELECT loss, gradient_norm FROM steps ORDER BY step");
    assert_eq!(steps.as_array().unwrap().len(), 12);
    let mut n_all = 0;
    for (step, of_step) in steps.as_array().unwrap().iter().enumerate() {
        let journal = project.path(&format!("runs/rl/private/rollouts/step-{step:06}.jsonl"));
        let journal = fs::read_to_string(journal).unwrap();
        let lines = journal.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let n_empty = lines.filter(|line| line["text"].as_str().unwrap().trim().is_empty()).count();
        n_all += n_empty;
        assert_eq!(counts[step]["value"].as_f64().unwrap(), n_empty as f64, "step {step}");
        for number in ["loss", "gradient_norm"] {
            assert!(of_step[number].as_f64().is_some_and(f64::is_finite), "step {step}: {of_step}");
        }
    }
    assert!(n_all > 0, "every completion says something");
}

#[test]
fn what_cannot_be_sampled_or_judged_is_refused() {
    let project = project();
    let refused = |set: &str, expected: &str| {
        let found = project.temper(&["plan", "rl.toml", "--set", set]).expect_code(2).stderr;
        assert!(found.contains(expected), "{found}");
    };
    refused("rl.group_size=1", "rl.group_size: found `1`, expected 2 to 1024 completions");
    refused("rl.max_new_tokens=32", "rl.max_new_tokens: found `32`");
    refused("rl.rewards=[]", "rl.rewards: found no reward");
    refused("rl.rewards=[{verifier=\"taste\"}]", "`taste` is not known");
    refused("data_mixing.packing=best-fit", "expected `pad`: a row is a prompt");
    refused("data_mixing.unit=tokens", "a share counts prompts");
    refused("stage=sft", "rl: found in the stage `sft`");
    // A reference that its verifier cannot judge by is named before anything is sampled.
    let number = ["run", "rl.toml", "--set", "rl.rewards=[{verifier=\"number\"}]"];
    let found = project.temper(&number).expect_code(2).stderr;
    let named =
        "asked.parquet`, row group 0, row 0: `answer`: `number` cannot judge by it: found `acid`";
    assert!(found.contains(named), "{found}");
    assert!(found.contains("expected a number"), "{found}");
    // Where no prompt leaves room for an answer there is nothing to plan.
    refused(
        "rl.max_new_tokens=28",
        "source `asked`: all 6 documents are longer than a row of 4 positions\n\nhint: raise `training.sequence_length`",
    );
}

#[test]
fn prompts_that_leave_no_room_are_left_out_and_counted() {
    let project = project();
    let asked = fs::read_to_string(project.path("asked.jsonl")).unwrap();
    let long = "river ".repeat(40);
    let long = format!("{{\"prompt\": \"{long}\", \"answer\": \"acid\", \"level\": 6}}");
    let mut lines: Vec<&str> = asked.lines().collect();
    lines.insert(3, &long);
    project.write("mixed.jsonl", &lines.join("\n"));
    let import = "corpus import mixed.jsonl --prompts --keep level --out data-manifests/mixed.parquet \
                  --id mixed --category dialog --licence CC0-1.0 --source made-by-a-test";
    project.temper(&import.split_whitespace().collect::<Vec<_>>()).expect_success();
    project.edit("rl.toml", "asked = 1", "mixed = 1");
    let plan = project.temper(&["plan", "rl.toml", "--json"]).expect_success().json();
    let pass = &plan["sources"][0]["pass"];
    assert_eq!((&pass["documents"], &pass["left_out_documents"]), (&6.into(), &1.into()), "{pass}");
    assert_eq!(pass["truncated_documents"], 0, "{pass}");

    // The run goes on with the others, and all of these are asked.
    project.temper(&["run", "rl.toml", "--set", "training.max_steps=4"]).expect_success();
    project.temper(&["audit", "runs/rl"]).expect_success();
    let sql = "SELECT DISTINCT group_row FROM segments WHERE source = 'mixed' ORDER BY group_row";
    let rows = query(&project, sql);
    let rows = rows.as_array().unwrap().iter().map(|row| row["group_row"].as_u64().unwrap());
    assert_eq!(rows.collect::<Vec<_>>(), [0, 1, 2, 4, 5, 6]);
    let groups = query(&project, "SELECT value FROM measures WHERE measure = 'groups'");
    assert_eq!(groups.as_array().unwrap().len(), 4, "{groups}");
    assert!(groups.as_array().unwrap().iter().all(|step| step["value"] == 4.0), "{groups}");
}

#[test]
fn held_out_prompts_are_solved_more_often() {
    let project = project();
    project.temper(&["run", "rl.toml", "--set", "training.max_steps=16"]).expect_success();
    let solved = |checkpoint: &str| {
        let eval = [
            "eval",
            checkpoint,
            "--prompts",
            "asked",
            "--verifier",
            "exact",
            "--samples",
            "16",
            "--max-tokens",
            "8",
            "--json",
        ];
        let solved = project.temper(&eval).expect_success().json();
        assert_eq!(solved["n"], 6);
        let [one, best] = [0, 1].map(|at| solved["pass"][at]["share"].as_f64().unwrap());
        assert!(best >= one, "{solved}");
        one
    };
    let (before, after) = (solved("runs/sft"), solved("runs/rl"));
    assert!(after > before + 0.15, "from {before} to {after}");
    let refused =
        project.temper(&["eval", "runs/rl", "--prompts", "taught", "--verifier", "exact"]);
    let refused = refused.expect_code(2).stderr;
    assert!(refused.contains("`taught` has no column for `answer`"), "{refused}");
}
