use std::fs;

use tempfile::TempDir;

use super::*;
use crate::testing::{run, save_checkpoint};

/// A plain folder `checkpoints/nano`, and a run `runs/x` with checkpoints at 4 and 8.
fn project() -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::create_dir_all(folder.path().join("checkpoints/nano")).unwrap();
    fs::write(folder.path().join("checkpoints/nano/config.json"), "{}").unwrap();
    let (run, _lock) = run(folder.path(), "x");
    save_checkpoint(&run, 4, Digest::of(b""));
    save_checkpoint(&run, 8, Digest::of(b""));
    // Of a checkpoint at step 12 the manifest was never written.
    fs::create_dir_all(run.checkpoint_folder(12)).unwrap();
    folder
}

#[track_caller]
fn check(asked: &str, folder: &str, step: Option<u64>) {
    let project = project();
    let origin = Origin::find(project.path(), asked).unwrap();
    assert_eq!(origin.folder, project.path().join(folder));
    assert_eq!(origin.run.as_ref().map(|(_, step)| *step), step);
    let lineage = origin.lineage(project.path(), Digest::of(b"w")).unwrap();
    assert_eq!(
        lineage.parent().map(|parent| (parent.run.as_str(), parent.step)),
        step.map(|step| ("x", step))
    );
    let Lineage::Checkpoint { asked: said, folder: found, .. } = lineage else {
        panic!("{lineage:?}")
    };
    assert_eq!((said.as_str(), found.as_str()), (asked, folder));
}

#[test]
fn origins_are_resolved() {
    check("checkpoints/nano", "checkpoints/nano", None);
    check("runs/x", "runs/x/checkpoints/step-000008", Some(8));
    check("runs/x@4", "runs/x/checkpoints/step-000004", Some(4));
    check("runs/x/checkpoints/step-000004", "runs/x/checkpoints/step-000004", Some(4));
}

#[track_caller]
fn check_refused(asked: &str, expected: &str) {
    let project = project();
    let message = Origin::find(project.path(), asked).unwrap_err().to_string();
    assert!(message.contains(expected) && message.contains("hint: "), "{message}");
}

#[test]
fn missing_origins_are_refused() {
    check_refused(
        "runs/x@12",
        "`runs/x@12`: found no complete checkpoint at step 12; the run has 4, 8",
    );
    check_refused("runs/x@last", "`runs/x@last` names no checkpoint");
    check_refused("runs/y", "`runs/y` names no checkpoint");
    check_refused("checkpoints", "`checkpoints` names no checkpoint");
}

#[test]
fn a_run_without_checkpoints_is_refused() {
    let folder = TempDir::new().unwrap();
    let _run = run(folder.path(), "x");
    let message = Origin::find(folder.path(), "runs/x").unwrap_err().to_string();
    assert!(message.contains("`runs/x` names no checkpoint"), "{message}");
}

#[test]
fn lineage_nests_and_survives_json() {
    let project = project();
    let origin = Origin::find(project.path(), "runs/x@4").unwrap();
    let lineage = origin.lineage(project.path(), Digest::of(b"w")).unwrap();
    let parent = lineage.parent().unwrap();
    assert_eq!(parent.started_from, Lineage::Init { folder: "checkpoints/nano".to_owned() });
    let text = serde_json::to_string(&lineage).unwrap();
    assert_eq!(serde_json::from_str::<Lineage>(&text).unwrap(), lineage);
}
