//! A disk that is full at any moment, and numbers that are none.

use std::fs;
use std::process::Command;

use super::{error, files};
use crate::project::{Call, Project, TEMPER};

/// Runs with files of at most `blocks` of 512 bytes: a write beyond fails as on a full disk.
fn on_a_small_disk(project: &Project, blocks: u64) -> Call {
    // The signal would kill the process before it could say anything.
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" run recipe.toml");
    let mut command = Command::new("sh");
    Call::of(command.args(["-c", &script, TEMPER]).current_dir(project.path("")).output().unwrap())
}

/// Runs copies of `fresh` on disks of so many blocks, which must end with `code`; then on a large one.
#[track_caller]
fn check_full_disks(fresh: &Project, code: i32, disks: &[u64]) {
    let whole = fresh.copy();
    whole.temper(&["run", "recipe.toml"]).expect_success();
    for blocks in disks {
        let project = fresh.copy();
        let text = error(&project, on_a_small_disk(&project, *blocks).expect_code(code));
        assert!(text.contains("File too large"), "{blocks} blocks: {text}");
        let left = project.files();
        let is_draft = |path: &&String| path.contains(".partial") || path.contains(".new");
        assert_eq!(left.iter().find(is_draft), None, "{blocks} blocks");
        if code == 2 {
            assert_eq!(files(&project), files(fresh), "{blocks} blocks");
            project.temper(&["run", "recipe.toml"]).expect_success();
        } else {
            project.temper(&["resume", "runs/small"]).expect_success();
        }
        assert!(project.results("runs/small") == whole.results("runs/small"), "{blocks} blocks");
    }
}

#[test]
fn a_full_disk_before_training_leaves_nothing() {
    // The lock, the recipe in the run directory, the shards.
    check_full_disks(&Project::new(), 2, &[0, 1, 4, 64]);
}

#[test]
fn a_run_whose_disk_was_full_goes_on_with_the_same_bytes() {
    let tokenized = Project::new();
    tokenized.temper(&["plan", "recipe.toml"]).expect_success();
    // The baseline, a score, the weights, the optimizer's moments.
    check_full_disks(&tokenized, 3, &[8, 16, 32, 128, 256]);
    // Without scores, which are larger, the ledger is the first to find no room.
    let recipe = fs::read_to_string(tokenized.path("recipe.toml")).unwrap();
    tokenized.write("recipe.toml", recipe.split("[forgetting]").next().unwrap());
    check_full_disks(&tokenized, 3, &[4]);
}

#[test]
fn a_loss_that_is_no_number_names_the_step_and_its_documents() {
    let project = Project::new();
    // Weights a step later are beyond any float.
    let run = [
        "run",
        "recipe.toml",
        "--set",
        "optimizer.weight_decay=1e38",
        "--set",
        "checkpoint.every=1",
        "--set",
        "training.global_batch_size=2",
    ];
    let text = error(&project, project.temper(&run).expect_code(3));
    for expected in [
        "step 1: loss ",
        "expected finite numbers",
        "customer[file 0, row group 0, row ",
        "the last checkpoint is intact",
    ] {
        assert!(text.contains(expected), "no {expected:?} in {text}");
    }
    let runs = project.temper(&["runs", "--json"]).expect_success().json();
    assert_eq!((&runs[0]["state"], &runs[0]["steps_done"]), (&"failed".into(), &1.into()));
    // The last checkpoint is whole, and the ledger ends where it does.
    project.temper(&["audit", "runs/small"]).expect_success();
    assert!(
        fs::exists(project.path("runs/small/checkpoints/step-000001/temper/manifest.json"))
            .unwrap()
    );
}
