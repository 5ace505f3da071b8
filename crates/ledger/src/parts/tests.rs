use super::*;

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
