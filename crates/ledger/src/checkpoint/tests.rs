use proptest::prelude::*;
use temper_recipe::StoredDtype;
use tempfile::TempDir;

use super::*;
use crate::decisions::Decision;
use crate::lineage::Origin;
use crate::testing::{info, recipe, run, save_checkpoint};

fn policy(keep_last: usize, keep_every: u64) -> CheckpointPolicy {
    CheckpointPolicy { every: 100, keep_last, keep_every, dtype: StoredDtype::F32 }
}

#[track_caller]
fn check(keep_last: usize, keep_every: u64, pinned: &[u64], expected: &[u64]) {
    let pinned = pinned.iter().copied().collect();
    let gone = retain(&policy(keep_last, keep_every), &[100, 200, 300, 400, 437], &pinned);
    assert_eq!(gone, expected);
}

#[test]
fn the_policy_says_what_goes() {
    check(2, 0, &[], &[100, 200, 300]);
    check(1, 0, &[], &[100, 200, 300, 400]);
    check(0, 0, &[], &[100, 200, 300, 400]);
    check(9, 0, &[], &[]);
    check(1, 200, &[], &[100, 300]);
    check(2, 0, &[100], &[200, 300]);
    check(1, 200, &[300], &[100]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_latest_always_stays(
        steps in prop::collection::btree_set(0..1000u64, 1..20),
        keep_last in 0..4usize,
        keep_every in 0..50u64,
    ) {
        let steps: Vec<u64> = steps.into_iter().collect();
        let gone = retain(&policy(keep_last, keep_every), &steps, &BTreeSet::new());
        prop_assert!(!gone.contains(steps.last().unwrap()));
        prop_assert!(steps.len() - gone.len() >= keep_last.min(steps.len()));
        // What stays, stays when asked again.
        let rest: Vec<u64> = steps.iter().copied().filter(|step| !gone.contains(step)).collect();
        prop_assert_eq!(retain(&policy(keep_last, keep_every), &rest, &BTreeSet::new()), Vec::<u64>::new());
    }
}

#[test]
fn a_checkpoint_appears_whole_with_its_digests() {
    let folder = TempDir::new().unwrap();
    let (run, _lock) = run(folder.path(), "a");
    let draft = run.draft_checkpoint(4).unwrap();
    fs::write(draft.folder().join("config.json"), "{}").unwrap();
    assert_eq!(run.checkpoints().unwrap(), [0; 0]);
    drop(draft);
    assert_eq!(names(&run.checkpoints_folder()).unwrap(), [""; 0]);
    save_checkpoint(&run, 4, Digest::of(b"chain"));
    save_checkpoint(&run, 1_000_000, Digest::of(b"chain"));
    assert_eq!(run.checkpoints().unwrap(), [4, 1_000_000]);
    let manifest = run.checkpoint(4).unwrap();
    assert_eq!((manifest.step, manifest.chain), (4, Digest::of(b"chain")));
    let files: Vec<&str> = manifest.files.keys().map(String::as_str).collect();
    assert_eq!(files, ["config.json", "temper/state"]);
    assert_eq!(file_digests(&run.checkpoint_folder(4)).unwrap(), manifest.files);
    fs::write(run.checkpoint_folder(4).join("temper/state"), "stata").unwrap();
    assert_ne!(file_digests(&run.checkpoint_folder(4)).unwrap(), manifest.files);
}

#[test]
fn a_checkpoint_of_the_same_step_is_replaced() {
    let folder = TempDir::new().unwrap();
    let (run, _lock) = run(folder.path(), "a");
    save_checkpoint(&run, 4, Digest::of(b"first"));
    save_checkpoint(&run, 4, Digest::of(b"second"));
    assert_eq!(run.checkpoint(4).unwrap().chain, Digest::of(b"second"));
    assert_eq!(names(&run.checkpoints_folder()).unwrap(), ["step-000004"]);
}

#[test]
fn a_deletion_that_was_killed_leaves_nothing_that_looks_whole() {
    let folder = TempDir::new().unwrap();
    let (run, lock) = run(folder.path(), "a");
    save_checkpoint(&run, 4, Digest::of(b""));
    save_checkpoint(&run, 8, Digest::of(b""));
    // The kill comes after the rename.
    let away = run.checkpoints_folder().join(".step-000004.old");
    fs::rename(run.checkpoint_folder(4), &away).unwrap();
    assert_eq!(run.checkpoints().unwrap(), [8]);
    drop(lock);
    let _lock = run.lock().unwrap();
    assert!(!away.exists());
    run.delete_checkpoint(8).unwrap();
    assert_eq!(names(&run.checkpoints_folder()).unwrap(), [""; 0]);
}

#[test]
fn gates_and_lineages_pin() {
    let folder = TempDir::new().unwrap();
    let (parent, _lock) = run(folder.path(), "parent");
    for step in [4, 8, 12, 16] {
        save_checkpoint(&parent, step, Digest::of(b""));
    }
    let origin = Origin::find(folder.path(), "runs/parent@8").unwrap().unwrap();
    let mut info = info();
    info.started_from = origin.lineage(folder.path(), Digest::of(b"w")).unwrap();
    let _child = RunDir::create(&folder.path().join("runs"), &recipe("child"), "", &info).unwrap();
    let decision = Decision {
        kind: "gate".to_owned(),
        step: 12,
        cites: Vec::new(),
        checkpoint: Some(12),
        values: Value::Null,
    };
    parent.record_decision(&decision).unwrap();
    assert_eq!(parent.pinned_checkpoints().unwrap(), BTreeSet::from([8, 12]));
}
