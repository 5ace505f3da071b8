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
    check_call(
        &whole,
        change("lr = 3e-3", "lr = 1e-3"),
        RESUME,
        expect![[r#"
            error: cannot resume `runs/small`: `recipe.toml` changed since the run was started
              optimizer.lr: 0.003, now 0.001
              optimizer.schedule.min_lr: 0.0003, now 0.0001

            hint: restore the recipe and its manifests; `--remix` takes another mix, any other change is a new run, from `runs/small`"#]],
    );
    check_call(
        &whole,
        change("percent = 75", "percent = 70"),
        RESUME,
        expect![[r#"
            error: cannot resume `runs/small`: `recipe.toml` changed since the run was started
              mixture.shares.stated.customer: "3/4", now "7/10"
              mixture.shares.stated.general: "1/4", now "3/10"

            hint: restore the recipe and its manifests; `--remix` takes another mix, any other change is a new run, from `runs/small`"#]],
    );
    let resolved = "runs/small/recipe.resolved.toml";
    check_call(
        &whole,
        |project| project.edit(resolved, "seed = 3", "seed = 4"),
        RESUME,
        expect![[r#"
        error: cannot resume `runs/small`: `recipe.resolved.toml` has digest …, the run was started with …

        hint: restore the file; a changed recipe is a new run, from `runs/small`"#]],
    );
}

#[test]
fn changed_data_is_refused() {
    let whole = unfinished();
    check_call(
        &whole,
        other_documents,
        RESUME,
        expect![[r#"
            error: cannot resume `runs/small`: `recipe.toml` changed since the run was started
              mixture.sources.customer.manifest: "…", now "…"

            hint: restore the recipe and its manifests; `--remix` takes another mix, any other change is a new run, from `runs/small`"#]],
    );
    check_call(
        &whole,
        |project| {
            let manifest = "data-manifests/customer.toml";
            let before = fs::read_to_string(project.path(manifest)).unwrap();
            other_documents(project);
            project.write(manifest, &before);
            // As long as the shards are there, the documents are not read again.
            fs::remove_dir_all(project.path(".temper")).unwrap();
        },
        RESUME,
        expect![[r#"
            error: `data-manifests/customer.parquet` has sha256 …, its manifest says …

            hint: fetch the file again; if it is right, write its sha256 into the manifest"#]],
    );
    // The checkpoint carries its tokenizer: another one makes other tokens of the same text.
    check_call(
        &whole,
        |project| {
            let retrain =
                ["tokenizer", "train", "general", "--vocabulary", "310", "--out", "other"];
            project.temper(&retrain).expect_success();
            let checkpoint = "runs/small/checkpoints/step-000024/tokenizer.json";
            fs::copy(project.path("other/tokenizer.json"), project.path(checkpoint)).unwrap();
        },
        RESUME,
        expect![[r#"
            error: cannot resume `runs/small`: its data changed
              tokenizer: found …, the run was started with …
              shards of `customer`: found …, the run was started with …
              shards of `general`: found …, the run was started with …

            hint: restore the data, or start a new run from its last checkpoint"#]],
    );
}

#[test]
fn a_resume_reads_shards_and_no_documents() {
    let project = unfinished();
    fs::remove_file(project.path("data-manifests/customer.parquet")).unwrap();
    let resumed = project.temper(RESUME).expect_success().stderr;
    assert!(resumed.contains("as planned: 24 steps"), "{resumed}");
}

#[test]
fn what_cannot_be_extended_stays_as_it_was() {
    let project = Project::new();
    project.edit("recipe.toml", "max_steps = 24", "max_tokens = 1000");
    let ran = project.temper(&["run", "recipe.toml"]).expect_success().stdout;
    let extend = |tokens| ["resume", "runs/small", "--extend", tokens];
    // The last line of a run can be typed as it stands.
    assert_eq!(
        ran.lines().last(),
        Some("  train on    temper resume runs/small --extend 300"),
        "{ran}"
    );
    project.copy().temper(&extend("300")).expect_success();
    check_call(
        &project,
        |_| (),
        RESUME,
        expect![[r#"
        error: run `runs/small` is finished

        hint: `temper resume runs/small --extend 300` trains on, `temper report runs/small` shows its report"#]],
    );
    check_call(
        &project,
        |_| (),
        &extend("many"),
        expect![[r#"
        error: --extend: found `many`, expected a number of tokens

        hint: write 600000 or 500k"#]],
    );
    let copy = project.copy();
    check_call(
        &copy,
        |_| (),
        &extend("100M"),
        expect![[r#"
        error: plan: `customer` cannot supply its share: needed 75000776 tokens, available 63000 (15750 × max_epochs 4)
        plan: `general` cannot supply its share: needed 25000259 tokens, available 60248 (15062 × max_epochs 4)

        hint: raise `max_epochs` to 4762, lower the budget to 84000 tokens, or give `customer` and `general` a smaller percent"#]],
    );
    // The refusal is not remembered.
    copy.temper(&extend("100M")).expect_code(2);
    copy.temper(&extend("500")).expect_success();
    copy.temper(&["audit", "runs/small"]).expect_success();
}
