use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, DictionaryArray, Int64Array, LargeStringArray, StringArray,
    StringViewArray,
};
use arrow::datatypes::{DataType, Int32Type};
use expect_test::{Expect, expect};
use temper_recipe::{Digest, Manifest};

use super::{Corpus, TextSize, read_texts, text_size};
use crate::documents::{Document, LONGEST_DOCUMENT_BYTES};
use crate::error::Error;
use crate::testing::{strings, text_corpus, text_manifest, told, write_bytes, write_parquet};

/// All documents, or the first error.
fn read(folder: &Path, manifest: &Manifest) -> Result<Vec<Document>, Error> {
    let corpus = Corpus::open(manifest, folder)?;
    let mut documents = Vec::new();
    for group in corpus.row_groups() {
        for document in corpus.read_row_group(group.file, group.row_group)? {
            documents.push(document?);
        }
    }
    Ok(documents)
}

#[track_caller]
fn check(make: impl Fn(&Path) -> Manifest, expected: Expect) {
    let folder = tempfile::tempdir().unwrap();
    let manifest = make(folder.path());
    let error = read(folder.path(), &manifest).unwrap_err();
    expected.assert_eq(&told(folder.path(), &error));
    // What reads texts for a tokenizer finds the same.
    let texts =
        read_texts(&manifest, folder.path()).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    assert_eq!(texts.unwrap_err().to_string(), error.to_string());
}

fn small(folder: &Path) -> Manifest {
    text_corpus(folder, 2, &[vec!["a".into(), "b".into(), "c".into()]])
}

#[test]
fn documents_know_where_they_came_from() {
    let folder = tempfile::tempdir().unwrap();
    let files = [vec!["a".into(), "".into(), "c".into()], vec![], vec!["水\n".into()]];
    let manifest = text_corpus(folder.path(), 2, &files);
    let documents = read(folder.path(), &manifest).unwrap();
    let told: Vec<_> = documents
        .iter()
        .map(|document| {
            let origin = document.origin;
            (origin.file, origin.row_group, origin.row, document.text())
        })
        .collect();
    let expected = [(0, 0, 0, "a"), (0, 0, 1, ""), (0, 1, 0, "c"), (2, 0, 0, "水\n")];
    assert_eq!(told, expected.map(|(file, group, row, text)| (file, group, row, text.into())));
    let texts: Result<Vec<String>, _> = read_texts(&manifest, folder.path()).unwrap().collect();
    assert_eq!(texts.unwrap(), ["a", "", "c", "水\n"]);
    let corpus = Corpus::open(&manifest, folder.path()).unwrap();
    assert_eq!((corpus.n_documents(), corpus.row_groups().len()), (4, 3));
    assert!(corpus.text_bytes() > 0);
}

#[test]
fn the_size_of_a_corpus_is_that_of_the_rows_that_are_taken() {
    let folder = tempfile::tempdir().unwrap();
    // Row groups of four equal rows, and one of two.
    let texts: Vec<String> = (10..20).map(|number| format!("text {number}")).collect();
    let mut manifest = text_corpus(folder.path(), 4, &[texts]);
    let all = text_size(&manifest, folder.path()).unwrap();
    let corpus = Corpus::open(&manifest, folder.path()).unwrap();
    assert_eq!(all, TextSize { documents: 10, bytes: corpus.text_bytes() });
    let groups: Vec<u64> = corpus.row_groups().iter().map(|group| group.text_bytes).collect();
    manifest.max_documents = Some(5);
    let some = text_size(&manifest, folder.path()).unwrap();
    assert_eq!(some, TextSize { documents: 5, bytes: groups[0] + groups[1] / 4 });
    manifest.max_documents = Some(100);
    // Whoever opens the corpus holds it against its manifest.
    manifest.files[0].sha256 = Digest::of(b"other");
    assert_eq!(text_size(&manifest, folder.path()).unwrap(), all);
}

#[test]
fn text_is_read_however_it_was_held() {
    let texts = ["a", "b", "a", "水"];
    let dictionary: DictionaryArray<Int32Type> = texts.into_iter().collect();
    let columns: [ArrayRef; 4] = [
        Arc::new(StringArray::from_iter_values(texts)),
        Arc::new(LargeStringArray::from_iter_values(texts)),
        Arc::new(StringViewArray::from_iter_values(texts)),
        Arc::new(dictionary),
    ];
    for column in columns {
        let folder = tempfile::tempdir().unwrap();
        let others: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3, 4]));
        write_parquet(&folder.path().join("a.parquet"), 3, vec![("n", others), ("text", column)]);
        let documents = read(folder.path(), &text_manifest(folder.path(), &["a.parquet"])).unwrap();
        assert_eq!(
            documents.into_iter().map(|document| document.text().into_owned()).collect::<Vec<_>>(),
            texts
        );
    }
}

#[test]
fn files_that_are_not_what_the_manifest_says_are_refused() {
    check(
        |folder| {
            let manifest = small(folder);
            fs::remove_file(folder.join("0.parquet")).unwrap();
            manifest
        },
        expect![[r#"
            corpus `toy`: no file `x/0.parquet`

            hint: paths in a manifest are relative to the folder of manifests"#]],
    );
    check(
        |folder| {
            let manifest = small(folder);
            let path = folder.join("0.parquet");
            let bytes = fs::read(&path).unwrap();
            fs::write(path, &bytes[..100]).unwrap();
            manifest
        },
        expect![[r#"
            `x/0.parquet` (100 bytes) is no whole Parquet file; truncated, or another format

            hint: fetch it again, or make Parquet of it with `temper corpus import`
            <- Parquet error: Invalid Parquet file. Corrupt footer"#]],
    );
    check(
        |folder| {
            fs::write(folder.join("a.parquet"), "").unwrap();
            text_manifest(folder, &[]).tap(|manifest| {
                manifest.files.push(temper_recipe::ManifestFile {
                    path: "a.parquet".to_owned(),
                    sha256: Digest::of(b""),
                    rows: 0,
                });
            })
        },
        expect![[r#"
            `x/a.parquet` (0 bytes) is no whole Parquet file; truncated, or another format

            hint: fetch it again, or make Parquet of it with `temper corpus import`
            <- EOF: Parquet file too small. Size is 0 but need 8"#]],
    );
    check(
        |folder| small(folder).tap(|manifest| manifest.files[0].rows = 4),
        expect![[r#"
            `x/0.parquet` has 3 rows, its manifest says 4

            hint: if the file is right, write its rows and sha256 into the manifest"#]],
    );
    check(
        |folder| small(folder).tap(|manifest| manifest.files[0].sha256 = Digest::of(b"other")),
        expect![[r#"
            `x/0.parquet` has sha256 <sha256>, its manifest says <sha256>

            hint: fetch the file again; if it is right, write its sha256 into the manifest"#]],
    );
    check(
        |folder| text_corpus(folder, 2, &[vec![]]),
        expect![[r#"
        corpus `toy` is empty: 1 files, no rows

        hint: leave it out of the recipe, or name its files in the manifest"#]],
    );
    check(
        |folder| text_corpus(folder, 2, &[]),
        expect![[r#"
        corpus `toy` is empty: 0 files, no rows

        hint: leave it out of the recipe, or name its files in the manifest"#]],
    );
}

#[test]
fn columns_that_are_not_text_are_refused() {
    check(
        |folder| small(folder).tap(|manifest| manifest.columns.text = None),
        expect![[r#"
        corpus `toy`: its manifest names no `text` column

        hint: set `columns.text`"#]],
    );
    check(
        |folder| {
            let columns = vec![("content", strings(&["a"])), ("id", strings(&["1"]))];
            write_parquet(&folder.join("a.parquet"), 2, columns);
            text_manifest(folder, &["a.parquet"])
        },
        expect![[r#"
            `x/a.parquet` has no column `text`; it has `content`, `id`

            hint: correct the column's name in the manifest"#]],
    );
    for (column, expected) in [
        (
            Arc::new(Int64Array::from(vec![1])) as ArrayRef,
            expect![[r#"
                `x/a.parquet`: column `text` is `Int64`, expected a string

                hint: name another column in the manifest, or write this one again"#]],
        ),
        (
            Arc::new(BinaryArray::from(vec![b"a".as_slice()])),
            expect![[r#"
                `x/a.parquet`: column `text` is `Binary`, expected a string

                hint: name another column in the manifest, or write this one again"#]],
        ),
        (
            list_of_strings(),
            expect![[r#"
                `x/a.parquet`: column `text` is `List(Utf8)`, expected a string

                hint: name another column in the manifest, or write this one again"#]],
        ),
    ] {
        check(
            |folder| {
                write_parquet(&folder.join("a.parquet"), 2, vec![("text", Arc::clone(&column))]);
                text_manifest(folder, &["a.parquet"])
            },
            expected,
        );
    }
}

#[test]
fn rows_that_are_no_text_are_named() {
    check(
        |folder| {
            let texts: ArrayRef =
                Arc::new(StringArray::from(vec![Some("a"), Some("b"), Some("c"), None, Some("e")]));
            write_parquet(&folder.join("a.parquet"), 2, vec![("text", texts)]);
            text_manifest(folder, &["a.parquet"])
        },
        expect![[r#"
            `x/a.parquet`, row group 1, row 1: `text` is null

            hint: remove the row or give it a value, or leave it out of a mix with `data_mixing.on_bad_row = "drop"`; a missing document is never taken for an empty one"#]],
    );
    check(
        |folder| {
            write_bytes(&folder.join("a.parquet"), &[b"good", b"na\xefve"]);
            text_manifest(folder, &["a.parquet"])
        },
        expect![[r#"
            `x/a.parquet`, row group 0, row 1: `text` is no UTF-8 from byte 2 on

            hint: write the file again from text in UTF-8, or leave such rows out of a mix with `data_mixing.on_bad_row = "drop"`"#]],
    );
    check(
        |folder| {
            let long = vec![b'a'; LONGEST_DOCUMENT_BYTES as usize + 1];
            write_bytes(&folder.join("a.parquet"), &[&long[1..], &long]);
            text_manifest(folder, &["a.parquet"])
        },
        expect![[r#"
            `x/a.parquet`, row group 0, row 1: a document of 67108865 bytes, expected at most 67108864

            hint: split it, or leave it out of a mix with `data_mixing.on_bad_row = "drop"`"#]],
    );
}

fn list_of_strings() -> ArrayRef {
    let mut builder = arrow::array::ListBuilder::new(arrow::array::StringBuilder::new());
    builder.append_value([Some("a")]);
    let list = builder.finish();
    assert!(matches!(arrow::array::Array::data_type(&list), DataType::List(_)));
    Arc::new(list)
}

/// Changes a value on its way.
trait Tap: Sized {
    fn tap(mut self, change: impl Fn(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}

impl Tap for Manifest {}
