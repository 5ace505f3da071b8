use std::fs;

use super::*;
use crate::testing::TestProject;

#[test]
fn a_step_names_its_documents() {
    let test = TestProject::new();
    let run = test.finished_run();
    let trace = trace(run.path(), &test.project, 2).unwrap();
    assert_eq!((trace.step, trace.rows.len(), trace.as_recorded), (2, 3, Some(true)));
    for row in &trace.rows {
        assert_eq!(row.tokens, row.segments.iter().map(|segment| segment.length).sum::<u32>());
        for segment in &row.segments {
            assert_eq!(segment.file, format!("corpora/{}.parquet", row.source));
        }
    }
}

#[test]
fn a_trace_tells_when_the_ledger_differs() {
    let test = TestProject::new();
    let run = test.finished_run();
    fs::remove_dir_all(run.ledger_folder()).unwrap();
    let traced = trace(run.path(), &test.project, 2).unwrap();
    assert_eq!(traced.as_recorded, None);
}

#[test]
fn steps_and_shards_that_are_not_there_are_named() {
    let test = TestProject::new();
    let run = test.finished_run();
    let message = trace(run.path(), &test.project, 99).unwrap_err().to_string();
    assert!(message.contains("found no step 99, its plan has steps 0 to "), "{message}");
    fs::remove_dir_all(test.shards("chem")).unwrap();
    let message = trace(run.path(), &test.project, 2).unwrap_err().to_string();
    assert!(message.contains("the token shards of `chem`"), "{message}");
    assert!(!message.contains("`prose`"), "{message}");
}
