//! Rows of text files that are refused, by file and line.

use expect_test::Expect;

use super::*;

#[track_caller]
fn check(name: &str, bytes: &[u8], change: impl Fn(&mut ImportOptions), expected: Expect) {
    let folder = tempfile::tempdir().unwrap();
    let inputs = write(folder.path(), &[(name, bytes)]);
    let mut options = options();
    change(&mut options);
    let error = import(&inputs, &folder.path().join("out.parquet"), &options).unwrap_err();
    let told = told(folder.path(), &error);
    expected.assert_eq(told.lines().next().unwrap());
    // The input alone is there.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn bad_rows_are_refused_by_file_and_line() {
    let id = |options: &mut ImportOptions| options.id = Some("id".to_owned());
    let keep = |options: &mut ImportOptions| options.keep = vec!["k".to_owned()];
    check(
        "a.jsonl",
        b"{\"text\":\"a\"}\n{\"text\":",
        |_| {},
        expect!["`x/a.jsonl`, line 2: no JSON object: EOF while parsing a value at column 8"],
    );
    check(
        "a.jsonl",
        b"\n[1]\n",
        |_| {},
        expect![
            "`x/a.jsonl`, line 2: no JSON object: invalid type: sequence, expected a map at column 0"
        ],
    );
    check(
        "a.jsonl",
        b"{\"content\":\"a\",\"n\":1}",
        |_| {},
        expect!["`x/a.jsonl`, line 1: no field `text`; it has `content`, `n`"],
    );
    check(
        "a.jsonl",
        b"{\"messages\":[]}",
        |_| {},
        expect![
            "`x/a.jsonl`, line 1: no field `text`; it has `messages`; rows with a conversation are read with `--conversations`"
        ],
    );
    check(
        "a.jsonl",
        b"{\"text\":null}",
        |_| {},
        expect!["`x/a.jsonl`, line 1: `text` is null, expected a string"],
    );
    check("a.jsonl", b"{\"text\":\"\"}", |_| {}, expect!["`x/a.jsonl`, line 1: the text is empty"]);
    check(
        "a.jsonl",
        b"{\"text\":\"na\xefve\"}",
        |_| {},
        expect!["`x/a.jsonl`, line 1: no UTF-8 from byte 11 on"],
    );
    check(
        "a.jsonl",
        b"{\"text\":\"a\",\"id\":null}",
        id,
        expect!["`x/a.jsonl`, line 1: `id` is null, expected an id"],
    );
    check(
        "a.jsonl",
        b"{\"text\":\"a\"}",
        id,
        expect!["`x/a.jsonl`, line 1: no field `id`; it has `text`"],
    );
    check(
        "a.jsonl",
        b"{\"text\":\"a\",\"id\":[1]}",
        id,
        expect!["`x/a.jsonl`, line 1: `id` is a list or an object, expected an id"],
    );
    check(
        "a.jsonl",
        b"{\"text\":\"a\"}",
        keep,
        expect!["`x/a.jsonl`, line 1: no field `k`; it has `text`"],
    );
    check(
        "a.csv",
        b"a,b\n1,2\n",
        |_| {},
        expect!["cannot import `x/a.csv`: no column `text`; it has `a`, `b`"],
    );
    check(
        "a.csv",
        b"text,b\n1,2\n3\n",
        |_| {},
        expect!["`x/a.csv`, line 3: 1 fields, the first line has 2"],
    );
    check("a.csv", b"text,b\n1,2\n,4\n", |_| {}, expect!["`x/a.csv`, line 3: the text is empty"]);
    check("a.csv", b"text,id\n1,2\n3,\n", id, expect!["`x/a.csv`, line 3: the id is empty"]);
    check(
        "a.csv",
        b"text\na\n\xef\n",
        |_| {},
        expect!["`x/a.csv`, line 3: field 0 is no UTF-8 from byte 0 on"],
    );
    check("a.txt", b"a\nb\nna\xefve", |_| {}, expect!["`x/a.txt`, line 3: no UTF-8"]);
    check("a.txt", b"", |_| {}, expect!["`x/a.txt`, line 1: the text is empty"]);
    check(
        "a.jsonl",
        b"\n",
        |_| {},
        expect!["cannot import `x/out.parquet`: its inputs have no rows"],
    );
    check(
        "a.pdf",
        b"a",
        |_| {},
        expect![
            "cannot import `x/a.pdf`: expected a file that ends in .jsonl, .ndjson, .csv, .tsv, .txt, .md or .parquet"
        ],
    );
    check(
        "a.txt",
        b"a",
        |options| options.keep = vec!["id".to_owned()],
        expect!["cannot import `x/out.parquet`: it would have two columns `id`"],
    );
}

#[test]
fn whole_numbers_that_would_be_rounded_are_refused_where_they_are_read() {
    let wide = "100000000000000000000";
    let row = |argument: &str, other: &str| {
        let call = format!(r#"{{"name": "f", "arguments": {{"n": {argument}}}}}"#);
        format!(
            r#"{{"text": "a", "k": {other}, "messages": [{{"role": "user", "content": "a"}},
                {{"role": "assistant", "tool_calls": [{call}]}}]}}"#
        )
        .replace('\n', "")
    };
    let keep = |options: &mut ImportOptions| options.keep = vec!["k".to_owned()];
    check(
        "a.jsonl",
        row("1", &format!("-{wide}")).as_bytes(),
        keep,
        expect!["`x/a.jsonl`, line 1: `k` has a whole number beyond 64 bits, write it as a text"],
    );
    check(
        "a.jsonl",
        row(wide, "1").as_bytes(),
        |options| options.form = RowForm::Conversations,
        expect![
            "`x/a.jsonl`, line 1: `messages` has a whole number beyond 64 bits, write it as a text"
        ],
    );
    let folder = tempfile::tempdir().unwrap();
    let inputs = write(folder.path(), &[("a.jsonl", row("1", &format!("-{wide}")).as_bytes())]);
    assert_eq!(import(&inputs, &folder.path().join("out.parquet"), &options()).unwrap().rows, 1);
}

#[test]
fn what_is_no_utf8_in_parquet_is_refused_by_row() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    let good: &[(&str, &[u8])] = &[("user", b"a"), ("assistant", b"b")];
    write_message_bytes(&path, &[good, &[("user", b"a"), ("assistant", b"na\xefve")]]);
    let options = ImportOptions { form: RowForm::Conversations, ..options() };
    let error = import(&[path], &folder.path().join("out.parquet"), &options).unwrap_err();
    let told = told(folder.path(), &error);
    expect!["`x/a.parquet`, row 1: `messages`: `[1].content`: no UTF-8 from byte 2 on"]
        .assert_eq(told.lines().next().unwrap());
    assert!(!folder.path().join("out.parquet").exists());
}

/// Seven rows, of which six cannot be imported, each for a reason of its own.
const MIXED: &[u8] = b"{\"text\":\"\"}\n{}\n[1]\n{\"text\":\"good\"}\n\xff\n{\"text\":1}\n{";

#[test]
fn all_bad_rows_are_named_at_once_or_left_out_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = write(folder.path(), &[("a.jsonl", MIXED), ("b.csv", b"text\n1,2\nfine\n")]);
    let out = folder.path().join("out.parquet");
    let error = import(&inputs, &out, &options()).unwrap_err();
    expect![[r#"
        `x/a.jsonl`, line 1: the text is empty
        `x/a.jsonl`, line 2: no field `text`; it has 
        `x/a.jsonl`, line 3: no JSON object: invalid type: sequence, expected a map at column 0
        `x/a.jsonl`, line 5: no UTF-8 from byte 0 on
        `x/a.jsonl`, line 6: `text` is a number, expected a string
        and 2 rows more

        hint: correct or remove them, or leave them out with `--on-bad-row drop`; nothing was written"#]]
    .assert_eq(&told(folder.path(), &error));
    assert!(!out.exists());

    let drop = ImportOptions { on_bad_row: OnBadRow::Drop, ..options() };
    let report = import(&inputs, &out, &drop).unwrap();
    assert_eq!((report.rows, report.dropped.n, report.dropped.named.len()), (2, 7, 7));
    assert_eq!(column(folder.path(), "text"), ["good", "fine"]);
    assert_eq!(report.dropped.named[6].problem, "2 fields, the first line has 1");

    let nothing = import(&write(folder.path(), &[("c.jsonl", b"{}")]), &out, &drop).unwrap_err();
    let nothing = nothing.to_string();
    assert!(nothing.contains("its inputs have no rows but 1 bad\n`"), "{nothing}");
    assert!(nothing.contains("line 1: no field `text`"), "{nothing}");
}
