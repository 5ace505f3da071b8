//! Feedback: answers that were judged one by one, imported from logs and learned from.

use std::fs;

use serde_json::Value;

use crate::dpo::TEMPLATE;
use crate::killed::killed_after_a_checkpoint;
use crate::project::{Call, Project};

fn import(project: &Project, name: &str, more: &[&str]) -> Call {
    let file = format!("{name}.jsonl");
    let out = format!("data-manifests/{name}.parquet");
    let call = [
        &["corpus", "import", &file, "--feedback", "--out", &out, "--id", name][..],
        &["--category", "dialog", "--licence", "CC0-1.0", "--source", "made-by-a-test"],
        more,
    ];
    project.temper(&call.concat())
}

/// A project with a checkpoint, two logs of judged answers and a recipe `kto.toml` that mixes them.
pub(crate) fn project() -> Project {
    let project = Project::new();
    project.edit("recipe.toml", "max_steps = 24", "max_steps = 4");
    project.temper(&["run", "recipe.toml"]).expect_success();
    for (name, liked) in [("solvents", "acid"), ("rivers", "stone")] {
        let line = |number: usize| {
            let question = "river ".repeat(1 + number % 5);
            let is_liked = !number.is_multiple_of(3);
            let answer =
                if is_liked { format!("{liked} {liked}") } else { format!("benzene {number}") };
            let judgement = match name {
                "solvents" => format!("\"label\": {is_liked}"),
                _ => format!("\"rating\": {}", if is_liked { 5 } else { 1 }),
            };
            format!(
                "{{\"prompt\": \"{question}{number}?\", \"completion\": \"{answer}\", {judgement}}}\n"
            )
        };
        let lines: String = (0..60).map(line).collect();
        project.write(&format!("{name}.jsonl"), &lines);
        import(&project, name, &[]).expect_success();
    }
    project.write("chat.jinja", TEMPLATE);
    project.write(
        "kto.toml",
        "schema = 1\nname = \"kto\"\nstage = \"dpo\"\nseed = 5\n\
         [model]\nfrom = \"runs/small\"\nchat_template = \"chat.jinja\"\n\
         [training]\nmax_steps = 12\nsequence_length = 64\nglobal_batch_size = 8\n\
         micro_batch_size = 2\n\
         [data_mixing.weights]\nsolvents = 75\nrivers = 25\n\
         [preference]\nloss = \"kto\"\nbeta = 0.5\nundesirable_weight = 1.5\n\
         [optimizer]\nlr = 3e-3\nschedule = { kind = \"constant\", warmup = 0.1 }\n\
         [checkpoint]\nevery = 4\n",
    );
    project
}

fn query(project: &Project, run: &str, sql: &str) -> Value {
    project.temper(&["query", run, sql, "--json"]).expect_success().json()
}

fn losses(project: &Project, run: &str) -> Vec<f64> {
    let steps = query(project, run, "SELECT loss FROM steps ORDER BY step");
    steps.as_array().unwrap().iter().map(|step| step["loss"].as_f64().unwrap()).collect()
}

#[test]
fn a_log_becomes_judged_answers_and_pairs() {
    let project = Project::new();
    let said = "\"prompt\": \"river?\", \"completion\": \"stone\"";
    let rows = [
        "\"label\": true, \"time\": \"2026-03-01T10:00:00+02:00\"",
        "\"thumbs\": \"down\", \"edit\": \"a stone\", \"time\": 1700000000",
        "\"rating\": 3",
        "\"edit\": \"a letter\", \"time\": \"2026-04-01\"",
        "\"label\": null",
    ];
    let lines: String = rows.iter().map(|row| format!("{{{said}, {row}}}\n")).collect();
    project.write("log.jsonl", &lines);
    let found = import(&project, "log", &["--json"]).expect_success().json();
    assert_eq!(found["rows"], 2);
    assert_eq!((&found["desirable"], &found["undesirable"]), (&1.into(), &1.into()));
    let left_out = serde_json::json!({ "not_judged": 1, "middling": 1, "edit_alone": 1 });
    assert_eq!(found["left_out"], left_out);
    let manifest = fs::read_to_string(project.path("data-manifests/log.toml")).unwrap();
    assert!(manifest.contains("label = \"label\""), "{manifest}");

    // The same log once more: what was corrected, as pairs.
    fs::rename(project.path("log.jsonl"), project.path("edits.jsonl")).unwrap();
    let told = import(&project, "edits", &["--pairs"]).expect_success().stdout;
    assert!(told.contains("2 rows") && told.contains("left out: 3 without an edit"), "{told}");
    let manifest = fs::read_to_string(project.path("data-manifests/edits.toml")).unwrap();
    assert!(manifest.contains("rejected = \"rejected\"") && !manifest.contains("label"));

    // Moments can be asked for, whatever way they were written.
    let rows = |id: &str, condition: &str| {
        let file = format!("data-manifests/{id}.toml");
        let whole = fs::read_to_string(project.path(&file)).unwrap();
        project.write(&file, &format!("where = \"{condition}\"\n{whole}"));
        let found = project.temper(&["corpus", "profile", id, "--json"]).expect_success().json();
        project.write(&file, &whole);
        found.to_string().contains("\"documents\":1,")
    };
    assert!(rows("log", "time >= '2026-03-01'"));
    assert!(rows("log", "time < '2024-01-01'"));
    assert!(rows("log", "label"));
    assert!(rows("edits", "time >= '2026-03-31'"));
}

#[test]
fn what_is_no_feedback_is_refused() {
    let project = Project::new();
    let said = "\"prompt\": \"river?\", \"completion\": \"stone\"";
    let refused = |row: &str, more: &[&str], expected: &str| {
        project.write("wrong.jsonl", &format!("{{{said}, \"label\": true}}\n{{{said}, {row}}}\n"));
        let found = import(&project, "wrong", more).expect_code(2).stderr;
        assert!(found.contains(expected), "{found}");
        assert!(!project.path("data-manifests/wrong.parquet").exists());
        assert!(!project.path("data-manifests/wrong.toml").exists());
    };
    refused("\"label\": \"good\"", &[], "`wrong.jsonl`, line 2: `label` is \"good\"");
    refused("\"rating\": 10", &[], "line 2: `rating` is 10, expected 1 to 5");
    refused("\"thumbs\": \"up\", \"rating\": 1", &[], "line 2: its judgements contradict");
    refused("\"label\": true", &["--pairs"], "no rows but 2 without an edit");
    let scale = ["--good-from", "1", "--bad-to", "2"];
    refused("\"rating\": 10", &scale, "--good-from: found 1, expected more than --bad-to, 2");
    let scale = ["--good-from", "7", "--bad-to", "4"];
    project.write("ten.jsonl", &format!("{{{said}, \"rating\": 10}}\n{{{said}, \"rating\": 5}}\n"));
    let told = import(&project, "ten", &scale).expect_success().stdout;
    assert!(told.contains("1 desirable, 0 undesirable"), "{told}");
    assert!(told.contains("left out: 1 with a rating in the middle"), "{told}");
}

#[test]
fn judged_answers_are_learned_from() {
    let project = project();
    project.temper(&["run", "kto.toml"]).expect_success();
    project.temper(&["audit", "runs/kto"]).expect_success();

    let sql = "SELECT step, measure, SUM(value) AS value FROM measures GROUP BY step, measure ORDER BY step";
    let measures = query(&project, "runs/kto", sql);
    let of = |step: u64, name: &str| {
        let rows = measures.as_array().unwrap();
        let row = rows.iter().find(|row| row["step"] == step && row["measure"] == name).unwrap();
        row["value"].as_f64().unwrap()
    };
    for step in 0..12 {
        assert_eq!(of(step, "desirable") + of(step, "undesirable"), 8.0);
    }
    // Before the first update the model is the reference: half of each answer's weight is lost.
    assert_eq!(of(0, "desirable_logprob"), of(0, "desirable_reference"));
    assert_eq!((of(0, "desirable_reward"), of(0, "undesirable_reward")), (0.0, 0.0));
    assert!(of(0, "kl").abs() < 1e-4, "{}", of(0, "kl"));
    let expected = (0.5 * of(0, "desirable") + 0.75 * of(0, "undesirable")) / 8.0;
    let found = losses(&project, "runs/kto");
    assert!((found[0] - expected).abs() < 1e-5, "{}, expected {expected}", found[0]);
    let reward = |name: &str| of(11, &format!("{name}_reward")) / of(11, name).max(1.0);
    assert!(reward("desirable") > reward("undesirable") + 0.5, "{}", reward("desirable"));
    assert!(found[11] < 0.8 * found[0], "{found:?}");

    let report = project.temper(&["report", "runs/kto"]).expect_success().stdout;
    assert!(report.contains("feedback") && report.contains("undesirable"), "{report}");
    let report = project.temper(&["report", "runs/kto", "--json"]).expect_success().json();
    assert_eq!(report["learned"]["feedback"]["sources"][0]["source"], "rivers");

    // The divergence is of the whole step, whatever its lanes.
    let wide = ["run", "kto.toml", "--set", "training.micro_batch_size=8", "--set", "name=wide"];
    project.temper(&wide).expect_success();
    for (found, wide) in found.iter().zip(losses(&project, "runs/wide")) {
        assert!((found - wide).abs() < 1e-4, "{found}, {wide}");
    }
    // Another run asks the starting model nothing that it has said.
    let folder = project.path(".temper/cache/references");
    let names = || {
        let mut names: Vec<_> =
            fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names().len(), 3);
    let beta = ["run", "kto.toml", "--set", "preference.beta=0.1", "--set", "name=beta"];
    project.temper(&beta).expect_success();
    assert_eq!(names().len(), 3);
}

#[test]
fn killed_extended_and_resumed_it_ends_with_the_same_bytes() {
    let project = project();
    project.edit("kto.toml", "max_steps = 12", "max_tokens = 800");
    let again = project.copy();
    project.temper(&["run", "kto.toml"]).expect_success();
    let again = killed_after_a_checkpoint(&again, &["run", "kto.toml"], "runs/kto");
    again.temper(&["resume", "runs/kto"]).expect_success();
    assert!(again.results("runs/kto") == project.results("runs/kto"));
    // More steps hold more answers against what the starting model says.
    again.temper(&["resume", "runs/kto", "--extend", "200"]).expect_success();
    again.temper(&["audit", "runs/kto"]).expect_success();
    let long = ["run", "kto.toml", "--set", "training.max_tokens=1000", "--set", "name=long"];
    project.temper(&long).expect_success();
    let said = |project: &Project, run: &str| {
        let folder = project.path(&format!("runs/{run}/reference/mismatched"));
        let files: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(files.len(), 1);
        fs::read(&files[0]).unwrap()
    };
    assert!(said(&again, "kto") == said(&project, "long"));
    // Each of these budgets ends within a step, which stays short.
    for _ in 0..3 {
        again.temper(&["resume", "runs/kto", "--extend", "10"]).expect_success();
    }
    let runs = again.temper(&["runs", "--json"]).expect_success().json();
    let run = runs.as_array().unwrap().iter().find(|run| run["name"] == "kto").unwrap();
    assert_eq!(run["steps_done"], run["steps_planned"], "{run}");
    again.temper(&["audit", "runs/kto"]).expect_success();
}

#[test]
fn a_recipe_that_cannot_learn_from_feedback_is_refused() {
    let project = project();
    let checked = project.temper(&["check", "kto.toml", "--json"]).expect_success().json();
    let expected = serde_json::json!({ "desirable": 80, "undesirable": 40 });
    assert_eq!(checked["feedback"], expected);
    let refused = |set: &[&str], expected: &str| {
        let sets = set.iter().flat_map(|set| ["--set", set]);
        let call: Vec<&str> = ["plan", "kto.toml"].into_iter().chain(sets).collect();
        let found = project.temper(&call).expect_code(2).stderr;
        assert!(found.contains(expected), "{found}");
    };
    let one = ["training.global_batch_size=1", "training.micro_batch_size=1"];
    refused(&one, "training.global_batch_size: found `1`, expected 2 or more with `kto`");
    refused(
        &["preference.undesirable_weight=0"],
        "undesirable_weight: found `0`, expected more than 0",
    );
    refused(&["preference.label_smoothing=0.1"], "none with `kto`");
    refused(&["preference.loss=ipo"], "undesirable_weight: found it with another loss than `kto`");
    refused(
        &["preference.loss=sigmoid"],
        "has no column for `rejected`, expected pairs of answers",
    );
    refused(&["data_mixing.packing=concat"], "which cuts answers");
    project.edit("kto.toml", "rivers = 25", "general = 25");
    refused(&["seed=6"], "`general` has no column for `label`, expected judged answers");
    project.edit("kto.toml", "general = 25", "rivers = 25");
    for id in ["solvents", "rivers"] {
        let file = format!("data-manifests/{id}.toml");
        let whole = fs::read_to_string(project.path(&file)).unwrap();
        project.write(&file, &format!("where = \"label\"\n{whole}"));
    }
    refused(&["seed=6"], "feedback: all 80 answers of the mix are desirable");
    let checked = project.temper(&["check", "kto.toml"]).expect_code(1).stdout;
    let expected = "  feedback: all 80 answers of the mix are desirable, expected some of both kinds\n    hint: ";
    assert!(checked.contains(expected), "{checked}");

    project.edit("kto.toml", "stage = \"dpo\"", "stage = \"sft\"");
    project.edit(
        "kto.toml",
        "[preference]\nloss = \"kto\"\nbeta = 0.5\nundesirable_weight = 1.5\n",
        "",
    );
    refused(&["seed=6"], "has answers that were not liked, which would be imitated");
}

#[test]
fn answers_that_are_longer_than_a_row_do_not_make_up_the_other_kind() {
    let project = project();
    let line = |number: usize| {
        let is_liked = number.is_multiple_of(2);
        let answer = if is_liked { "acid".to_owned() } else { "benzene ".repeat(80) };
        format!(
            "{{\"prompt\": \"river {number}?\", \"completion\": \"{answer}\", \"label\": {is_liked}}}\n"
        )
    };
    project.write("long.jsonl", &(0..20).map(line).collect::<String>());
    import(&project, "long", &[]).expect_success();
    project.edit("kto.toml", "solvents = 75\nrivers = 25", "long = 1");
    let expected =
        "feedback: all 10 answers of the mix are desirable, expected some of both kinds\n";
    let checked = project.temper(&["check", "kto.toml"]).expect_code(1).stdout;
    assert!(checked.contains(expected), "{checked}");
    assert!(checked.contains("raise `training.sequence_length`"), "{checked}");
    let checked = project.temper(&["check", "kto.toml", "--json"]).expect_code(1).json();
    let counted = serde_json::json!({ "desirable": 10, "undesirable": 0 });
    assert_eq!((&checked["feedback"], &checked["rows"][0]["left_out"]), (&counted, &10.into()));
    for verb in ["plan", "run"] {
        let refused = project.temper(&[verb, "kto.toml"]).expect_code(2).stderr;
        assert!(refused.contains(expected), "{refused}");
    }
    // Where nothing fits, that is what is said.
    let none = ["plan", "kto.toml", "--set", "training.sequence_length=8"];
    let refused = project.temper(&none).expect_code(2).stderr;
    assert!(refused.contains("all 20 documents are longer than a row"), "{refused}");
}

#[test]
fn a_round_knows_a_changed_judgement_from_one_that_was_seen() {
    let project = project();
    let log = fs::read_to_string(project.path("solvents.jsonl")).unwrap();
    project.edit("kto.toml", "solvents = 75\nrivers = 25", "solvents = 1");
    project.edit("kto.toml", "max_steps = 12", "max_epochs = 1");
    project.temper(&["run", "kto.toml"]).expect_success();
    project.edit("kto.toml", "name = \"kto\"", "name = \"round\"");
    project.edit("kto.toml", "from = \"runs/small\"", "from = \"runs/kto\"");
    project.edit(
        "kto.toml",
        "[data_mixing.weights]",
        "[data_mixing]\nskip_seen = [\"solvents\"]\n[data_mixing.weights]",
    );
    let again = |lines: &str| {
        for file in ["data-manifests/solvents.parquet", "data-manifests/solvents.toml"] {
            fs::remove_file(project.path(file)).unwrap();
        }
        project.write("solvents.jsonl", lines);
        import(&project, "solvents", &[]).expect_success();
        project.temper(&["plan", "kto.toml", "--json", "--set", "training.max_steps=1"])
    };
    // Of an answer that is liked no more the judgement is new; with others of one kind it teaches nothing.
    let turned: String =
        log.lines().take(9).map(|line| line.replace("true", "false") + "\n").collect();
    let rest: String = log.lines().skip(9).map(|line| line.to_owned() + "\n").collect();
    let refused = again(&(turned.clone() + &rest)).expect_code(2).stderr;
    assert!(refused.contains("all 6 answers of the mix are undesirable"), "{refused}");
    let new = "{\"prompt\": \"a new river?\", \"completion\": \"acid acid\", \"label\": true}\n";
    let planned = again(&(turned + &rest + new + &new.replace("new", "newer"))).expect_success();
    let pass = planned.json()["sources"][0]["pass"].clone();
    assert_eq!((&pass["seen_documents"], &pass["documents"]), (&54.into(), &8.into()), "{pass}");
}
