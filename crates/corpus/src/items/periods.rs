//! Which period each item of a task belongs to.

use std::collections::BTreeMap;
use std::path::Path;

use temper_recipe::{Manifest, Period, Periods};

use super::rows::read;
use crate::error::Error;
use crate::time;

/// The period of what has no moment; it comes after all others.
const NO_TIME: &str = "no time";

/// The period that each item lies in, by the item's id: `2026-07-26`, `2026-W30`, `2026-07`, `2026-Q3`, `2026`, or
/// `no time` where the column is null. In the order of texts they are in the order of time.
///
/// # Errors
/// [`Error::Periods`] for a column that is not there or says no moments, [`Error::Item`] for a text that is none,
/// and as [`super::read_choice_items`].
pub fn read_periods(
    manifest: &Manifest,
    manifests_dir: &Path,
    periods: &Periods,
) -> Result<BTreeMap<String, String>, Error> {
    let column = periods.column.as_str();
    let mut found = BTreeMap::new();
    let all = read(manifest, manifests_dir, &[column], |rows| {
        let moments = rows.moments(column)?.into_iter().enumerate();
        for ((id, _), (row, moment)) in rows.names(manifest)?.into_iter().zip(moments) {
            let period = match moment {
                None => NO_TIME.to_owned(),
                Some(seconds) => name(seconds, periods.by).ok_or_else(|| {
                    let problem = format!(
                        "`{column}` lies {seconds} seconds from the beginning of 1970, expected a moment of the calendar"
                    );
                    Error::Item { place: rows.place(row), problem }
                })?,
            };
            found.insert(id, period);
        }
        Ok(())
    });
    all.map_err(|error| of_suite(error, column)).map(|()| found)
}

/// The column is named in the suite, where all others are in the manifest.
// Of all errors only those of this column matter.
#[allow(clippy::wildcard_enum_match_arm)]
fn of_suite(error: Error, asked: &str) -> Error {
    match error {
        Error::NoColumn { path, column, present } if column == asked => {
            let problem = format!("found {} and no such column", present.join(", "));
            Error::Periods { path, column, problem }
        }
        Error::ColumnType { path, column, found, expected } if column == asked => {
            let problem = format!("found {found}, expected {expected}");
            Error::Periods { path, column, problem }
        }
        other => other,
    }
}

/// What the period of a moment is called.
fn name(seconds: i64, by: Period) -> Option<String> {
    time::written(
        seconds,
        match by {
            Period::Day => "%Y-%m-%d",
            // The first days of January may lie in the last week of the year before.
            Period::Week => "%G-W%V",
            Period::Month => "%Y-%m",
            Period::Quarter => "%Y-Q%q",
            Period::Year => "%Y",
        },
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        ArrayRef, Date32Array, Int64Array, StringArray, TimestampMicrosecondArray,
        TimestampMillisecondArray,
    };

    use super::*;
    use crate::testing::{strings, text_manifest, told, write_parquet};

    #[test]
    fn periods_are_called_in_the_order_of_time() {
        #[track_caller]
        fn check(moment: &str, expected: [&str; 5]) {
            let seconds = time::seconds(moment).unwrap();
            let by = [Period::Day, Period::Week, Period::Month, Period::Quarter, Period::Year];
            assert_eq!(by.map(|by| name(seconds, by).unwrap()), expected, "{moment}");
        }
        check("2026-07-26T18:05:09Z", ["2026-07-26", "2026-W30", "2026-07", "2026-Q3", "2026"]);
        check("2026-07-27T00:00:00Z", ["2026-07-27", "2026-W31", "2026-07", "2026-Q3", "2026"]);
        check("2026-12-31T23:59:59Z", ["2026-12-31", "2026-W53", "2026-12", "2026-Q4", "2026"]);
        // Most of its week was in the year before.
        check("2027-01-01T00:00:00Z", ["2027-01-01", "2026-W53", "2027-01", "2027-Q1", "2027"]);
        // In UTC it was still March.
        check(
            "2026-04-01T01:00:00+02:00",
            ["2026-03-31", "2026-W14", "2026-03", "2026-Q1", "2026"],
        );
        assert!("2026" < NO_TIME);
    }

    /// By months, of rows whose column `time` is this.
    fn found(times: ArrayRef) -> Result<Vec<(String, String)>, String> {
        let folder = tempfile::tempdir().unwrap();
        let texts: Vec<String> = (0..times.len()).map(|row| format!("text {row}")).collect();
        let columns = vec![("text", strings(&texts)), ("time", times)];
        write_parquet(&folder.path().join("a.parquet"), 2, columns);
        let mut manifest = text_manifest(folder.path(), &["a.parquet"]);
        manifest.columns.id = Some("text".to_owned());
        let periods = Periods { column: "time".to_owned(), by: Period::Month };
        let found = read_periods(&manifest, folder.path(), &periods);
        found.map(|found| found.into_iter().collect()).map_err(|error| told(folder.path(), &error))
    }

    #[test]
    fn moments_are_texts_timestamps_and_dates() {
        #[track_caller]
        fn check(times: ArrayRef) {
            let expected = [("text 0", "2026-07"), ("text 1", NO_TIME), ("text 2", "2026-08")];
            let expected = expected.map(|(id, period)| (id.to_owned(), period.to_owned()));
            assert_eq!(found(times).unwrap(), expected);
        }
        // One second before August, nothing, and its beginning.
        let august = time::seconds("2026-08-01T00:00:00Z").unwrap();
        let seconds = [Some(august - 1), None, Some(august)];
        let millis = seconds.map(|seconds| seconds.map(|seconds| seconds * 1000 + 999));
        let micros = millis.map(|millis| millis.map(|millis| millis * 1000));
        check(Arc::new(StringArray::from(vec![
            Some("2026-07-31T23:59:59Z"),
            None,
            Some("2026-08-01"),
        ])));
        check(Arc::new(TimestampMillisecondArray::from(millis.to_vec())));
        check(Arc::new(TimestampMicrosecondArray::from(micros.to_vec())));
        check(Arc::new(TimestampMicrosecondArray::from(micros.to_vec()).with_timezone("+02:00")));
        let days = seconds.map(|seconds| seconds.map(|seconds| (seconds / 86_400) as i32));
        check(Arc::new(Date32Array::from(days.to_vec())));
    }

    #[test]
    fn what_says_no_moment_is_refused() {
        let check = |times: ArrayRef, expected: &str| {
            let error = found(times).unwrap_err();
            assert!(error.contains(expected), "{error}");
        };
        check(
            strings(&["2026-07-31", "2026-07-31", "last week"]),
            "`x/a.parquet`, row group 1, row 0: `time` is `last week`, expected ISO 8601",
        );
        check(
            Arc::new(Int64Array::from(vec![1_785_089_109])),
            "`periods.column` is `time`: found `Int64`, expected ISO 8601 in a string, a timestamp or a date\n\n\
             hint: name another column in the suite",
        );
        check(
            Arc::new(TimestampMillisecondArray::from(vec![i64::MAX])),
            "expected a moment of the calendar",
        );
    }

    #[test]
    fn a_column_that_is_not_there_is_the_suites() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        write_parquet(&path, 2, vec![("text", strings(&["a"]))]);
        let mut manifest = text_manifest(folder.path(), &["a.parquet"]);
        let read = |manifest: &Manifest| {
            let periods = Periods { column: "time".to_owned(), by: Period::Month };
            told(folder.path(), &read_periods(manifest, folder.path(), &periods).unwrap_err())
        };
        let missing = "`x/a.parquet`: `periods.column` is `time`: found `text` and no such column";
        assert!(read(&manifest).starts_with(missing), "{}", read(&manifest));
        manifest.columns.id = Some("name".to_owned());
        write_parquet(&path, 2, vec![("text", strings(&["a"])), ("time", strings(&["2026"]))]);
        assert!(read(&manifest).contains("in the manifest"), "{}", read(&manifest));
    }
}
