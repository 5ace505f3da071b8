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
