//! Prompts: their answers and metadata.

use std::sync::Arc;

use arrow::array::ListArray;
use arrow::datatypes::Int32Type;

use super::*;

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
