use super::*;
use crate::record::StepRecord;
use crate::testing::records;

#[track_caller]
fn check(name: &str, expected: Option<(Table, u64, Option<u64>)>) {
    let parsed = PartName::parse(name);
    assert_eq!(parsed.map(|part| (part.table, part.first, part.last)), expected, "{name}");
}

#[test]
fn names_are_read_strictly() {
    check("rows-000000-000099.parquet", Some((Table::Rows, 0, Some(99))));
    check("steps-000100.partial.parquet", Some((Table::Steps, 100, None)));
    check("losses-1000000-1000099.parquet", Some((Table::Losses, 1_000_000, Some(1_000_099))));
    check("rows-0-99.parquet", None);
    check("rows-000000.parquet", None);
    check("lines-000000-000099.parquet", None);
    check("rows-000000-000099.csv", None);
}

/// Rows of before they could be refilled have no column for it.
#[test]
fn a_ledger_without_refills_is_read() {
    let step = |step| {
        let (report, rows) = records(step);
        LedgerStep { step: StepRecord { report, chain: Digest::of(b"chain") }, rows }
    };
    let mut steps: Vec<LedgerStep> = (0..3).map(step).collect();
    assert!(steps.iter().flat_map(|step| &step.rows).any(|row| row.refills > 0));
    let tables = Table::ALL.map(|table| {
        let batch = table.encode(&steps);
        let kept = batch.schema();
        let kept = kept.fields().iter().enumerate().filter(|(_, field)| field.name() != "refills");
        let kept: Vec<usize> = kept.map(|(at, _)| at).collect();
        TablePart { path: table.name().into(), batch: batch.project(&kept).unwrap() }
    });
    let found = decode(&tables, 0, 2).unwrap();
    steps.iter_mut().flat_map(|step| &mut step.rows).for_each(|row| row.refills = 0);
    assert_eq!(found, steps);
}
