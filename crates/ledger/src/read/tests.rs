use std::fs;

use tempfile::TempDir;

use super::*;
use crate::ledger::Ledger;
use crate::testing::{records, run};

/// Eleven steps in parts of four, the last one partial.
fn eleven_steps(folder: &TempDir) -> RunDir {
    let (run, _lock) = run(folder.path(), "a");
    let mut ledger = Ledger::create(&run, 4).unwrap();
    for step in 0..11 {
        let (report, rows) = records(step);
        ledger.append(report, rows).unwrap();
    }
    ledger.flush().unwrap();
    run
}

#[test]
fn steps_come_back_as_recorded() {
    let folder = TempDir::new().unwrap();
    let run = eleven_steps(&folder);
    let reader = LedgerReader::open(&run).unwrap();
    let ranges: Vec<_> = reader.parts().iter().map(|part| (part.first, part.last)).collect();
    assert_eq!(ranges, [(0, 3), (4, 7), (8, 10)]);
    let mut chain = crate::record::chain_start(&run.identity().unwrap().recipe);
    for (found, expected) in reader.steps().zip(0..11) {
        let found = found.unwrap();
        let (report, rows) = records(expected);
        chain = report.chain(&chain);
        assert_eq!((&found.step.report, found.step.chain, &found.rows), (&report, chain, &rows));
        assert_eq!(reader.step(expected).unwrap(), Some(found));
    }
    assert_eq!((reader.n_steps(), reader.step(11).unwrap()), (11, None));
}

#[test]
fn an_empty_ledger_has_no_steps() {
    let folder = TempDir::new().unwrap();
    let (run, _lock) = run(folder.path(), "a");
    let reader = LedgerReader::open(&run).unwrap();
    assert_eq!((reader.n_steps(), reader.steps().count()), (0, 0));
}

#[track_caller]
fn check_missing(file: &str, expected: &str) {
    let folder = TempDir::new().unwrap();
    let run = eleven_steps(&folder);
    fs::remove_file(run.ledger_folder().join(file)).unwrap();
    let message = LedgerReader::open(&run).unwrap_err().to_string();
    assert!(message.contains(expected), "{message}");
}

#[test]
fn gaps_are_named() {
    check_missing("steps-000000-000003.parquet", "no part of `steps` with step 0");
    check_missing(
        "steps-000004-000007.parquet",
        "no part of `steps` with step 4, expected the steps before 8",
    );
    check_missing("rows-000004-000007.parquet", "no part of `rows` with step 4");
    check_missing("segments-000008.partial.parquet", "no part of `segments` with step 8");
}

#[test]
fn an_unreadable_part_ends_the_steps() {
    let folder = TempDir::new().unwrap();
    let run = eleven_steps(&folder);
    let reader = LedgerReader::open(&run).unwrap();
    let path = run.ledger_folder().join("segments-000004-000007.parquet");
    fs::write(&path, "no Parquet").unwrap();
    let steps: Vec<_> = reader.steps().collect();
    assert_eq!(steps.len(), 5);
    let message = steps[4].as_ref().unwrap_err().to_string();
    assert!(message.contains("segments-000004-000007.parquet` is unreadable"), "{message}");
}
