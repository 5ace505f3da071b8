//! A disk that takes no more, at every size, and numbers that are none.

use std::fs;
use std::process::Command;

use expect_test::expect;

use super::{error, files};
use crate::project::{Call, Project, TEMPER};

/// Runs with files of at most `blocks` of 512 bytes: a write beyond fails as on a full disk.
fn on_a_small_disk(project: &Project, blocks: u64) -> Call {
    // The signal would kill the process before it could say anything.
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" run recipe.toml");
    let mut command = Command::new("sh");
    Call::of(command.args(["-c", &script, TEMPER]).current_dir(project.path("")).output().unwrap())
}

#[test]
fn a_full_disk_ends_a_run_that_can_go_on_with_the_same_bytes() {
    let fresh = Project::new();
    let whole = fresh.copy();
    whole.temper(&["run", "recipe.toml"]).expect_success();
    let mut codes = Vec::new();
    for blocks in [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512] {
        let project = fresh.copy();
        let before = files(&project);
        let call = on_a_small_disk(&project, blocks);
        let code = call.code;
        codes.push(code);
        if code != 0 {
            let text = error(&project, call);
            assert!(text.contains("File too large"), "{blocks} blocks: {text}");
        }
        let next: &[&str] = match code {
            0 => &["report", "runs/small"],
            3 => &["resume", "runs/small"],
            _ => {
                assert_eq!((code, files(&project)), (2, before), "{blocks} blocks");
                &["run", "recipe.toml"]
            }
        };
        let drafts: Vec<String> = project.files();
        let drafts = drafts.iter().filter(|path| path.ends_with(".partial") || path.contains(".new"));
        assert_eq!(drafts.count(), 0, "{blocks} blocks: {:#?}", project.files());
        project.temper(next).expect_success();
        assert!(project.results("runs/small") == whole.results("runs/small"), "{blocks} blocks");
    }
    assert!(codes.contains(&2) && codes.contains(&3), "{codes:?}");
    assert!(codes.is_sorted_by_key(|code| [2, 3, 0].iter().position(|other| other == code)), "{codes:?}");
}

#[test]
fn a_loss_that_is_no_number_names_the_step_and_its_documents() {
    let project = Project::new();
    // Weights a step later are beyond any float.
    let run = [
        "run", "recipe.toml", "--set", "optimizer.weight_decay=1e38", "--set", "checkpoint.every=1",
        "--set", "training.global_batch_size=2",
    ];
    let text = error(&project, project.temper(&run).expect_code(3));
    expect![""].assert_eq(&text);
    let runs = project.temper(&["runs", "--json"]).expect_success().json();
    assert_eq!((&runs[0]["state"], &runs[0]["steps_done"]), (&"failed".into(), &1.into()));
    // The last checkpoint is whole, and the ledger ends where it does.
    project.temper(&["audit", "runs/small"]).expect_success();
    assert!(fs::exists(project.path("runs/small/checkpoints/step-000001/temper/manifest.json")).unwrap());
}
