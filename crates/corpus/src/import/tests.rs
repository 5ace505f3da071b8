use std::fs;
use std::path::{Path, PathBuf};

use expect_test::{Expect, expect};
use temper_recipe::{Columns, Manifest, Split};

use super::{ImportOptions, ManifestSkeleton, TextUnit, import};
use crate::corpus::{Corpus, read_texts};
use crate::testing::{manifest, told};

fn options() -> ImportOptions {
    ImportOptions {
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
        b"{\"text\":\"a\",\"k\":[1]}",
        keep,
        expect!["`x/a.jsonl`, line 1: `k` is a list, expected a scalar"],
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
            "cannot import `x/a.pdf`: expected a file that ends in .jsonl, .ndjson, .csv, .tsv, .txt or .md"
        ],
    );
    check(
        "a.txt",
        b"a",
        |options| options.keep = vec!["id".to_owned()],
        expect!["cannot import `x/out.parquet`: it would have two columns `id`"],
    );
}
