use tempfile::TempDir;

use super::*;
use crate::ledger::Ledger;
use crate::lineage::Origin;
use crate::testing::{records, run, save_checkpoint};

/// A run called `name` of ten steps in parts of four, with a checkpoint after six.
fn trained(folder: &TempDir, name: &str) -> RunDir {
    let (run, _lock) = run(folder.path(), name);
    let mut ledger = Ledger::create(&run, 4).unwrap();
    for step in 0..10 {
        let (report, rows) = records(step);
        ledger.append(report, rows).unwrap();
    }
    ledger.finish().unwrap();
    save_checkpoint(&run, 6, Digest::of(b""));
    run
}

fn lineage(folder: &TempDir, asked: &str) -> Lineage {
    let origin = Origin::find(folder.path(), asked).unwrap().unwrap();
    origin.lineage(folder.path(), Digest::of(b"w")).unwrap()
}

fn ids(step: u64) -> Vec<IdsDigest> {
    records(step).1.iter().flat_map(|row| &row.segments).map(|segment| segment.ids).collect()
}

#[test]
fn documents_of_steps_before_the_checkpoint_were_seen() {
    let folder = TempDir::new().unwrap();
    trained(&folder, "x");
    let seen =
        SeenBefore::load(&lineage(&folder, "runs/x@6"), &folder.path().join("runs")).unwrap();
    assert_eq!(seen.runs(), ["x@6"]);
    for step in 0..10 {
        assert!(ids(step).into_iter().all(|ids| seen.contains(ids) == (step < 6)), "{step}");
    }
    let none = Lineage::Init { folder: "model".to_owned() };
    assert!(SeenBefore::load(&none, folder.path()).unwrap().runs().is_empty());
}

#[test]
fn all_models_of_a_merge_count_once_each_with_the_furthest_step() {
    let folder = TempDir::new().unwrap();
    let x = trained(&folder, "x");
    save_checkpoint(&x, 3, Digest::of(b""));
    let input = |asked: &str| {
        let Lineage::Checkpoint { parent, .. } = lineage(&folder, asked) else { panic!("{asked}") };
        MergeInput { asked: asked.to_owned(), parent, import: None }
    };
    for [one, other] in [["runs/x@3", "runs/x@6"], ["runs/x@6", "runs/x@3"]] {
        let merge = crate::merge::Merge {
            method: "linear".to_owned(),
            settings: String::new(),
            base: None,
            models: vec![input(one), input(other)],
        };
        let import = Import {
            kind: "merge".to_owned(),
            hub: None,
            base: None,
            step: None,
            merge: Some(Box::new(merge)),
            runs: Vec::new(),
        };
        let origin = Origin::of_folder("merged", folder.path().join("merged"), Some(import));
        let lineage = origin.lineage(folder.path(), Digest::of(b"w")).unwrap();
        let seen = SeenBefore::load(&lineage, &folder.path().join("runs")).unwrap();
        assert_eq!(seen.runs(), ["x@6"]);
        assert!(seen.contains(ids(5)[0]) && !seen.contains(ids(6)[0]));
    }
}

#[test]
fn runs_that_a_checkpoint_left_are_named_and_not_asked() {
    let folder = TempDir::new().unwrap();
    let run = trained(&folder, "x");
    let left =
        |run: &str, steps, recipe| Ancestor { run: run.to_owned(), steps, recipe, trained: None };
    let recipe = run.identity().unwrap().recipe;
    let import = Import {
        kind: "run-checkpoint".to_owned(),
        hub: None,
        base: None,
        step: None,
        merge: None,
        runs: vec![left("gone", 4, Digest::of(b"gone")), left("x", 6, recipe)],
    };
    let origin = Origin::of_folder("out", folder.path().join("out"), Some(import));
    let lineage = origin.lineage(folder.path(), Digest::of(b"w")).unwrap();
    let seen = SeenBefore::load(&lineage, &folder.path().join("runs")).unwrap();
    assert_eq!((seen.runs(), seen.left()), (vec![], vec!["gone@4".to_owned(), "x@6".to_owned()]));
    assert!(!seen.contains(ids(0)[0]));
}

#[test]
fn a_run_that_is_gone_is_named() {
    let folder = TempDir::new().unwrap();
    trained(&folder, "x");
    let lineage = lineage(&folder, "runs/x@6");
    let message =
        SeenBefore::load(&lineage, &folder.path().join("elsewhere")).unwrap_err().to_string();
    assert!(message.contains("elsewhere/x` is not the run"), "{message}");
    assert!(message.contains("hint: restore its folder"), "{message}");
}

#[test]
fn what_is_left_out_is_read_as_it_was_written() {
    let folder = TempDir::new().unwrap();
    let (run, _lock) = run(folder.path(), "x");
    assert_eq!(run.seen(["chem"].into_iter()).unwrap(), None);
    let seen = |source: &str, documents: &[u64]| SeenDocuments {
        source: source.to_owned(),
        documents: documents.to_vec(),
    };
    let all = [seen("chem", &[0, 3, u64::from(u32::MAX) + 1]), seen("prose", &[])];
    run.write_seen(&all).unwrap();
    assert_eq!(run.seen(["chem", "prose"].into_iter()).unwrap().unwrap(), all);
    assert_ne!(all[0].record(), seen("chem", &[0, 3]).record());

    let path = run.path().join("seen.parquet");
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 9]).unwrap();
    let message = run.seen(["chem"].into_iter()).unwrap_err().to_string();
    assert!(message.contains("seen.parquet` is unreadable"), "{message}");
}
