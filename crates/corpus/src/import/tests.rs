use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, DictionaryArray, Float64Array, Int64Array, ListArray, StringArray,
    StringViewArray,
};
use arrow::datatypes::Int32Type;
use expect_test::{Expect, expect};
use proptest::prelude::*;
use temper_recipe::{Columns, Manifest, Split};

use super::{ImportOptions, ManifestSkeleton, RowForm, TextUnit, import};
use crate::corpus::{Corpus, read_texts};
use crate::testing::{manifest, strings, told, write_parquet};

fn options() -> ImportOptions {
    ImportOptions {
        form: RowForm::Texts,
        text: "text".to_owned(),
        id: None,
        keep: Vec::new(),
        unit: TextUnit::File,
        manifest: None,
    }
}

fn write(folder: &Path, files: &[(&str, &[u8])]) -> Vec<PathBuf> {
    let write = |(name, bytes): &(&str, &[u8])| {
        let path = folder.join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    files.iter().map(write).collect()
}

/// A column of the imported file.
fn column(folder: &Path, name: &str) -> Vec<String> {
    let mut manifest = manifest(folder, &["out.parquet"]);
    manifest.columns = Columns { text: Some(name.to_owned()), ..manifest.columns };
    read_texts(&manifest, folder).unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn every_form_becomes_rows() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = write(
        folder.path(),
        &[
            (
                "a.jsonl",
                "\u{feff}{\"text\":\"one\\n\",\"n\":1}\n\n{\"n\":2.5,\"text\":\"水\"}".as_bytes(),
            ),
            ("b.csv", "n,text\r\ntrue,\"three, \"\"3\"\"\nlines\"\r\n".as_bytes()),
            ("c.tsv", b"text\tn\nfour\tx\n"),
        ],
    );
    let keep = vec!["n".to_owned()];
    let out = folder.path().join("out.parquet");
    let report = import(&inputs, &out, &ImportOptions { keep, ..options() }).unwrap();
    assert_eq!(report.rows, 4);
    assert_eq!(report.bytes, fs::metadata(&out).unwrap().len());
    assert_eq!(column(folder.path(), "text"), ["one\n", "水", "three, \"3\"\nlines", "four"]);
    assert_eq!(column(folder.path(), "n"), ["1", "2.5", "true", "x"]);
    assert_eq!(column(folder.path(), "id"), ["a-0", "a-1", "b-2", "c-3"]);
    assert!(!folder.path().join("out.parquet.partial").exists());
}

#[test]
fn plain_text_becomes_files_or_paragraphs() {
    for (unit, expected) in [
        (TextUnit::File, vec!["one\ntwo\n\nthree\n", "four"]),
        (TextUnit::Paragraph, vec!["one\ntwo", "three", "four"]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let inputs = write(folder.path(), &[("a.txt", b"one\ntwo\n\nthree\n"), ("b.md", b"four")]);
        import(&inputs, &folder.path().join("out.parquet"), &ImportOptions { unit, ..options() })
            .unwrap();
        assert_eq!(column(folder.path(), "text"), expected);
    }
}

/// The answers and kept metadata of prompts, null where a row has none.
#[track_caller]
fn check_prompts(input: &Path, expected: &[(Option<&str>, Option<&str>)]) {
    let folder = input.parent().unwrap();
    let out = folder.join("out.parquet");
    let keep = vec!["metadata".to_owned()];
    let options = ImportOptions { form: RowForm::Prompts, keep, ..options() };
    let report = import(&[input.to_owned()], &out, &options).unwrap();
    let n_missing = expected.iter().filter(|(answer, _)| answer.is_none()).count();
    assert_eq!(report.without_reference, Some(n_missing as u64));
    let mut manifest = manifest(folder, &["out.parquet"]);
    manifest.columns.messages = Some("messages".to_owned());
    let corpus = Corpus::open(&manifest, folder).unwrap();
    for (name, found) in [
        ("answer", expected.iter().map(|(answer, _)| *answer).collect::<Vec<_>>()),
        ("metadata", expected.iter().map(|(_, metadata)| *metadata).collect()),
    ] {
        let column = corpus.read_answers(name, None).unwrap();
        assert_eq!(column.iter().map(Option::as_deref).collect::<Vec<_>>(), found, "{name}");
    }
}

#[test]
fn prompts_need_no_reference_and_keep_values_as_json() {
    let folder = tempfile::tempdir().unwrap();
    let rows = r#"{"prompt":"a","reference_answer":{"sum": 5},"metadata":{"level": 2, "of": ["x"]}}
        {"prompt":"b","metadata":[1, 2]}
        {"prompt":"c","answer":"5","metadata":null}"#;
    let nothing = r#"{"prompt":"a","metadata":"x"}"#;
    let inputs = [("rows.jsonl", rows.as_bytes()), ("nothing.jsonl", nothing.as_bytes())];
    let inputs = write(folder.path(), &inputs);
    check_prompts(
        &inputs[0],
        &[
            (Some(r#"{"sum":5}"#), Some(r#"{"level":2,"of":["x"]}"#)),
            (None, Some("[1,2]")),
            (Some("5"), None),
        ],
    );
    check_prompts(&inputs[1], &[(None, Some("x"))]);
    let metadata = ListArray::from_iter_primitive::<Int32Type, _, _>([Some([Some(1)]), None]);
    let columns = vec![("prompt", strings(&["a", "b"])), ("metadata", Arc::new(metadata) as _)];
    let columnar = folder.path().join("in.parquet");
    write_parquet(&columnar, 2, columns);
    check_prompts(&columnar, &[(None, Some("[1]")), (None, None)]);
}

#[test]
fn row_groups_have_two_thousand_rows_and_bytes_repeat() {
    let folder = tempfile::tempdir().unwrap();
    let lines: String =
        (0..4500).map(|i| format!("{{\"text\":\"row {i}\",\"key\":{i}}}\n")).collect();
    let inputs = write(folder.path(), &[("a.jsonl", lines.as_bytes())]);
    let out = folder.path().join("out.parquet");
    let options = ImportOptions { id: Some("key".to_owned()), ..options() };
    let report = import(&inputs, &out, &options).unwrap();
    let mut manifest = manifest(folder.path(), &["out.parquet"]);
    manifest.columns.text = Some("text".to_owned());
    let corpus = Corpus::open(&manifest, folder.path()).unwrap();
    let rows: Vec<u64> = corpus.row_groups().iter().map(|group| group.n_documents).collect();
    assert_eq!(rows, [2000, 2000, 500]);
    assert_eq!(column(folder.path(), "id")[4499], "4499");
    assert_eq!(import(&inputs, &out, &options).unwrap(), report);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn parquet_comes_out_as_it_went_in(
        rows in proptest::collection::vec(("\\PC{1,40}", any::<i64>(), any::<Option<bool>>()), 1..40),
        group_rows in 1..20_usize,
        held_as in 0..3_usize,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let texts: Vec<&str> = rows.iter().map(|(text, ..)| text.as_str()).collect();
        let numbers: Vec<i64> = rows.iter().map(|(_, number, _)| *number).collect();
        let flags: Vec<Option<bool>> = rows.iter().map(|(.., flag)| *flag).collect();
        let holds: [ArrayRef; 3] = [
            strings(&texts),
            Arc::new(StringViewArray::from_iter_values(&texts)),
            Arc::new(texts.iter().copied().collect::<DictionaryArray<Int32Type>>()),
        ];
        write_parquet(&folder.path().join("in.parquet"), group_rows, vec![
            ("unread", strings(&texts)),
            ("key", Arc::new(Int64Array::from(numbers.clone()))),
            ("body", ArrayRef::clone(&holds[held_as])),
            ("flag", Arc::new(BooleanArray::from(flags.clone()))),
        ]);
        let out = folder.path().join("out.parquet");
        let (text, id) = ("body".to_owned(), Some("key".to_owned()));
        let options = ImportOptions { text, id, keep: vec!["flag".to_owned()], ..options() };
        let report = import(&[folder.path().join("in.parquet")], &out, &options).unwrap();
        prop_assert_eq!(report.rows, rows.len() as u64);
        prop_assert_eq!(column(folder.path(), "text"), texts);
        let ids: Vec<String> = numbers.iter().map(i64::to_string).collect();
        prop_assert_eq!(column(folder.path(), "id"), ids);
        // A column with nulls is kept as it is, and cannot be read as documents.
        if flags.iter().all(Option::is_some) {
            let kept: Vec<String> = flags.iter().flatten().map(bool::to_string).collect();
            prop_assert_eq!(column(folder.path(), "flag"), kept);
        }
    }
}

#[test]
fn a_column_that_does_not_fit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let numbers: ArrayRef = Arc::new(Float64Array::from(vec![1.5, 2.0, 3.0]));
    let holes: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None, Some("")]));
    let lists = ListArray::from_iter_primitive::<Int32Type, _, _>((0..3).map(|_| Some([Some(1)])));
    write_parquet(
        &folder.path().join("in.parquet"),
        2,
        vec![
            ("text", strings(&["a", "b", ""])),
            ("number", numbers),
            ("holes", holes),
            ("list", Arc::new(lists)),
        ],
    );
    let check = |change: &dyn Fn(&mut ImportOptions), expected: Expect| {
        let mut options = options();
        change(&mut options);
        let inputs = [folder.path().join("in.parquet")];
        let error = import(&inputs, &folder.path().join("out.parquet"), &options).unwrap_err();
        expected.assert_eq(told(folder.path(), &error).lines().next().unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    };
    check(&|_| (), expect!["`x/in.parquet`, row 2: the text is empty"]);
    check(
        &|options| options.text = "body".to_owned(),
        expect![
            "cannot import `x/in.parquet`: no column `body`; it has `text`, `number`, `holes`, `list`"
        ],
    );
    check(
        &|options| options.text = "number".to_owned(),
        expect!["cannot import `x/in.parquet`: column `number` is `Float64`, expected a string"],
    );
    check(
        &|options| options.text = "list".to_owned(),
        expect!["cannot import `x/in.parquet`: column `list` is `List(Int32)`, expected a string"],
    );
    check(
        &|options| options.text = "holes".to_owned(),
        expect!["`x/in.parquet`, row 1: `holes` is null, expected a string"],
    );
    check(
        &|options| options.id = Some("holes".to_owned()),
        expect!["`x/in.parquet`, row 1: `holes` is null, expected an id"],
    );
    check(
        &|options| options.id = Some("key".to_owned()),
        expect![
            "cannot import `x/in.parquet`: no column `key`; it has `text`, `number`, `holes`, `list`"
        ],
    );
    check(
        &|options| options.keep = vec!["list".to_owned()],
        expect!["cannot import `x/in.parquet`: column `list` is `List(Int32)`, expected a scalar"],
    );
}

#[test]
fn an_input_is_never_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    write_parquet(&path, 2, vec![("text", strings(&["a"])), ("more", strings(&["b"]))]);
    let before = fs::read(&path).unwrap();
    let error = import(std::slice::from_ref(&path), &folder.path().join("./a.parquet"), &options());
    expect!["cannot import `x/a.parquet`: it is an input and the output; name another output"]
        .assert_eq(told(folder.path(), &error.unwrap_err()).lines().next().unwrap());
    assert_eq!(fs::read(&path).unwrap(), before);
    fs::write(&path, "no Parquet").unwrap();
    let error = import(&[path], &folder.path().join("out.parquet"), &options()).unwrap_err();
    expect!["`x/a.parquet` (10 bytes) is no whole Parquet file; truncated, or another format"]
        .assert_eq(told(folder.path(), &error).lines().next().unwrap());
}

#[test]
fn a_manifest_opens_what_was_imported() {
    let folder = tempfile::tempdir().unwrap();
    let inputs = write(folder.path(), &[("a.txt", b"one")]);
    fs::create_dir(folder.path().join("data")).unwrap();
    let out = folder.path().join("data/out.parquet");
    let skeleton = ManifestSkeleton {
        path: folder.path().join("mine.toml"),
        category: "prose".to_owned(),
        licence: "CC0-1.0".to_owned(),
        source: "me".to_owned(),
        split: Split::Train,
    };
    let options = ImportOptions { manifest: Some(skeleton), ..options() };
    import(&inputs, &out, &options).unwrap();
    let text = fs::read_to_string(folder.path().join("mine.toml")).unwrap();
    let manifest: Manifest = toml::from_str(&text).unwrap();
    assert_eq!(
        (manifest.id.as_str(), manifest.files[0].path.as_str()),
        ("mine", "data/out.parquet")
    );
    assert_eq!(Corpus::open(&manifest, folder.path()).unwrap().n_documents(), 1);
    let again = import(&inputs, &out, &options).unwrap_err();
    assert!(again.to_string().contains("the manifest is there already"), "{again}");
}

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
