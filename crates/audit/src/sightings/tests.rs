use temper_ledger::SegmentRecord;

use super::*;
use crate::testing::TestProject;

#[test]
fn a_document_is_found_at_its_steps() {
    let test = TestProject::new();
    let run = test.finished_run();
    let ledger = LedgerReader::open(&run).unwrap();
    let steps: Vec<_> = ledger.steps().map(Result::unwrap).collect();
    let mut n_seen = 0;
    let rows = steps.iter().flat_map(|step| &step.rows).filter(|row| row.source == "chem");
    let segments = rows.flat_map(|row| row.segments.iter().copied());
    for SegmentRecord { row_group, row, .. } in segments.take(5).collect::<Vec<_>>() {
        let document = format!("chem:chem.parquet:{row_group}.{row}");
        let found = sightings(run.path(), &test.project, &document).unwrap();
        assert_eq!((found.row_group, found.row), (row_group, row));
        let expected: Vec<Sighting> = steps
            .iter()
            .flat_map(|step| &step.rows)
            .filter(|row| row.source == "chem")
            .flat_map(|row| row.segments.iter().map(move |segment| (row, segment)))
            .filter(|(_, segment)| segment.document == found.document)
            .map(|(row, segment)| Sighting {
                step: row.step,
                row: row.row,
                start: segment.start,
                length: segment.length,
            })
            .collect();
        assert_eq!(found.seen, expected);
        n_seen += found.seen.len();
        let after = found.seen.first().map_or(u64::MAX, |first| first.step);
        let containing = run.checkpoints().unwrap().into_iter().filter(|step| *step > after);
        let expected: Vec<u64> = containing.collect();
        let steps: Vec<u64> = found.checkpoints.iter().map(|found| found.step).collect();
        assert_eq!(steps, expected);
    }
    assert!(n_seen > 0);
}

#[test]
fn documents_that_are_not_there_are_named() {
    let test = TestProject::new();
    let run = test.finished_run();
    #[track_caller]
    fn check(run: &RunDir, project: &Project, document: &str, expected: &str) {
        let error = sightings(run.path(), project, document).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    check(&run, &test.project, "chem", "expected `CORPUS:FILE:ROW`");
    check(&run, &test.project, "chem:chem.parquet:x", "`x` is no row");
    check(&run, &test.project, "wiki:0:0", "the run's sources are chem, prose");
    check(
        &run,
        &test.project,
        "chem:other.parquet:0",
        "the files of `chem` are corpora/chem.parquet",
    );
    check(&run, &test.project, "chem:0:7", "has several row groups, expected `GROUP.7`");
    check(&run, &test.project, "chem:0:0.99999", "has no document in row 0.99999");
}
