//! Conditions on the columns of a row, as SQL writes them: `lang = 'en' AND score >= 0.5`.

mod sql;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// A condition that a manifest puts on its rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Condition {
    text: String,
    predicate: Predicate,
}

/// What a condition asks of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Predicate {
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
    pub fn predicate(&self) -> &Predicate {
        &self.predicate
    }

    /// The columns it looks at, each once, by name.
    pub fn columns(&self) -> BTreeSet<&str> {
        let mut columns = BTreeSet::new();
        self.predicate.columns(&mut columns);
        columns
    }
}

impl Predicate {
    fn columns<'a>(&'a self, columns: &mut BTreeSet<&'a str>) {
        match self {
            Self::And(a, b) | Self::Or(a, b) => {
                a.columns(columns);
                b.columns(columns);
            }
            Self::Not(predicate) => predicate.columns(columns),
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

#[cfg(test)]
mod tests;
