//! Conditions on the columns of a row, as SQL writes them: `lang = 'en' AND score >= 0.5`.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sqlparser::ast::{BinaryOperator, Expr, UnaryOperator, Value as Literal, ValueWithSpan};
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

/// A condition that a manifest puts on its rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Condition {
    text: String,
    test: Test,
}

/// What a condition asks of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// Both hold.
    And(Box<Self>, Box<Self>),
    /// One of them holds.
    Or(Box<Self>, Box<Self>),
    /// It does not hold.
    Not(Box<Self>),
    /// A column of truth values is true.
    IsTrue(String),
    /// A column has no value.
    IsNull(String),
    /// A column compares so with a value.
    Compare(String, Comparison, Scalar),
    /// A column has one of these values.
    In(String, Vec<Scalar>),
    /// A column of texts matches a pattern: `%` for any text, `_` for one character.
    Like(String, String),
}

/// How two values compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `<>`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    More,
    /// `>=`
    AtLeast,
}

/// A value that a condition names.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar {
    /// `true` or `false`.
    Boolean(bool),
    /// A whole or decimal number.
    Number(f64),
    /// A text in single quotes.
    Text(String),
}

impl Condition {
    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What it asks.
    pub fn test(&self) -> &Test {
        &self.test
    }

    /// The columns it looks at, each once, by name.
    pub fn columns(&self) -> BTreeSet<&str> {
        let mut columns = BTreeSet::new();
        self.test.columns(&mut columns);
        columns
    }
}

impl Test {
    fn columns<'a>(&'a self, columns: &mut BTreeSet<&'a str>) {
        match self {
            Self::And(a, b) | Self::Or(a, b) => {
                a.columns(columns);
                b.columns(columns);
            }
            Self::Not(test) => test.columns(columns),
            Self::IsTrue(column)
            | Self::IsNull(column)
            | Self::Compare(column, ..)
            | Self::In(column, _)
            | Self::Like(column, _) => _ = columns.insert(column),
        }
    }
}

impl From<Condition> for String {
    fn from(condition: Condition) -> Self {
        condition.text
    }
}

impl TryFrom<String> for Condition {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let refused = |problem: &str| {
            format!(
                "`{text}` is no condition: {problem}; expected one such as `lang = 'en' AND score >= 0.5`"
            )
        };
        let parser = Parser::new(&GenericDialect {}).try_with_sql(&text);
        let mut parser = parser.map_err(|error| refused(&error.to_string()))?;
        let expression = parser.parse_expr().map_err(|error| refused(&error.to_string()))?;
        let rest = parser.peek_token();
        if rest.token != Token::EOF {
            return Err(refused(&format!("`{rest}` after its end")));
        }
        let test = test(&expression).map_err(|problem| refused(&problem))?;
        Ok(Self { text, test })
    }
}

/// The variants of other SQL are many, and none of them is meant here.
#[allow(clippy::wildcard_enum_match_arm)]
fn test(expression: &Expr) -> Result<Test, String> {
    let not_if = |negated: bool, test: Test| match negated {
        true => Test::Not(Box::new(test)),
        false => test,
    };
    match expression {
        Expr::Nested(inner) => test(inner),
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => Ok(Test::Not(Box::new(test(expr)?))),
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            Ok(Test::And(Box::new(test(left)?), Box::new(test(right)?)))
        }
        Expr::BinaryOp { left, op: BinaryOperator::Or, right } => {
            Ok(Test::Or(Box::new(test(left)?), Box::new(test(right)?)))
        }
        Expr::BinaryOp { left, op, right } => {
            let comparison = comparison(op).ok_or_else(|| format!("`{op}` compares nothing"))?;
            match (column(left), column(right)) {
                (Ok(column), _) => Ok(Test::Compare(column, comparison, scalar(right)?)),
                (_, Ok(column)) => Ok(Test::Compare(column, comparison.turned(), scalar(left)?)),
                (Err(problem), _) => Err(problem),
            }
        }
        Expr::IsNull(inner) => Ok(Test::IsNull(column(inner)?)),
        Expr::IsNotNull(inner) => Ok(not_if(true, Test::IsNull(column(inner)?))),
        Expr::InList { expr, list, negated } => {
            let values = list.iter().map(scalar).collect::<Result<_, _>>()?;
            Ok(not_if(*negated, Test::In(column(expr)?, values)))
        }
        Expr::Between { expr, negated, low, high } => {
            let column = column(expr)?;
            let low = Test::Compare(column.clone(), Comparison::AtLeast, scalar(low)?);
            let high = Test::Compare(column, Comparison::AtMost, scalar(high)?);
            Ok(not_if(*negated, Test::And(Box::new(low), Box::new(high))))
        }
        Expr::Like { negated, any: false, expr, pattern, escape_char: None } => {
            match scalar(pattern)? {
                Scalar::Text(pattern) => Ok(not_if(*negated, Test::Like(column(expr)?, pattern))),
                Scalar::Boolean(_) | Scalar::Number(_) => {
                    Err(format!("`{pattern}` is no pattern of text"))
                }
            }
        }
        Expr::Identifier(_) => Ok(Test::IsTrue(column(expression)?)),
        other => Err(format!("`{other}` asks nothing that a row could answer")),
    }
}

#[allow(clippy::wildcard_enum_match_arm)]
fn comparison(operator: &BinaryOperator) -> Option<Comparison> {
    match operator {
        BinaryOperator::Eq => Some(Comparison::Equal),
        BinaryOperator::NotEq => Some(Comparison::NotEqual),
        BinaryOperator::Lt => Some(Comparison::Less),
        BinaryOperator::LtEq => Some(Comparison::AtMost),
        BinaryOperator::Gt => Some(Comparison::More),
        BinaryOperator::GtEq => Some(Comparison::AtLeast),
        _ => None,
    }
}

impl Comparison {
    /// The same comparison read from right to left.
    fn turned(self) -> Self {
        match self {
            Self::Equal | Self::NotEqual => self,
            Self::Less => Self::More,
            Self::AtMost => Self::AtLeast,
            Self::More => Self::Less,
            Self::AtLeast => Self::AtMost,
        }
    }
}

#[allow(clippy::wildcard_enum_match_arm)]
fn column(expression: &Expr) -> Result<String, String> {
    match expression {
        Expr::Identifier(name) => Ok(name.value.clone()),
        other => Err(format!("`{other}` is no column")),
    }
}

#[allow(clippy::wildcard_enum_match_arm)]
fn scalar(expression: &Expr) -> Result<Scalar, String> {
    let no_value = || format!("`{expression}` is no text in single quotes, number or truth value");
    match expression {
        Expr::Value(ValueWithSpan { value, .. }) => match value {
            Literal::Number(digits, _) => {
                digits.parse().map(Scalar::Number).map_err(|_| no_value())
            }
            Literal::SingleQuotedString(text) => Ok(Scalar::Text(text.clone())),
            Literal::Boolean(boolean) => Ok(Scalar::Boolean(*boolean)),
            _ => Err(no_value()),
        },
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match scalar(expr)? {
            Scalar::Number(number) => Ok(Scalar::Number(-number)),
            Scalar::Boolean(_) | Scalar::Text(_) => Err(no_value()),
        },
        _ => Err(no_value()),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Expect) {
        let said = match Condition::try_from(text.to_owned()) {
            Ok(condition) => format!("{:?} {:?}", condition.columns(), condition.test()),
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
}
