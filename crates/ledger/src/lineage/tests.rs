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
    let origin =
        origin.unwrap_or_else(|| Origin::of_folder(asked, project.path().join(asked), None));
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
    let step = "runs/x/checkpoints/step-000004";
    check(step, step, Some(4));
    for part in ["ema", "adapter", "ema/adapter"] {
        let path = format!("{step}/{part}");
        check(&path, &path, Some(4));
    }
    check("runs/x/checkpoints/adapter", "runs/x/checkpoints/adapter", None);
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
}

#[test]
fn what_names_no_run_is_left_to_others() {
    let project = project();
    for asked in ["runs/x@last", "runs/y", "checkpoints/nano", "org/name@main"] {
        assert_eq!(Origin::find(project.path(), asked).unwrap(), None, "{asked}");
    }
}

#[test]
fn an_import_is_recorded() {
    let import = Import {
        kind: "adapter".to_owned(),
        hub: Some("org/name@0123abc".to_owned()),
        base: Some("snapshots/0123abc".to_owned()),
        step: None,
        merge: None,
        runs: Vec::new(),
    };
    let project = project();
    let folder = project.path().join("adapter");
    let origin = Origin::of_folder("adapter", folder, Some(import.clone()));
    let lineage = origin.lineage(project.path(), Digest::of(b"w")).unwrap();
    let text = serde_json::to_string(&lineage).unwrap();
    assert!(!text.contains("step") && !text.contains("runs"), "{text}");
    let Lineage::Checkpoint { folder, import: found, .. } = serde_json::from_str(&text).unwrap()
    else {
        panic!("{text}")
    };
    assert_eq!((folder.as_str(), found), ("adapter", Some(import)));
}

#[test]
fn an_adapter_from_elsewhere_has_the_run_behind_its_base() {
    let project = project();
    let base = Origin::find(project.path(), "runs/x@4").unwrap().unwrap().folder;
    let import = Import {
        kind: "adapter".to_owned(),
        hub: None,
        base: Some(base.to_string_lossy().into_owned()),
        step: None,
        merge: None,
        runs: Vec::new(),
    };
    let origin = Origin::of_folder("peft", project.path().join("peft"), Some(import));
    assert_eq!(origin.run, None);
    let parent = origin.parent().unwrap().unwrap();
    assert_eq!((parent.run.as_str(), parent.step), ("x", 4));
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
    let origin = Origin::find(project.path(), "runs/x@4").unwrap().unwrap();
    let lineage = origin.lineage(project.path(), Digest::of(b"w")).unwrap();
    let parent = lineage.parent().unwrap();
    assert_eq!(parent.started_from, Lineage::Init { folder: "checkpoints/nano".to_owned() });
    let text = serde_json::to_string(&lineage).unwrap();
    assert_eq!(serde_json::from_str::<Lineage>(&text).unwrap(), lineage);
}
