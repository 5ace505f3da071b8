use expect_test::{Expect, expect};

use super::*;
use crate::testing::TestProject;

#[track_caller]
fn check(sql: &str, expected: Expect) {
    let test = TestProject::new();
    let run = test.finished_run();
    let text =
        query(run.path(), sql).map_or_else(|error| error.to_string(), |answer| answer.to_text());
    expected.assert_eq(&text);
}

#[test]
fn tables_are_asked_in_sql() {
    check(
        "SELECT source, SUM(tokens) AS tokens, COUNT(*) AS n FROM rows GROUP BY source ORDER BY source",
        expect![[r#"
            source  tokens   n
            chem       310  23
            prose      103   7
        "#]],
    );
    check(
        "SELECT step, loss FROM steps ORDER BY loss LIMIT 2",
        expect![[r#"
        step  loss
           9  2.91
           8  2.92
    "#]],
    );
    check(
        "SELECT s.step, COUNT(*) AS n FROM segments g JOIN steps s ON g.step = s.step \
         WHERE g.source = 'prose' GROUP BY s.step ORDER BY n DESC, step LIMIT 1",
        expect![[r#"
            step  n
               1  1
        "#]],
    );
    check(
        "SELECT MIN(step - 1) AS below FROM steps",
        expect![[r#"
        below
           -1
    "#]],
    );
    check(
        "SELECT AVG(loss_sum / tokens) AS mean FROM losses WHERE step > 99",
        expect![[r#"
        mean
        null
    "#]],
    );
    check(
        "SELECT * FROM rows LIMIT 1",
        expect![[r#"
        step  row  lane  source  epoch  tokens  supervised  ids               refills
           0    0     0  chem        0      15          15  56871d74c3b6e337        0
    "#]],
    );
    check(
        "SELECT * FROM segments LIMIT 1",
        expect![[r#"
            step  row  segment  source  document  document_ids      file  row_group  group_row  start  length
               0    0        0  chem          66  462effccec93a230     0          1         16      0       5
        "#]],
    );
}

#[test]
fn mistakes_are_explained() {
    check(
        "SELECT nothing FROM rows ORDER BY step LIMIT 1",
        expect![[r#"
            cannot answer `SELECT nothing FROM rows ORDER BY step LIMIT 1`: not found: unable to find column "nothing"; valid columns: ["step", "row", "lane", "source", "epoch", "tokens", "supervised", "ids", "refills"]

            hint: the tables are rows, segments, steps, losses, measures, dropped, dropped_rows, truncated and evals; `SELECT * FROM rows LIMIT 1` shows the columns of one"#]],
    );
    check(
        "SELECT * FROM lines",
        expect![[r#"
            cannot answer `SELECT * FROM lines`: relation 'lines' was not found

            hint: the tables are rows, segments, steps, losses, measures, dropped, dropped_rows, truncated and evals; `SELECT * FROM rows LIMIT 1` shows the columns of one"#]],
    );
    check(
        "SELEC",
        expect![[r#"
            cannot answer `SELEC`: sql parser error: Expected: an SQL statement, found: SELEC at Line: 1, Column: 1

            hint: the tables are rows, segments, steps, losses, measures, dropped, dropped_rows, truncated and evals; `SELECT * FROM rows LIMIT 1` shows the columns of one"#]],
    );
}

#[test]
fn answers_are_json() {
    let test = TestProject::new();
    let run = test.finished_run();
    let answer = query(run.path(), "SELECT step, loss FROM steps WHERE step = 3").unwrap();
    assert_eq!(answer.to_json(), serde_json::json!([{ "step": 3, "loss": 2.97 }]));
    assert_eq!(
        (answer.columns(), answer.lines().len()),
        (&["step".to_owned(), "loss".to_owned()][..], 1)
    );
}

#[test]
fn an_empty_ledger_has_nothing_to_ask() {
    let test = TestProject::new();
    let run = test.new_run();
    let error = query(run.path(), "SELECT * FROM rows").unwrap_err();
    assert!(matches!(error, Error::NothingRecorded { .. }), "{error}");
}
