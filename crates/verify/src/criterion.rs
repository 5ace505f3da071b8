//! What the answers to one prompt are judged by.

use regex::Regex;

use crate::Error;
use crate::schema::Schema;

/// What the answers to one prompt are judged by: a verifier that has read its reference.
#[derive(Clone, Debug)]
pub struct Criterion<'a>(pub(crate) By<'a>);

#[derive(Clone, Debug)]
pub(crate) enum By<'a> {
    Pattern(Regex),
    Schema(Schema),
    /// An answer and the reference.
    Rule(fn(&str, &str) -> Result<f64, Error>, &'a str),
}

impl Criterion<'_> {
    /// How right `answer` is, 0 to 1.
    ///
    /// # Errors
    /// [`Error::Reference`] for a reference that cannot be judged by, whatever the answer; an answer is never an
    /// error.
    pub fn score(&self, answer: &str) -> Result<f64, Error> {
        match &self.0 {
            By::Pattern(pattern) => Ok(all_or_nothing(pattern.is_match(answer))),
            By::Schema(schema) => Ok(all_or_nothing(schema.admits(answer))),
            By::Rule(rule, reference) => rule(answer, reference),
        }
    }
}

pub(crate) fn all_or_nothing(is_right: bool) -> f64 {
    f64::from(u8::from(is_right))
}
