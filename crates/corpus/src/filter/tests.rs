use std::sync::Arc;

use arrow::array::Int32Array;
use expect_test::{Expect, expect};

use super::*;
use crate::corpus::Corpus;
use crate::testing::{strings, text_manifest, told, write_parquet};

/// Eight rows in row groups of three: texts `0` to `7`, languages, scores of which one is missing.
fn manifest(folder: &Path) -> Manifest {
    let texts: Vec<String> = (0..8).map(|i| i.to_string()).collect();
    let scores =
        [Some(0.1), Some(0.5), None, Some(0.9), Some(0.2), Some(0.5), Some(1.0), Some(0.3)];
    write_parquet(
        &folder.join("a.parquet"),
        3,
        vec![
            ("text", strings(&texts)),
            ("lang", strings(&["en", "de", "en", "en", "fr", "de", "en", "e_"])),
            ("score", Arc::new(Float64Array::from(scores.to_vec()))),
            ("n", Arc::new(Int32Array::from_iter_values(0..8))),
            ("good", Arc::new(BooleanArray::from_iter((0..8).map(|i| Some(i % 2 == 0))))),
        ],
    );
    text_manifest(folder, &["a.parquet"])
}

/// The texts that are documents, with their row groups and rows.
#[track_caller]
fn check(change: impl FnOnce(&mut Manifest), expected: Expect) {
    let folder = tempfile::tempdir().unwrap();
    let mut manifest = manifest(folder.path());
    change(&mut manifest);
    let corpus = Corpus::open(&manifest, folder.path());
    let said = match corpus {
        Err(error) => told(folder.path(), &error),
        Ok(corpus) => {
            let mut kept = Vec::new();
            for group in corpus.row_groups() {
                let before = kept.len() as u64;
                for document in corpus.read_row_group(group.file, group.row_group).unwrap() {
                    let document = document.unwrap();
                    let origin = document.origin;
                    kept.push(format!("{}@{}.{}", document.text(), origin.row_group, origin.row));
                }
                assert_eq!(kept.len() as u64 - before, group.n_documents);
            }
            assert_eq!(kept.len() as u64, corpus.n_documents());
            kept.join(" ")
        }
    };
    expected.assert_eq(&said);
}

fn filtered(text: &str) -> impl FnOnce(&mut Manifest) {
    let condition = Condition::try_from(text.to_owned()).unwrap();
    move |manifest| manifest.condition = Some(condition)
}

#[test]
fn rows_that_meet_the_condition_are_documents() {
    check(filtered("lang = 'en' AND score >= 0.5"), expect!["3@1.0 6@2.0"]);
    check(filtered("score < 0.5 OR lang = 'de'"), expect!["0@0.0 1@0.1 4@1.1 5@1.2 7@2.1"]);
    // Of a missing score nothing holds, and neither does its opposite.
    check(filtered("NOT score >= 0.5"), expect!["0@0.0 4@1.1 7@2.1"]);
    check(filtered("score IS NULL"), expect!["2@0.2"]);
    check(filtered("n IN (1, 6) AND good"), expect!["6@2.0"]);
    check(filtered("n BETWEEN 2 AND 3"), expect!["2@0.2 3@1.0"]);
    check(filtered("lang LIKE 'e_' AND lang <> 'en'"), expect!["7@2.1"]);
    check(filtered("lang LIKE '%r%'"), expect!["4@1.1"]);
}

#[test]
fn samples_are_the_same_every_time() {
    check(|manifest| manifest.max_documents = Some(4), expect!["0@0.0 1@0.1 2@0.2 3@1.0"]);
    check(
        |manifest| {
            filtered("good")(manifest);
            manifest.max_documents = Some(2);
        },
        expect!["0@0.0 2@0.2"],
    );
    check(|manifest| manifest.fraction = Some(0.5), expect!["0@0.0 6@2.0"]);
    check(
        |manifest| manifest.fraction = Some(1.0),
        expect!["0@0.0 1@0.1 2@0.2 3@1.0 4@1.1 5@1.2 6@2.0 7@2.1"],
    );
}

#[test]
fn conditions_that_no_row_could_meet_are_refused() {
    check(
        filtered("language = 'en'"),
        expect![[r#"
        `x/a.parquet`: the manifest's `where`: no column `language`, it has `text`, `lang`, `score`, `n`, `good`

        hint: correct the condition in the manifest"#]],
    );
    check(
        filtered("lang > 3"),
        expect![[r#"
        `x/a.parquet`: the manifest's `where`: column `lang` holds Utf8, compared with a number

        hint: correct the condition in the manifest"#]],
    );
    check(
        filtered("score = 'high'"),
        expect![[r#"
        `x/a.parquet`: the manifest's `where`: column `score` holds Float64, compared with a text

        hint: correct the condition in the manifest"#]],
    );
    check(
        filtered("n = true"),
        expect![[r#"
        `x/a.parquet`: the manifest's `where`: column `n` holds Int32, compared with a truth value

        hint: correct the condition in the manifest"#]],
    );
    check(
        filtered("n > 99"),
        expect![[r#"
        corpus `toy`: none of 8 rows is taken, expected at least one

        hint: loosen `where` or `fraction` in its manifest"#]],
    );
}
