use expect_test::{Expect, expect};
use serde::Deserialize;

use super::*;
use crate::document::Format;
use crate::recipe::Stage;

#[derive(Debug, Deserialize)]
#[allow(dead_code)] // Read through Debug.
struct Form {
    schema: u32,
    count: Option<u64>,
    ratio: Option<f64>,
    pair: Option<[f64; 2]>,
    stage: Option<Stage>,
    #[serde(default)]
    items: Vec<Item>,
}

#[derive(Debug, Deserialize)]
#[allow(dead_code)] // Read through Debug.
struct Item {
    name: String,
}

#[track_caller]
fn check(text: &str, expected: Expect) {
    let mut document = Document::parse("a", text, Format::Toml).unwrap();
    let mut problems = Vec::new();
    let form: Option<Form> = read(&mut document, &[], &mut problems);
    let mut lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.push(form.map_or("nothing".to_owned(), |form| format!("{form:?}")));
    expected.assert_eq(&lines.join("\n"));
}

#[test]
fn all_mistakes_are_reported_and_the_rest_is_read() {
    check(
        "schema = 1\ncount = 3\nratio = 2\npair = [1, 2.5]\nstage = 'pretrain'",
        expect![
            "Form { schema: 1, count: Some(3), ratio: Some(2.0), pair: Some([1.0, 2.5]), stage: Some(Pretrain), items: [] }"
        ],
    );
    check(
        "",
        expect![[r#"
        a: schema: missing
            hint: start the file with `schema = 1`
        Form { schema: 1, count: None, ratio: None, pair: None, stage: None, items: [] }"#]],
    );
    check(
        "schema = 2\ncont = 3",
        expect![[r#"
        a:1:1: schema: found `2`, expected `1`
            hint: this version of temper reads no other schema
        nothing"#]],
    );
    check(
        "schema = 1\ncont = 3\nqqqqqq = 1\nratio = 'x'\ncount = -1",
        expect![[r#"
        a:2:1: cont: unknown key
            hint: did you mean `count`?
        a:5:1: count: found `-1`, expected a whole number, 0 or more
        a:3:1: qqqqqq: unknown key
            hint: known here: `schema`, `count`, `ratio`, `pair`, `stage`, `items`
        a:4:1: ratio: found the text `x`, expected a number
        Form { schema: 1, count: None, ratio: None, pair: None, stage: None, items: [] }"#]],
    );
    check(
        "schema = 1\nstage = 'rl'\npair = [1]",
        expect![[r#"
            a:3:1: pair: found a list of 1, expected a list of two
            Form { schema: 1, count: None, ratio: None, pair: None, stage: Some(Rl), items: [] }"#]],
    );
    check(
        "schema = 1\nstage = 'midtrain'\npair = [1, 2, 3]\ncount = 1.5",
        expect![[r#"
            a:4:1: count: found `1.5`, expected a whole number, 0 or more
            a:3:1: pair: found a list of 3, expected a list of two
            a:2:1: stage: `midtrain` is not known, expected one of `pretrain`, `mid-train`, `sft`, `dpo`, `rl`
                hint: did you mean `mid-train`?
            Form { schema: 1, count: None, ratio: None, pair: None, stage: None, items: [] }"#]],
    );
    check(
        "schema = 1\nstage = 1\npair = { a = 1 }\nitems = [{ name = 'x' }, {}, { name = 1 }, { nam = 'y', name = 'z' }]",
        expect![[r#"
            a:4:26: items[1].name: missing
            a:4:32: items[2].name: found `1`, expected a text
            a:4:46: items[3].nam: unknown key
                hint: did you mean `name`?
            a:3:1: pair: found a table, expected a list of two
            a:2:1: stage: found `1`, expected one of `pretrain`, `mid-train`, `sft`, `dpo`, `rl`
            Form { schema: 1, count: None, ratio: None, pair: None, stage: None, items: [Item { name: "x" }, Item { name: "z" }] }"#]],
    );
    check(
        "schema = 'one'",
        expect![[r#"
        a:1:1: schema: found the text `one`, expected a whole number, 0 or more
        nothing"#]],
    );
    check(
        "schema = 1\nitems = [['x']]\ncount = true",
        expect![[r#"
        a:3:1: count: found `true`, expected a whole number, 0 or more
        a:2:10: items[0]: found a list, expected a table
        Form { schema: 1, count: None, ratio: None, pair: None, stage: None, items: [] }"#]],
    );
}
