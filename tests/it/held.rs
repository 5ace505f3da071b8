//! What holds a run near its start: frozen tensors, averages, terms of the objective.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use crate::documents::sha256;
use crate::killed::killed_after_a_checkpoint;
use crate::project::Project;

/// A project with a checkpoint `runs/small` and a recipe `held.toml` that continues it for 12 steps.
fn project() -> Project {
    let project = Project::new();
    project.edit("recipe.toml", "max_steps = 24", "max_steps = 4");
    project.temper(&["run", "recipe.toml"]).expect_success();
    let recipe = fs::read_to_string(project.path("recipe.toml")).unwrap();
    let recipe = recipe
        .replace("name = \"small\"", "name = \"held\"")
        .replace("stage = \"pretrain\"", "stage = \"mid-train\"")
        .replace("init = \"model\"", "from = \"runs/small\"")
        .replace("max_steps = 4", "max_steps = 12");
    project.write("held.toml", &recipe);
    project
}

/// The bytes of each tensor of a safetensors file.
fn tensors(project: &Project, path: &str) -> BTreeMap<String, Vec<u8>> {
    let file = fs::read(project.path(path)).unwrap();
    let (length, rest) = file.split_at(8);
    let (header, data) = rest.split_at(u64::from_le_bytes(length.try_into().unwrap()) as usize);
    let header: BTreeMap<String, Value> = serde_json::from_slice(header).unwrap();
    let tensors = header.into_iter().filter(|(name, _)| name != "__metadata__");
    let bytes = |(name, of): (String, Value)| {
        let at = |which: usize| of["data_offsets"][which].as_u64().unwrap() as usize;
        (name, data[at(0)..at(1)].to_vec())
    };
    tensors.map(bytes).collect()
}

/// What a measure came to, step by step.
fn measured(project: &Project, run: &str, measure: &str) -> Vec<f64> {
    let sql = format!(
        "SELECT step, value FROM measures WHERE source = 'anchor' AND measure = '{measure}' ORDER BY step"
    );
    let found = project.temper(&["query", run, &sql, "--json"]).expect_success().json();
    found.as_array().unwrap().iter().map(|row| row["value"].as_f64().unwrap()).collect()
}

/// The recipe with other values under another name, run to its end.
fn run(project: &Project, name: &str, sets: &[&str]) {
    let name = format!("name={name}");
    let mut call = vec!["run", "held.toml", "--set", &name];
    call.extend(sets.iter().flat_map(|set| ["--set", set]));
    project.temper(&call).expect_success();
}

const FROZEN: &str =
    "training.frozen=[\"model.embed_tokens.*\", \"model.layers.0.*\", \"*norm.weight\"]";

#[test]
fn frozen_tensors_are_those_of_the_start_byte_by_byte() {
    let project = project();
    // The seven matrices of the second block.
    for verb in ["check", "plan"] {
        let said = project.temper(&[verb, "held.toml", "--set", FROZEN]).expect_success().stdout;
        assert!(said.contains("9,216 of 28,832 parameters are trained"), "{said}");
    }
    run(&project, "held", &[FROZEN, "checkpoint.dtype=f32"]);
    project.temper(&["audit", "runs/held"]).expect_success();
    let last = "runs/held/checkpoints/step-000012";
    let before = tensors(&project, "runs/small/checkpoints/step-000004/model.safetensors");
    let after = tensors(&project, &format!("{last}/model.safetensors"));
    assert_eq!(before.len(), after.len());
    let moments = tensors(&project, &format!("{last}/temper/optimizer.safetensors"));
    let mut n_frozen = 0;
    for (name, bytes) in &before {
        let is_frozen = !name.starts_with("model.layers.1.") || name.ends_with("norm.weight");
        n_frozen += usize::from(is_frozen);
        assert_eq!(after[name] == *bytes, is_frozen, "{name}");
        assert_eq!(moments.contains_key(&format!("exp_avg.{name}")), !is_frozen, "{name}");
    }
    assert_eq!((n_frozen, moments.len()), (before.len() - 7, 14));
}

#[test]
fn averages_are_a_model_of_their_own() {
    let project = project();
    run(&project, "held", &["ema.decay=0.5"]);
    project.temper(&["audit", "runs/held"]).expect_success();
    let last = "runs/held/checkpoints/step-000012";
    let averages = format!("{last}/ema");
    let of = |folder: &str| -> Vec<f32> {
        let tensors = tensors(&project, &format!("{folder}/model.safetensors"));
        let floats = tensors["model.norm.weight"].chunks_exact(4);
        floats.map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
    };
    // A long memory stays near the start, a short one near the end.
    run(&project, "slow", &["ema.decay=0.999"]);
    let slow = "runs/slow/checkpoints/step-000012";
    assert!(of(last) == of(slow), "averages are nothing that training depends on");
    let apart = |folder: &str| {
        let pairs = of(folder).into_iter().zip(of(last));
        pairs.map(|(a, b)| f64::from(a - b).abs()).sum::<f64>()
    };
    let (short, long) = (apart(&averages), apart(&format!("{slow}/ema")));
    assert!(short > 0.0 && short < long / 2.0, "{short} and {long}");
    // It is scored, and training goes on from it.
    let eval = ["eval", &averages, "--suite", "small", "--json"];
    assert!(project.temper(&eval).expect_success().json()["tasks"][0]["loss"].as_f64().is_some());
    let from = format!("model.from={averages}");
    run(&project, "next", &[&from, "training.max_steps=2"]);
    let shown = project.temper(&["checkpoint", "show", "runs/next"]).expect_success().stdout;
    assert!(shown.contains("held"), "{shown}");
    let kept = ["run", "held.toml", "--set", "name=kept", "--set", &from];
    let refused = project.temper(&[&kept[..], &["--set", "optimizer.state=keep"]].concat());
    let refused = refused.expect_code(2).stderr;
    assert!(refused.contains("has no training state"), "{refused}");
}

#[test]
fn the_stronger_the_anchor_the_nearer_the_start() {
    let project = project();
    let mut before = f64::INFINITY;
    for (name, l2) in [("loose", 0.01), ("held", 1.0), ("tight", 100.0)] {
        run(&project, name, &[&format!("anchor.l2={l2}")]);
        let terms = measured(&project, &format!("runs/{name}"), "l2");
        assert_eq!(terms.len(), 12);
        // The first step is trained at the start itself.
        assert_eq!(terms[0], 0.0);
        let distance = terms[11] / l2;
        assert!(distance > 0.0 && distance < before, "{name}: {distance}, and {before} before");
        before = distance;
    }
    project.temper(&["audit", "runs/tight"]).expect_success();
    let report = project.temper(&["report", "runs/tight"]).expect_success().stdout;
    assert!(report.contains("anchor") && report.contains("l2"), "{report}");
}

#[test]
fn the_fisher_information_of_curated_rows_is_measured_once() {
    let project = project();
    let sets = ["anchor.ewc=1000", "anchor.fisher_rows=6"];
    run(&project, "held", &sets);
    project.temper(&["audit", "runs/held"]).expect_success();
    let terms = measured(&project, "runs/held", "ewc");
    assert_eq!((terms.len(), terms[0]), (12, 0.0));
    assert!(terms[11] > 0.0);
    let cached = || {
        let files = project.files().into_iter();
        files.filter(|file| file.contains("references/fisher-")).collect::<Vec<_>>()
    };
    let fisher = "anchor/fisher.safetensors";
    let [file] = &cached()[..] else { panic!("one file: {:?}", cached()) };
    let bytes = fs::read(project.path(file)).unwrap();
    assert!(fs::read(project.path(&format!("runs/held/{fisher}"))).unwrap() == bytes);
    // Another run on the same rows takes it from there; on others it does not.
    run(&project, "again", &[&sets[..], &["optimizer.lr=1e-4"]].concat());
    assert_eq!(cached().len(), 1);
    run(&project, "others", &[sets[0], "anchor.fisher_rows=5"]);
    assert_eq!(cached().len(), 2);
    assert!(fs::read(project.path(&format!("runs/others/{fisher}"))).unwrap() != bytes);
    // A resume goes on with what the run has.
    fs::remove_file(project.path(&format!("runs/held/{fisher}"))).unwrap();
    fs::remove_file(project.path("runs/held/outcome.json")).unwrap();
    fs::remove_dir_all(project.path("runs/held/checkpoints/step-000012")).unwrap();
    let resumed = project.temper(&["resume", "runs/held"]);
    assert!(resumed.expect_code(3).stderr.contains("fisher.safetensors"));
}

#[test]
fn fisher_information_that_is_named_is_that_of_the_run_from_then_on() {
    let project = project();
    let fisher = "anchor/fisher.safetensors";
    let bytes = |run: &str| fs::read(project.path(&format!("runs/{run}/{fisher}"))).unwrap();
    run(&project, "held", &["anchor.ewc=1000", "anchor.fisher_rows=6"]);
    let named = ["anchor.ewc=1000", "anchor.fisher=runs/held"];
    run(&project, "named", &named);
    project.temper(&["audit", "runs/named"]).expect_success();
    assert!(bytes("named") == bytes("held"));
    // The same numbers at the same weights: the same run.
    assert!(measured(&project, "runs/named", "ewc") == measured(&project, "runs/held", "ewc"));
    let resolved = fs::read_to_string(project.path("runs/named/recipe.resolved.toml")).unwrap();
    let digest = sha256(&project.path(&format!("runs/held/{fisher}")));
    assert!(
        resolved.contains(&format!("[anchor.fisher]\npath = \"runs/held/{fisher}\"\n")),
        "{resolved}"
    );
    assert!(resolved.contains(&digest), "{resolved}");
    let sets = named.iter().flat_map(|set| ["--set", set]);
    let call: Vec<&str> = ["check", "held.toml", "--deep"].into_iter().chain(sets).collect();
    let said = project.temper(&call).expect_success().stdout;
    let line = format!(
        "the Fisher information of 6 rows of `general`, read from `runs/held/{fisher}`, says, ewc 1000"
    );
    assert!(said.contains(&line), "{said}");

    // At other weights it is said; a resume goes by the run's own copy, and by a recipe that still says the same.
    let mut call = vec!["run", "held.toml", "--set", "name=later", "--set", "model.from=runs/held"];
    call.extend(named.iter().flat_map(|set| ["--set", set]));
    let whole = project.copy();
    let said = whole.temper(&call).expect_success().stderr;
    assert!(said.contains("was measured at other weights than these"), "{said}");
    let again = killed_after_a_checkpoint(&project.copy(), &call, "runs/later");
    let (own, aside) = (again.path(&format!("runs/held/{fisher}")), again.path("aside"));
    fs::rename(&own, &aside).unwrap();
    let gone = again.temper(&["resume", "runs/later"]).expect_code(2).stderr;
    assert!(gone.contains(&format!("cannot read `runs/held/{fisher}`")), "{gone}");
    fs::rename(&aside, &own).unwrap();
    again.temper(&["resume", "runs/later"]).expect_success();
    assert!(again.results("runs/later") == whole.results("runs/later"));

    // One that was copied in part is refused before there is a run.
    let all = bytes("held");
    let n_bytes = all.len() - 100;
    fs::write(project.path("part.safetensors"), &all[..n_bytes]).unwrap();
    for verb in ["check", "run"] {
        let part = "anchor.fisher=part.safetensors";
        let call = [verb, "held.toml", "--set", "name=part", "--set", named[0], "--set", part];
        let refused = project.temper(&call).expect_code(2).stderr;
        let expected = format!("`: found {n_bytes} bytes, expected {}", all.len());
        assert!(refused.contains("anchor.fisher: `"), "{refused}");
        assert!(refused.contains(&expected), "{refused}");
    }
    assert!(!project.path("runs/part").exists());

    // Another file in its place is found.
    fs::write(project.path(&format!("runs/named/{fisher}")), bytes("held").split_off(9)).unwrap();
    let audit = project.temper(&["audit", "runs/named"]).expect_code(1).stdout;
    assert!(audit.contains(&format!("fisher: {fisher}: found ")), "{audit}");
    fs::remove_file(project.path("runs/named/outcome.json")).unwrap();
    fs::remove_dir_all(project.path("runs/named/checkpoints/step-000012")).unwrap();
    let resumed = project.temper(&["resume", "runs/named"]).expect_code(3).stderr;
    assert!(resumed.contains("as the recipe was resolved with"), "{resumed}");
}

#[test]
fn curated_rows_are_held_to_what_the_start_says() {
    let project = project();
    let mut before = f64::INFINITY;
    for (name, kl) in [("loose", 0.01), ("held", 1.0), ("tight", 30.0)] {
        run(&project, name, &[&format!("anchor.kl={kl}")]);
        let terms = measured(&project, &format!("runs/{name}"), "kl");
        assert_eq!(terms.len(), 12);
        assert!(terms[0].abs() < 1e-5 * kl, "{name}: {}", terms[0]);
        let divergence = terms[8..].iter().sum::<f64>() / kl;
        assert!(divergence > 0.0 && divergence < before, "{name}: {divergence}, before {before}");
        before = divergence;
    }
    project.temper(&["audit", "runs/held"]).expect_success();
    let checked = ["check", "held.toml", "--set", "anchor.kl=1"];
    let checked = project.temper(&checked).expect_success().stdout;
    assert!(
        checked.contains("held to what the starting model says of `general`, kl 1"),
        "{checked}"
    );
}

#[test]
fn killed_and_resumed_they_end_with_the_same_bytes() {
    let project = project();
    for sets in [
        &["training.frozen=[\"model.layers.0.*\"]", "ema.decay=0.9", "optimizer.name=muon"][..],
        &["ema.decay=0.9", "checkpoint.dtype=bf16"],
        &["ema.decay=0.9", "lora.rank=4", "anchor.l2=0.1"],
        &["anchor={l2=0.01, ewc=10.0, fisher_rows=6}", "checkpoint.dtype=bf16"],
        &["anchor.kl=1.0", "lora.rank=4"],
        &["lora={rank=4, dropout=0.2}", "ema.decay=0.9"],
    ] {
        let mut call = vec!["run", "held.toml"];
        call.extend(sets.iter().flat_map(|set| ["--set", set]));
        let (whole, again) = (project.copy(), project.copy());
        whole.temper(&call).expect_success();
        let again = killed_after_a_checkpoint(&again, &call, "runs/held");
        again.temper(&["resume", "runs/held"]).expect_success();
        for (found, expected) in again.results("runs/held").iter().zip(whole.results("runs/held")) {
            assert!(*found == expected, "{sets:?}: {} and {}", found.0, expected.0);
        }
    }
}

#[test]
fn what_cannot_be_held_is_refused() {
    let project = project();
    let refused = |sets: &[&str], expected: &str| {
        let mut call = vec!["check", "held.toml"];
        call.extend(sets.iter().flat_map(|set| ["--set", set]));
        let found = project.temper(&call).expect_code(2).stderr;
        assert!(found.contains(expected), "{found}");
    };
    refused(
        &["training.frozen=[\"model.layer.0.*\"]"],
        "`model.layer.0.*`, which names no tensor; expected",
    );
    refused(&["training.frozen=[\"*\"]"], "patterns that name all 20 tensors");
    refused(&["training.frozen=[\"lm_head.weight\"]"], "names no tensor");
    refused(
        &["training.frozen=[\"*norm*\"]", "lora.rank=2"],
        "expected none with `[lora]`, which freezes all weights",
    );
    refused(&["lora.dropout=1"], "lora.dropout: found `1`, expected 0 to less than 1");
    refused(
        &["lora.dropout=0.1", "training.precision=bf16"],
        "expected none with `precision = \"bf16\"`",
    );
    refused(&["ema.decay=1.5"], "ema.decay: found `1.5`, expected more than 0 and less than 1");
    let weights = "anchor.fisher=runs/small/checkpoints/step-000004/model.safetensors";
    refused(&["anchor.ewc=1", weights], "model.safetensors`: found no Fisher information");
    refused(
        &["anchor.ewc=1", "anchor.fisher=runs/small"],
        "anchor.fisher: cannot read `runs/small/",
    );
    refused(&["anchor.l2=0"], "found no term above 0");
    refused(&["anchor.ewc=1", "anchor.sources=[\"generel\"]"], "did you mean `general`?");
    refused(&["anchor.l2=1", "model={init=\"model\"}", "stage=pretrain"], "to stay near");
}
