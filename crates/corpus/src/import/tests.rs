use std::fs;
use std::path::{Path, PathBuf};

use expect_test::expect;
use temper_recipe::{Columns, Manifest, OnBadRow, Split};

use super::{ImportOptions, ManifestSkeleton, RowForm, TextUnit, import};
use crate::corpus::{Corpus, read_texts};
use crate::testing::{manifest, strings, told, write_message_bytes, write_parquet};

mod columnar;
mod forms;
mod prompts;
mod refused;

fn options() -> ImportOptions {
    ImportOptions {
        form: RowForm::Texts,
        text: "text".to_owned(),
        id: None,
        keep: Vec::new(),
        unit: TextUnit::File,
        on_bad_row: OnBadRow::Refuse,
        replaces: true,
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
    let options = ImportOptions { replaces: false, manifest: Some(skeleton), ..options() };
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
    // A file alone, which that manifest may name.
    let alone = ImportOptions { manifest: None, ..options.clone() };
    let again = import(&inputs, &out, &alone).unwrap_err();
    assert!(again.to_string().contains("the file is there already"), "{again}");
    import(&inputs, &out, &ImportOptions { replaces: true, ..options }).unwrap();
}
