//! A run does not go on with another recipe or other data than it was started with.

use std::fs;

use expect_test::expect;

use super::check_call;
use crate::documents::replace;
use crate::project::Project;

const RESUME: &[&str] = &["resume", "runs/small"];

/// A run that was killed just before it could say that it has finished.
fn unfinished() -> Project {
    let project = Project::new();
    project.temper(&["run", "recipe.toml"]).expect_success();
    fs::remove_file(project.path("runs/small/outcome.json")).unwrap();
    project
}

fn other_documents(project: &Project) {
    replace(project, "customer", &vec![Some(b"solvent and titration".to_vec()); 600]);
}

#[test]
fn a_changed_recipe_is_refused_with_its_keys() {
    let whole = unfinished();
    let change = |from: &'static str, to: &'static str| {
        move |project: &Project| project.edit("recipe.toml", from, to)
    };
    check_call(&whole, change("lr = 3e-3", "lr = 1e-3"), RESUME, expect![""]);
    check_call(&whole, change("percent = 75", "percent = 70"), RESUME, expect![""]);
    let resolved = "runs/small/recipe.resolved.toml";
    check_call(&whole, |project| project.edit(resolved, "seed = 3", "seed = 4"), RESUME, expect![""]);
}

#[test]
fn changed_data_is_refused() {
    let whole = unfinished();
    check_call(&whole, other_documents, RESUME, expect![""]);
    check_call(
        &whole,
        |project| {
            let manifest = "data-manifests/customer.toml";
            let before = fs::read_to_string(project.path(manifest)).unwrap();
            other_documents(project);
            project.write(manifest, &before);
        },
        RESUME,
        expect![""],
    );
    // Another tokenizer makes other tokens of the same text.
    let retrain = ["tokenizer", "train", "general", "--vocabulary", "320", "--out", "model"];
    check_call(
        &whole,
        |project| drop(project.temper(&retrain).expect_success()),
        RESUME,
        expect![""],
    );
}

#[test]
fn what_cannot_be_extended_stays_as_it_was() {
    let project = Project::new();
    let run = ["run", "recipe.toml", "--set", "training.max_tokens=1000", "--set", "training.max_steps="];
    let _ = run;
    project.edit("recipe.toml", "max_steps = 24", "max_tokens = 1000");
    project.temper(&["run", "recipe.toml"]).expect_success();
    let extend = |tokens| ["resume", "runs/small", "--extend", tokens];
    check_call(&project, |_| (), RESUME, expect![""]);
    check_call(&project, |_| (), &extend("many"), expect![""]);
    let copy = project.copy();
    check_call(&copy, |_| (), &extend("100M"), expect![""]);
    // The refusal is not remembered.
    copy.temper(&extend("100M")).expect_code(2);
    copy.temper(&extend("500")).expect_success();
    copy.temper(&["audit", "runs/small"]).expect_success();
}
