use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, Int32Array, ListBuilder, StringArray, StringBuilder};
use expect_test::{Expect, expect};
use temper_recipe::{Condition, Manifest};

use super::{ChoiceItem, read_answer_items, read_choice_items, read_loss_items};
use crate::testing::{manifest, strings, told, write_parquet};

fn lists(rows: &[&[Option<&str>]]) -> ArrayRef {
    let mut builder = ListBuilder::new(StringBuilder::new());
    for row in rows {
        builder.append_value(row.iter().copied());
    }
    Arc::new(builder.finish())
}

fn integers(values: &[i32]) -> ArrayRef {
    Arc::new(Int32Array::from(values.to_vec()))
}

fn choices(folder: &Path, columns: Vec<(&str, ArrayRef)>) -> Manifest {
    write_parquet(&folder.join("a.parquet"), 1, columns);
    let mut manifest = manifest(folder, &["a.parquet"]);
    manifest.columns.choices = Some("options".to_owned());
    manifest.columns.gold = Some("gold".to_owned());
    manifest
}

#[test]
fn choices_are_read_with_what_the_manifest_names() {
    let folder = tempfile::tempdir().unwrap();
    let rows = lists(&[&[Some("yes"), Some("no")], &[Some("a"), Some("b"), Some("c")]]);
    let columns = vec![
        ("name", strings(&["q1", "q2"])),
        ("prompt", strings(&["Is it soluble?", ""])),
        ("options", rows),
        ("gold", integers(&[1, 2])),
        ("paradigm", strings(&["p", "p"])),
        ("length", Arc::new(Float32Array::from(vec![3.5, 4.0])) as ArrayRef),
    ];
    let mut manifest = choices(folder.path(), columns);
    let gold = read_choice_items(&manifest, folder.path()).unwrap();
    assert_eq!((gold[0].id.as_str(), gold[0].cluster.as_str()), ("0/0/0", "0/0/0"));
    assert_eq!((gold[1].id.as_str(), gold[1].context.as_str()), ("0/1/0", ""));
    assert_eq!(gold[1].confounder, None);

    manifest.columns.id = Some("name".to_owned());
    manifest.columns.cluster = Some("paradigm".to_owned());
    manifest.columns.context = Some("prompt".to_owned());
    manifest.columns.confounder = Some("length".to_owned());
    let items = read_choice_items(&manifest, folder.path()).unwrap();
    let first = ChoiceItem {
        id: "q1".to_owned(),
        cluster: "p".to_owned(),
        context: "Is it soluble?".to_owned(),
        choices: vec!["yes".to_owned(), "no".to_owned()],
        gold: 1,
        confounder: Some(3.5),
    };
    assert_eq!((&items[0], items.len()), (&first, 2));
}

#[test]
fn texts_and_answers_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let columns = vec![("q", strings(&["1+1=", ""])), ("a", strings(&["2", "3"]))];
    write_parquet(&folder.path().join("a.parquet"), 10, columns);
    let mut manifest = manifest(folder.path(), &["a.parquet"]);
    manifest.columns.context = Some("q".to_owned());
    manifest.columns.answer = Some("a".to_owned());
    manifest.columns.text = Some("a".to_owned());
    let answers = read_answer_items(&manifest, folder.path()).unwrap();
    assert_eq!((answers[0].context.as_str(), answers[0].answer.as_str()), ("1+1=", "2"));
    let texts = read_loss_items(&manifest, folder.path()).unwrap();
    assert_eq!((texts[1].id.as_str(), texts[1].text.as_str()), ("0/0/1", "3"));
}

#[test]
fn rows_that_the_manifest_leaves_out_are_no_items() {
    #[track_caller]
    fn check(change: impl Fn(&mut Manifest), expected: &[&str]) {
        let folder = tempfile::tempdir().unwrap();
        let texts: Vec<String> = (0..7).map(|number| format!("text {number}")).collect();
        let months = strings(&["01", "02", "02", "01", "02", "02", "01"]);
        write_parquet(
            &folder.path().join("a.parquet"),
            3,
            vec![("text", strings(&texts)), ("month", months)],
        );
        let mut manifest = manifest(folder.path(), &["a.parquet"]);
        manifest.columns.text = Some("text".to_owned());
        change(&mut manifest);
        let items = read_loss_items(&manifest, folder.path()).unwrap();
        let found: Vec<String> =
            items.iter().map(|item| format!("{} {}", item.id, &item.text[5..])).collect();
        assert_eq!(found, expected);
    }
    let february = |manifest: &mut Manifest| {
        manifest.condition = Some(Condition::try_from("month = '02'".to_owned()).unwrap());
    };
    check(february, &["0/0/1 1", "0/0/2 2", "0/1/1 4", "0/1/2 5"]);
    check(|_| (), &["0/0/0 0", "0/0/1 1", "0/0/2 2", "0/1/0 3", "0/1/1 4", "0/1/2 5", "0/2/0 6"]);
}

#[track_caller]
fn check(options: ArrayRef, gold: ArrayRef, change: impl Fn(&mut Manifest), expected: Expect) {
    let folder = tempfile::tempdir().unwrap();
    let name = strings(&vec!["q"; options.len()]);
    let mut manifest =
        choices(folder.path(), vec![("options", options), ("gold", gold), ("name", name)]);
    change(&mut manifest);
    let error = read_choice_items(&manifest, folder.path()).unwrap_err();
    expected.assert_eq(&told(folder.path(), &error));
}

#[test]
fn rows_that_cannot_be_scored_are_named() {
    let good = || lists(&[&[Some("a"), Some("b")]]);
    check(
        lists(&[&[Some("a")]]),
        integers(&[0]),
        |_| {},
        expect![[r#"
            `x/a.parquet`, row group 0, row 0: 1 choices, expected at least two

            hint: correct or remove the row"#]],
    );
    check(
        lists(&[&[Some("a"), Some("")]]),
        integers(&[0]),
        |_| {},
        expect![[r#"
            `x/a.parquet`, row group 0, row 0: choice 1 is empty

            hint: correct or remove the row"#]],
    );
    check(
        lists(&[&[Some("a"), None]]),
        integers(&[0]),
        |_| {},
        expect![[r#"
        `x/a.parquet`, row group 0, row 0: `options` is null

        hint: remove the row or give it a value, or leave it out of a mix with `data_mixing.on_bad_row = "drop"`; a missing document is never taken for an empty one"#]],
    );
    check(
        good(),
        integers(&[2]),
        |_| {},
        expect![[r#"
            `x/a.parquet`, row group 0, row 0: gold is 2, expected 0 to 1

            hint: correct or remove the row"#]],
    );
    check(
        good(),
        integers(&[-1]),
        |_| {},
        expect![[r#"
            `x/a.parquet`, row group 0, row 0: gold is -1, expected 0 to 1

            hint: correct or remove the row"#]],
    );
    check(
        good(),
        Arc::new(Int32Array::from(vec![None])),
        |_| {},
        expect![[r#"
        `x/a.parquet`, row group 0, row 0: `gold` is null

        hint: remove the row or give it a value, or leave it out of a mix with `data_mixing.on_bad_row = "drop"`; a missing document is never taken for an empty one"#]],
    );
    check(
        good(),
        strings(&["1"]),
        |_| {},
        expect![[r#"
            `x/a.parquet`: column `gold` is `Utf8`, expected an integer

            hint: name another column in the manifest, or write this one again"#]],
    );
    check(
        strings(&["a"]),
        integers(&[0]),
        |_| {},
        expect![[r#"
            `x/a.parquet`: column `options` is `Utf8`, expected a list of strings

            hint: name another column in the manifest, or write this one again"#]],
    );
    check(
        good(),
        integers(&[0]),
        |manifest| manifest.columns.gold = Some("label".to_owned()),
        expect![[r#"
            `x/a.parquet` has no column `label`; it has `options`, `gold`, `name`

            hint: correct the column's name in the manifest"#]],
    );
    check(
        good(),
        integers(&[0]),
        |manifest| manifest.columns.choices = None,
        expect![[r#"
        corpus `toy`: its manifest names no `choices` column

        hint: set `columns.choices`"#]],
    );
    let two = lists(&[&[Some("a"), Some("b")], &[Some("c"), Some("d")]]);
    check(
        two,
        integers(&[0, 1]),
        |manifest| manifest.columns.id = Some("name".to_owned()),
        expect![[r#"
            corpus `toy`: two rows have the id `q`, results are compared by id

            hint: give each row its own id"#]],
    );
    check(
        lists(&[]),
        integers(&[]),
        |_| {},
        expect![[r#"
        corpus `toy` is empty: 1 files, no rows

        hint: leave it out of the recipe, or name its files in the manifest"#]],
    );
}

#[test]
fn a_null_cluster_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let cluster: ArrayRef = Arc::new(StringArray::from(vec![Some("p"), None]));
    write_parquet(
        &folder.path().join("a.parquet"),
        10,
        vec![("text", strings(&["a", ""])), ("c", cluster)],
    );
    let mut manifest = manifest(folder.path(), &["a.parquet"]);
    manifest.columns.text = Some("text".to_owned());
    let told = |manifest: &Manifest| {
        told(folder.path(), &read_loss_items(manifest, folder.path()).unwrap_err())
    };
    expect![[r#"
        `x/a.parquet`, row group 0, row 1: `text` is empty, there is nothing to score

        hint: correct or remove the row"#]]
    .assert_eq(&told(&manifest));
    manifest.columns.cluster = Some("c".to_owned());
    expect![[r#"
        `x/a.parquet`, row group 0, row 1: `c` is null

        hint: remove the row or give it a value, or leave it out of a mix with `data_mixing.on_bad_row = "drop"`; a missing document is never taken for an empty one"#]].assert_eq(&told(&manifest));
}
