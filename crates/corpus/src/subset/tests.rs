use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};

use super::*;
use crate::corpus::{Corpus, read_texts};
use crate::testing::{manifest, strings, write_parquet};

fn corpus(folder: &Path) -> Manifest {
    let texts: Vec<String> = (0..10).map(|i| format!("text {i}")).collect();
    for (name, range) in [("a.parquet", 0..7), ("b.parquet", 7..10)] {
        let numbers = Int64Array::from_iter_values(range.clone().map(|i| i as i64));
        let columns =
            vec![("text", strings(&texts[range])), ("score", Arc::new(numbers) as ArrayRef)];
        write_parquet(&folder.join(name), 3, columns);
    }
    let mut manifest = manifest(folder, &["a.parquet", "b.parquet"]);
    manifest.columns.text = Some("text".to_owned());
    manifest
}

fn texts(manifest: &Manifest, folder: &Path) -> Vec<String> {
    read_texts(manifest, folder).unwrap().map(Result::unwrap).collect()
}

#[test]
fn the_rows_that_are_kept_are_a_corpus() {
    let folder = tempfile::tempdir().unwrap();
    let whole = corpus(folder.path());
    let even = |origin: DocumentOrigin| (origin.row_group * 3 + origin.row).is_multiple_of(2);
    let kept = write_subset(&whole, folder.path(), "even", "a test, even rows", &even).unwrap();
    assert_eq!((kept.id.as_str(), kept.source.as_str()), ("even", "a test, even rows"));
    assert_eq!(
        texts(&kept, folder.path()),
        ["text 0", "text 2", "text 4", "text 6", "text 7", "text 9"]
    );
    let text = std::fs::read_to_string(folder.path().join("even.toml")).unwrap();
    assert_eq!(toml::from_str::<Manifest>(&text).unwrap(), kept);
    // Other columns come along, so that a condition can still ask for them.
    let high =
        Manifest { condition: Some("score >= 6".to_owned().try_into().unwrap()), ..kept.clone() };
    assert_eq!(Corpus::open(&high, folder.path()).unwrap().n_documents(), 3);
    // Again, the same bytes.
    let again = write_subset(&whole, folder.path(), "again", "a test", &even).unwrap();
    let digests = |of: &Manifest| of.files.iter().map(|file| file.sha256).collect::<Vec<_>>();
    assert_eq!(digests(&again), digests(&kept));
}

#[test]
fn a_file_without_a_row_left_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let whole = corpus(folder.path());
    let kept = write_subset(&whole, folder.path(), "b", "b", &|origin| origin.file == 1).unwrap();
    assert_eq!(texts(&kept, folder.path()), ["text 7", "text 8", "text 9"]);
    let left: Vec<_> = std::fs::read_dir(folder.path().join("corpora")).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn nothing_is_replaced_and_nothing_is_no_corpus() {
    let folder = tempfile::tempdir().unwrap();
    let whole = corpus(folder.path());
    let write = |id: &str, keep: bool| {
        write_subset(&whole, folder.path(), id, "a test", &|_| keep)
            .map_err(|error| error.to_string())
    };
    let error = write("none", false).unwrap_err();
    assert!(error.starts_with("cannot write corpus `none`: no row is left"), "{error}");
    assert!(!folder.path().join("none.toml").exists());
    write("all", true).unwrap();
    let error = write("all", true).unwrap_err();
    assert!(error.contains("a manifest of that id is there already"), "{error}");
}
