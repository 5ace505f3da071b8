//! Parquet: columns that become rows, and columns that do not fit.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, DictionaryArray, Float64Array, Int64Array, ListArray, StringArray,
    StringViewArray,
};
use arrow::datatypes::Int32Type;
use expect_test::Expect;
use proptest::prelude::*;

use super::*;

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
fn columns_of_another_form_name_its_option() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("in.parquet");
    write_parquet(&input, 1, vec![("chosen", strings(&["a"])), ("rejected", strings(&["b"]))]);
    let error = import(&[input], &folder.path().join("out.parquet"), &options()).unwrap_err();
    let expected = expect![
        "cannot import `x/in.parquet`: no column `text`; it has `chosen`, `rejected`; rows with two answers are read with `--pairs`"
    ];
    expected.assert_eq(told(folder.path(), &error).lines().next().unwrap());
}
