//! Folders that cannot be written or are in use, and devices that are not there.

use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use expect_test::expect;

use super::{check, check_call, error};
use crate::project::Project;

/// No one may make a folder there, root included.
const READ_ONLY: &str = "/sys";

#[test]
fn folders_that_cannot_be_written_are_refused() {
    let whole = Project::new();
    check(&whole, |project| project.write("runs", ""), expect![""]);
    check(&whole, |project| project.write(".temper", ""), expect![""]);
    check(&whole, |project| symlink(READ_ONLY, project.path("runs")).unwrap(), expect![""]);
    check(&whole, |project| symlink(READ_ONLY, project.path(".temper")).unwrap(), expect![""]);
}

#[test]
fn output_that_cannot_be_written_is_refused() {
    let whole = Project::new();
    let train = ["tokenizer", "train", "general", "--vocabulary", "300", "--out", "recipe.toml/x"];
    check_call(&whole, |_| (), &train, expect![""]);
    let import = ["corpus", "import", "general.jsonl", "--out", "recipe.toml/x.parquet"];
    check_call(&whole, |_| (), &import, expect![""]);
    let import = ["corpus", "import", "general.jsonl", "--out", "full.parquet"];
    check_call(
        &whole,
        |project| symlink("/dev/full", project.path("full.parquet.partial")).unwrap(),
        &import,
        expect![""],
    );
}

#[test]
fn a_run_in_use_is_refused_with_the_process() {
    let project = Project::new();
    let mut running = project.command(&["run", "recipe.toml"]);
    let mut running = running.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while !project.path("runs/small/run.json").exists() {}
    // Stopped, it keeps its lock for as long as this test takes.
    let signal = |name: &str| {
        let id = running.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    };
    signal("-STOP");
    let refused = project.temper(&["resume", "runs/small"]).expect_code(2);
    let text = error(&project, refused).replace(&running.id().to_string(), "<pid>");
    expect![""].assert_eq(&text);
    let again = project.temper(&["run", "recipe.toml"]).expect_code(2);
    expect![""].assert_eq(&error(&project, again));
    signal("-CONT");
    assert!(running.wait().unwrap().success());
    project.temper(&["audit", "runs/small"]).expect_success();
}

#[test]
fn devices_that_are_not_there_are_refused() {
    let whole = Project::new();
    let run = |device| ["run", "recipe.toml", "--device", device];
    check_call(&whole, |_| (), &run("tpu"), expect![""]);
    check_call(&whole, |_| (), &run("cpu:1"), expect![""]);
    check_call(&whole, |_| (), &run("cuda:first"), expect![""]);
    if !cfg!(feature = "cuda") {
        check_call(&whole, |_| (), &run("cuda:0"), expect![""]);
    }
}

#[test]
fn what_is_asked_of_the_wrong_folder_is_refused() {
    let whole = Project::new();
    check_call(&whole, |_| (), &["resume", "model"], expect![""]);
    check_call(&whole, |_| (), &["audit", "runs/none"], expect![""]);
    check_call(&whole, |_| (), &["eval", "model", "--suite", "small"], expect![""]);
    check_call(&whole, |_| (), &["generate", "runs/none@4", "--prompt", "x"], expect![""]);
}
