//! The SQL of conditions: what of an expression asks something of a row.

use sqlparser::ast::{BinaryOperator, Expr, UnaryOperator, Value as Literal, ValueWithSpan};
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

use super::{Comparison, Condition, Predicate, Scalar};

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
        let predicate = predicate(&expression).map_err(|problem| refused(&problem))?;
        Ok(Self { text, predicate })
    }
}

/// The variants of other SQL are many, and none of them is meant here.
#[allow(clippy::wildcard_enum_match_arm)]
fn predicate(expression: &Expr) -> Result<Predicate, String> {
    let not_if = |negated: bool, predicate: Predicate| match negated {
        true => Predicate::Not(Box::new(predicate)),
        false => predicate,
    };
    match expression {
        Expr::Nested(inner) => predicate(inner),
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => {
            Ok(Predicate::Not(Box::new(predicate(expr)?)))
        }
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            Ok(Predicate::And(Box::new(predicate(left)?), Box::new(predicate(right)?)))
        }
        Expr::BinaryOp { left, op: BinaryOperator::Or, right } => {
            Ok(Predicate::Or(Box::new(predicate(left)?), Box::new(predicate(right)?)))
        }
        Expr::BinaryOp { left, op, right } => {
            let comparison = comparison(op).ok_or_else(|| format!("`{op}` compares nothing"))?;
            match (column(left), column(right)) {
                (Ok(column), _) => Ok(Predicate::Compare(column, comparison, scalar(right)?)),
                (_, Ok(column)) => {
                    Ok(Predicate::Compare(column, comparison.turned(), scalar(left)?))
                }
                (Err(problem), _) => Err(problem),
            }
        }
        Expr::IsNull(inner) => Ok(Predicate::IsNull(column(inner)?)),
        Expr::IsNotNull(inner) => Ok(not_if(true, Predicate::IsNull(column(inner)?))),
        Expr::InList { expr, list, negated } => {
            let values = list.iter().map(scalar).collect::<Result<_, _>>()?;
            Ok(not_if(*negated, Predicate::In(column(expr)?, values)))
        }
        Expr::Between { expr, negated, low, high } => {
            let column = column(expr)?;
            let low = Predicate::Compare(column.clone(), Comparison::AtLeast, scalar(low)?);
            let high = Predicate::Compare(column, Comparison::AtMost, scalar(high)?);
            Ok(not_if(*negated, Predicate::And(Box::new(low), Box::new(high))))
        }
        Expr::Like { negated, any: false, expr, pattern, escape_char: None } => {
            match scalar(pattern)? {
                Scalar::Text(pattern) => {
                    Ok(not_if(*negated, Predicate::Like(column(expr)?, pattern)))
                }
                Scalar::Boolean(_) | Scalar::Number(_) => {
                    Err(format!("`{pattern}` is no pattern of text"))
                }
            }
        }
        Expr::Identifier(_) => Ok(Predicate::IsTrue(column(expression)?)),
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
