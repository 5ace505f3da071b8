//! Chains: stages that start from each other, and optimizers that differ between them.

use std::fs;

use serde_json::{Value, json};

use crate::dpo::TEMPLATE;
use crate::killed::killed_after_a_checkpoint;
use crate::project::Project;

fn project() -> Project {
    let project = Project::new();
    let recipe = std::fs::read_to_string(project.path("recipe.toml")).unwrap();
    let chain = recipe
        .replace("max_steps = 24", "max_steps = 6")
        .replace("name = \"small\"", "name = \"chain\"");
    let stages = "\n[[stages]]\nname = \"one\"\n\n\
                  [[stages]]\nname = \"two\"\nstage = \"mid-train\"\n\
                  optimizer = { name = \"muon\", lr = 1e-3 }\n\n\
                  [[stages]]\nstage = \"mid-train\"\ntraining = { max_steps = 4 }\n\
                  optimizer = { name = \"lion\", lr = 1e-4 }\n";
    project.write("chain.toml", &format!("{chain}{stages}"));
    project
}

#[test]
fn a_chain_runs_its_stages_and_its_lineage_goes_back_to_the_first() {
    let project = project();
    let checked = project.temper(&["check", "chain.toml"]).expect_success().stdout;
    for expected in [
        "chain-one: recipe",
        "chain-two: recipe",
        "starts from `runs/chain-two`, which is not there yet",
    ] {
        assert!(checked.contains(expected), "{checked}");
    }
    let planned = project.temper(&["plan", "chain.toml"]).expect_success();
    assert!(
        planned.stderr.contains("chain-two: planned when `runs/chain-one`"),
        "{}",
        planned.stderr
    );
    project.temper(&["run", "chain.toml"]).expect_success();
    let planned = project.temper(&["plan", "chain.toml", "--json"]).expect_success().json();
    let names: Vec<&str> =
        planned.as_array().unwrap().iter().filter_map(|stage| stage["name"].as_str()).collect();
    assert_eq!(names, ["chain-one", "chain-two", "chain-3-mid-train"]);
    let shown = project.temper(&["checkpoint", "show", "runs/chain-3-mid-train"]).expect_success();
    for expected in [
        "run chain-3-mid-train after 4 steps",
        "run chain-two after 6 steps",
        "run chain-one after 6 steps",
    ] {
        assert!(shown.stdout.contains(expected), "{}", shown.stdout);
    }
    let mut runs = ["runs/chain-3-mid-train", "runs/chain-two", "runs/chain-one"].into_iter();
    let show = ["checkpoint", "show", "runs/chain-3-mid-train", "--lineage"];
    let json = project.temper(&[&show[..], &["--json"]].concat()).expect_success().json();
    for (ancestor, run) in json["runs"].as_array().unwrap().iter().zip(runs.by_ref()) {
        assert_eq!(format!("runs/{}", ancestor["run"].as_str().unwrap()), run);
        let sql = "SELECT source, COUNT(*) AS rows, SUM(tokens) AS tokens FROM rows GROUP BY source ORDER BY source";
        let expected = project.temper(&["query", run, sql, "--json"]).expect_success().json();
        assert_eq!(without_manifests(&ancestor["trained"]["sources"]), expected);
        project.temper(&["audit", run]).expect_success();
    }
    assert_eq!(runs.next(), None);
    let moved = project.copy();
    std::fs::rename(moved.path("runs/chain-one"), moved.path("elsewhere")).unwrap();
    let shown = moved.temper(&show).expect_success().stdout;
    assert!(shown.contains("mid-train"), "{shown}");
    assert!(shown.contains("not there any more"), "{shown}");
    // Run again, there is nothing to do; changed, it is another chain.
    let again = project.temper(&["run", "chain.toml"]).expect_success().stderr;
    assert!(again.contains("run chain-two: finished already"), "{again}");
    project.edit("chain.toml", "lr = 1e-3", "lr = 2e-3");
    let refused = project.temper(&["run", "chain.toml"]).expect_code(2).stderr;
    assert!(refused.contains("run `runs/chain-two` was made by another recipe"), "{refused}");
    assert!(refused.contains("optimizer.lr"), "{refused}");
}

/// What was learned of each source, each of which names its manifest by a digest.
fn without_manifests(sources: &Value) -> Value {
    let mut sources = sources.clone();
    for source in sources.as_array_mut().unwrap() {
        let manifest = source.as_object_mut().unwrap().shift_remove("manifest").unwrap();
        assert!(manifest.is_string(), "{manifest}");
    }
    sources
}

#[test]
fn a_checkpoint_that_leaves_its_run_keeps_its_lineage() {
    let project = project();
    project.temper(&["run", "chain.toml"]).expect_success();
    let runs = |project: &Project, asked: &str| {
        let show = ["checkpoint", "show", asked, "--lineage", "--json"];
        project.temper(&show).expect_success().json()["runs"].clone()
    };
    let names = |runs: &Value| -> Vec<String> {
        let names = runs.as_array().unwrap().iter();
        names.map(|run| run["run"].as_str().unwrap().to_owned()).collect()
    };
    let at_home = runs(&project, "runs/chain-two@6");
    assert_eq!(names(&at_home), ["chain-two", "chain-one"]);
    let convert = ["checkpoint", "convert", "runs/chain-two@6", "out", "--dtype", "f32"];
    let said = project.temper(&convert).expect_success().stdout;
    assert!(said.contains("with the 2 runs behind it in `lineage.json`"), "{said}");

    // Elsewhere there are no runs: the file says it, the first one first.
    let elsewhere = project.copy();
    fs::remove_dir_all(elsewhere.path("runs")).unwrap();
    let file: Value =
        serde_json::from_slice(&fs::read(elsewhere.path("out/lineage.json")).unwrap()).unwrap();
    assert_eq!(names(&file["runs"]), ["chain-one", "chain-two"]);
    assert_eq!(runs(&elsewhere, "out"), at_home);
    let shown = elsewhere.temper(&["checkpoint", "show", "out"]).expect_success().stdout;
    for expected in ["run chain-two after 6 steps", "run chain-one after 6 steps"] {
        assert!(shown.contains(expected), "{shown}");
    }

    // A run from there goes on with it, whatever becomes of the folder, and so does what leaves that run.
    elsewhere.edit("recipe.toml", "init = \"model\"", "from = \"out\"");
    elsewhere.temper(&["run", "recipe.toml", "--set", "training.max_steps=2"]).expect_success();
    elsewhere.temper(&["audit", "runs/small"]).expect_success();
    let convert = ["checkpoint", "convert", "runs/small", "again", "--json"];
    assert_eq!(
        names(&elsewhere.temper(&convert).expect_success().json()["runs"]),
        ["chain-one", "chain-two", "small"]
    );
    fs::remove_dir_all(elsewhere.path("out")).unwrap();
    let continued = runs(&elsewhere, "runs/small");
    assert_eq!(names(&continued), ["small", "chain-two", "chain-one"]);
    assert_eq!(continued.as_array().unwrap()[1..], at_home.as_array().unwrap()[..]);
    fs::remove_dir_all(elsewhere.path("runs")).unwrap();
    assert_eq!(runs(&elsewhere, "again"), continued);

    // Nothing is known of a folder that was copied without it.
    fs::remove_file(elsewhere.path("again/lineage.json")).unwrap();
    let shown = elsewhere.temper(&["checkpoint", "show", "again", "--lineage"]).expect_success();
    assert!(shown.stdout.contains("no run is known to be behind it"), "{}", shown.stdout);
}

#[test]
fn a_killed_chain_goes_on_to_the_same_bytes() {
    let project = project();
    let again = project.copy();
    project.temper(&["run", "chain.toml"]).expect_success();
    let again = killed_after_a_checkpoint(&again, &["run", "chain.toml"], "runs/chain-two");
    let refused = again.temper(&["run", "chain.toml"]);
    // It was killed before its second stage was finished, or just behind it.
    if refused.stderr.contains("was begun and is not finished") {
        again.temper(&["resume", "runs/chain-two"]).expect_success();
        again.temper(&["run", "chain.toml"]).expect_success();
    } else {
        refused.expect_success();
    }
    for run in ["runs/chain-two", "runs/chain-3-mid-train"] {
        assert!(again.results(run) == project.results(run), "{run}");
    }
}

#[test]
fn moments_that_could_be_kept_are_not_left_without_a_word() {
    let project = project();
    project.edit("chain.toml", "{ name = \"muon\", lr = 1e-3 }", "{ lr = 1e-3 }");
    let line = "the optimizer begins anew: the start has its state, `optimizer.state = \"keep\"`";
    let times = |text: &str, expected: usize| {
        assert_eq!(text.matches(line).count(), expected, "{text}");
    };
    // The first stage has no start, and what the third one finds is another optimizer's.
    times(&project.temper(&["run", "chain.toml"]).expect_success().stderr, 1);
    times(&project.temper(&["check", "chain.toml"]).expect_success().stdout, 1);
    let said = ["check", "chain.toml", "--set", "optimizer.state=reset"];
    times(&project.temper(&said).expect_success().stdout, 0);
    project.edit("chain.toml", "{ lr = 1e-3 }", "{ lr = 1e-3, state = \"keep\" }");
    times(&project.temper(&["check", "chain.toml"]).expect_success().stdout, 0);
}

#[test]
fn moments_of_another_optimizer_are_not_kept() {
    let project = project();
    project.edit(
        "chain.toml",
        "{ name = \"muon\", lr = 1e-3 }",
        "{ name = \"muon\", lr = 1e-3, state = \"keep\" }",
    );
    let refused = project.temper(&["run", "chain.toml"]).expect_code(3).stderr;
    assert!(
        refused.contains("moments of adamw; expected those of muon, to keep them"),
        "{refused}"
    );
    let refused = project.temper(&["plan", "chain.toml", "--set", "optimizer.momentum=0.5"]);
    let refused = refused.expect_code(2).stderr;
    assert!(refused.contains("optimizer.momentum: found with `adamw`"), "{refused}");
}

#[test]
fn check_says_which_start_fits_by_the_stages_that_it_has_been_through() {
    let project = project();
    let starts = |project: &Project, recipe: &str| -> Vec<Value> {
        let checked = project.temper(&["check", recipe, "--json"]).expect_success().json();
        let stages = checked.as_array().map_or(std::slice::from_ref(&checked), Vec::as_slice);
        stages.iter().map(|stage| stage["start"].clone()).collect()
    };
    // Of what is not there yet the chain knows.
    let planned = starts(&project, "chain.toml");
    let (pretrained, mid_trained) = (json!(["pretrain"]), json!(["pretrain", "mid-train"]));
    for (start, (is, stages, fits)) in planned.iter().zip([
        ("drawn", &json!([]), Value::Null),
        ("pretrained", &pretrained, false.into()),
        ("mid-trained", &mid_trained, true.into()),
    ]) {
        assert_eq!((&start["is"], &start["stages"], &start["fits"]), (&is.into(), stages, &fits));
        assert_eq!(start["fitting"], json!(["mid-trained"]));
        assert_eq!((&start["learns_from"], &start["documents"]), (&"texts".into(), &600.into()));
    }
    project.temper(&["run", "chain.toml"]).expect_success();
    assert_eq!(starts(&project, "chain.toml"), planned);

    // Out of its run, by its lineage; without that nothing is known.
    let convert = ["checkpoint", "convert", "runs/chain-two@6", "out", "--dtype", "f32"];
    project.temper(&convert).expect_success();
    fs::remove_dir_all(project.path("runs")).unwrap();
    project.edit("recipe.toml", "init = \"model\"", "from = \"out\"");
    project.edit("recipe.toml", "stage = \"pretrain\"", "stage = \"mid-train\"");
    assert_eq!(starts(&project, "recipe.toml"), planned[2..]);
    let said =
        |project: &Project| project.temper(&["check", "recipe.toml"]).expect_success().stdout;
    let fits = "the start is mid-trained (its stages: pretrain, mid-train), which fits:\n        texts of about ";
    assert!(said(&project).contains(fits), "{}", said(&project));
    fs::remove_file(project.path("out/lineage.json")).unwrap();
    let unknown = "note: the start is pretrained (no run and no chat template of it is known); a mid-trained one \
                   fits better:";
    assert!(said(&project).contains(unknown), "{}", said(&project));
}

#[test]
fn check_looks_at_the_rows_of_stages_whose_start_is_not_there_yet() {
    let project = project();
    let said = |role: &str, content: &str| json!({ "role": role, "content": content });
    let line = |number: usize| {
        let messages =
            json!([said("user", &format!("river {number}?")), said("assistant", "stone")]);
        format!("{}\n", json!({ "messages": messages }))
    };
    project.write("chat.jsonl", &(0..20).map(line).collect::<String>());
    let import = "corpus import chat.jsonl --conversations --out data-manifests/chat.parquet --id chat \
                  --category dialog --licence CC0-1.0 --source made-by-a-test";
    project.temper(&import.split_whitespace().collect::<Vec<_>>()).expect_success();
    project.write("chat.jinja", TEMPLATE);
    let chain = fs::read_to_string(project.path("chain.toml")).unwrap();
    // The last stage has the template of the one before it.
    let stages = |template: &str| {
        let taught = "\n[[stages]]\nname = \"taught\"\nstage = \"sft\"\ndata_mixing = { weights = { chat = 1 } }\n";
        let again = taught.replace("taught", "again");
        project.write("taught.toml", &format!("{chain}{taught}{template}{again}"));
    };
    stages("model = { chat_template = \"chat.jinja\" }\n");
    let checked = project.temper(&["check", "taught.toml"]).expect_success().stdout;
    let rows = "`chat`: all 20 rows can be learned from";
    assert_eq!(checked.matches(rows).count(), 2, "{checked}");
    let missing =
        "starts from `runs/chain-taught`, which is not there yet: rows are read as from `model`";
    assert!(checked.contains(missing), "{checked}");
    assert!(!project.path("runs").exists());

    // What the first stages do not read is bad all the same.
    project.write("chat.jinja", "{{ raise_exception('nobody is here') }}");
    let checked = project.temper(&["check", "taught.toml", "--json"]).expect_code(1).json();
    let bad: Vec<&Value> =
        checked.as_array().unwrap().iter().map(|s| &s["rows"][0]["bad"]).collect();
    assert_eq!(bad, [0, 0, 0, 20, 20]);
    stages("");
    let refused = project.temper(&["check", "taught.toml"]).expect_code(2).stderr;
    assert!(
        refused.contains("holds conversations, and the model has no chat template"),
        "{refused}"
    );
    stages("training = { sequence_length = 256 }\n");
    let refused = project.temper(&["check", "taught.toml"]).expect_code(2).stderr;
    assert!(refused.contains("the model reads 128 positions at most"), "{refused}");
}

#[test]
fn check_refuses_what_a_later_stage_cannot_train_before_the_first_one_has() {
    let project = project();
    let refused = |from: &str, to: &str, expected: &str| {
        let other = project.copy();
        other.edit("chain.toml", from, to);
        let found = other.temper(&["check", "chain.toml"]).expect_code(2);
        assert!(found.stderr.contains(expected), "{}", found.stderr);
        assert!(found.stdout.contains("chain-one: recipe"), "{}", found.stdout);
        assert!(!other.path("runs").exists());
    };
    let muon = "optimizer = { name = \"muon\", lr = 1e-3 }";
    refused(
        muon,
        "optimizer = { lr = 1e-3 }\nlora = { rank = 2, targets = [\"wq\"] }",
        "lora: found the target `wq`",
    );
    refused(
        "training = { max_steps = 4 }",
        "training = { max_steps = 4, frozen = [\"model.layer.0.*\"] }",
        "training.frozen: found `model.layer.0.*`, which names no tensor",
    );
    refused(
        muon,
        &format!("{muon}\nanchor = {{ ewc = 1.0, fisher = \"model/tokenizer.json\" }}"),
        "tokenizer.json`: found no Fisher information",
    );
    // What they train is said of each of them.
    project.edit("chain.toml", muon, "optimizer = { lr = 1e-3 }\nlora = { rank = 2 }");
    let checked = project.temper(&["check", "chain.toml"]).expect_success().stdout;
    assert_eq!(checked.matches("parameters are trained\n").count(), 2, "{checked}");
    assert_eq!(checked.matches("parameters of factors are trained beside").count(), 1, "{checked}");
}
