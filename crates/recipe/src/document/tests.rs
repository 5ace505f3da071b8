use expect_test::{Expect, expect};

use super::*;

#[track_caller]
fn check(format: Format, text: &str, path: &str, expected: Expect) {
    let document = Document::parse("a", text, format);
    let document = document.unwrap_or_else(|problems| panic!("{problems:?}"));
    let path: Vec<&str> = path.split('/').collect();
    expected.assert_eq(&document.location_of(&path).to_string());
}

#[test]
fn values_are_placed_at_their_keys() {
    let toml = "x = 1\n[model]\n from = 'ä'\ny = {a = 1, 'ä' = [1,\n 2]}\n";
    check(Format::Toml, toml, "x", expect!["a:1:1"]);
    check(Format::Toml, toml, "model", expect!["a:2:2"]);
    check(Format::Toml, toml, "model/from", expect!["a:3:2"]);
    check(Format::Toml, toml, "model/missing", expect!["a:2:2"]);
    check(Format::Toml, toml, "model/y/ä/[1]", expect!["a:5:2"]);
    check(Format::Toml, toml, "missing", expect!["a"]);

    let yaml = "x: 1\nmodel:\n  from: ä\n  y: {a: 1}\n# no: key\nlast: 2\n";
    check(Format::Yaml, yaml, "x", expect!["a:1:1"]);
    check(Format::Yaml, yaml, "model/from", expect!["a:3:3"]);
    check(Format::Yaml, yaml, "model/y/a", expect!["a:4:3"]);
    check(Format::Yaml, yaml, "last", expect!["a:6:1"]);
}

#[track_caller]
fn check_refused(format: Format, text: &str, expected: Expect) {
    let problems = Document::parse("a", text, format).unwrap_err();
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    expected.assert_eq(&lines.join("\n"));
}

#[test]
fn texts_that_do_not_parse_say_where() {
    check_refused(
        Format::Toml,
        "a = 1\na = 2\nb = \n",
        expect![[r#"
        a:2:1: no TOML: duplicate key
        a:3:5: no TOML: string values must be quoted, expected literal string"#]],
    );
    check_refused(
        Format::Toml,
        "a = 99999999999999999999",
        expect!["a:1:1: `99999999999999999999` does not fit 64 bits"],
    );
    check_refused(
        Format::Yaml,
        "a: 1\na: 2\n",
        expect![[r#"a:1:1: no YAML: duplicate entry with key "a""#]],
    );
    check_refused(
        Format::Yaml,
        "a: [1\nb: 2\n",
        expect!["a:2:2: no YAML: did not find expected ',' or ']'"],
    );
    check_refused(
        Format::Yaml,
        "a: 18446744073709551615\n",
        expect!["a:1:1: `18446744073709551615` does not fit 64 bits"],
    );
    check_refused(
        Format::Yaml,
        "a: !x 1\n1: 2\n",
        expect![[r#"
            a: key Number(1) is no string: quote it
            a:1:1: tag `!x`: tags are not used here"#]],
    );
    check_refused(Format::Yaml, "", expect!["a:1:1: expected keys and values"]);
}
