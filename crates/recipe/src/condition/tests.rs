use expect_test::{Expect, expect};

use super::*;

#[track_caller]
fn check(text: &str, expected: Expect) {
    let said = match Condition::try_from(text.to_owned()) {
        Ok(condition) => format!("{:?} {:?}", condition.columns(), condition.predicate()),
        Err(problem) => problem,
    };
    expected.assert_eq(&said);
}

#[test]
fn conditions_are_read_as_sql_reads_them() {
    check(
        "lang = 'en' AND score >= 0.5",
        expect![[
            r#"{"lang", "score"} And(Compare("lang", Equal, Text("en")), Compare("score", AtLeast, Number(0.5)))"#
        ]],
    );
    check(
        "NOT (a OR 3 < \"b c\")",
        expect![[r#"{"a", "b c"} Not(Or(IsTrue("a"), Compare("b c", More, Number(3.0))))"#]],
    );
    check(
        "a IN (1, -2) OR a IS NOT NULL AND b NOT LIKE 'x%'",
        expect![[
            r#"{"a", "b"} Or(In("a", [Number(1.0), Number(-2.0)]), And(Not(IsNull("a")), Not(Like("b", "x%"))))"#
        ]],
    );
    check(
        "a BETWEEN 1 AND 2",
        expect![[
            r#"{"a"} And(Compare("a", AtLeast, Number(1.0)), Compare("a", AtMost, Number(2.0)))"#
        ]],
    );
}

#[test]
fn what_is_no_condition_is_refused() {
    check(
        "",
        expect![
            "`` is no condition: sql parser error: Expected: an expression, found: EOF; expected one such as `lang = 'en' AND score >= 0.5`"
        ],
    );
    check(
        "lang = 'en' lang",
        expect![
            "`lang = 'en' lang` is no condition: `lang` after its end; expected one such as `lang = 'en' AND score >= 0.5`"
        ],
    );
    check(
        "a = b",
        expect![
            "`a = b` is no condition: `b` is no text in single quotes, number or truth value; expected one such as `lang = 'en' AND score >= 0.5`"
        ],
    );
    check(
        "a + 1",
        expect![
            "`a + 1` is no condition: `+` compares nothing; expected one such as `lang = 'en' AND score >= 0.5`"
        ],
    );
    check(
        "lower(a) = 'x'",
        expect![
            "`lower(a) = 'x'` is no condition: `lower(a)` is no column; expected one such as `lang = 'en' AND score >= 0.5`"
        ],
    );
    check(
        "a IN (SELECT 1)",
        expect![
            "`a IN (SELECT 1)` is no condition: `a IN (SELECT 1)` asks nothing that a row could answer; expected one such as `lang = 'en' AND score >= 0.5`"
        ],
    );
}
