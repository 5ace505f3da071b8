//! Is this answer right: verifiers over plain text.
//!
//! A [`Verifier`] and a reference make a [`Criterion`], which says how right what a model wrote is, 0 to 1. It knows
//! neither models nor tensors; the stage `rl` takes its scores as rewards, a suite as accuracy.
//!
//! | verifier | right is |
//! |---|---|
//! | `number` | the last number, or the one behind `####`, is the reference's |
//! | `choice` | the letter that is answered with is the reference's |
//! | `exact` | the text is the reference, but for white space |
//! | `regex` | a pattern is found in it |
//! | `json` | it is JSON with the keys and types of the reference |
//! | `json-schema` | it is JSON that a schema admits |
//! | `tool-call` | it calls the reference's tool with its arguments |
//! | `constraints` | the part of the instructions that it keeps (IFEval; Zhou et al. 2023, arXiv 2311.07911) |

mod choice;
mod constraints;
mod criterion;
mod error;
mod exact;
mod json;
mod number;
mod schema;
mod tool_call;

use regex::Regex;
use temper_recipe::VerifierName;

use crate::criterion::{By, all_or_nothing};
use crate::schema::Schema;

pub use criterion::Criterion;
pub use error::Error;

/// A verifier, ready to judge.
#[derive(Clone, Debug)]
pub struct Verifier {
    name: VerifierName,
    fixed: Option<Fixed>,
}

/// What answers are judged by in the place of references.
#[derive(Clone, Debug)]
enum Fixed {
    Pattern(Regex),
    Schema(Schema),
}

impl Verifier {
    /// `fixed` is looked at in the place of references: the pattern of `regex`, the schema of `json-schema`.
    /// Without it these two take the reference as the pattern or schema.
    ///
    /// # Errors
    /// [`Error::Pattern`] for one that is no regular expression, [`Error::Schema`] for one that is no schema or
    /// refers to others; [`Error::ReferencesAlone`] for another verifier.
    pub fn new(name: VerifierName, fixed: Option<&str>) -> Result<Self, Error> {
        let fixed = match (name, fixed) {
            (_, None) => None,
            (VerifierName::Regex, Some(pattern)) => {
                let pattern = Regex::new(pattern);
                let wrong = |error: regex::Error| Error::Pattern { problem: error.to_string() };
                Some(Fixed::Pattern(pattern.map_err(wrong)?))
            }
            (VerifierName::JsonSchema, Some(schema)) => {
                let schema = Schema::new(schema).map_err(|problem| Error::Schema { problem })?;
                Some(Fixed::Schema(schema))
            }
            (verifier, Some(_)) => return Err(Error::ReferencesAlone { verifier }),
        };
        Ok(Self { name, fixed })
    }

    /// Which one it is.
    pub fn name(&self) -> VerifierName {
        self.name
    }

    /// Whether answers can be judged by `reference`.
    ///
    /// # Errors
    /// [`Error::Reference`].
    pub fn check_reference(&self, reference: &str) -> Result<(), Error> {
        // Every rule reads the reference before it looks at an answer.
        self.criterion(reference)?.score("").map(drop)
    }

    /// What answers to the prompt with this `reference` are judged by. A pattern or schema is built here, once for
    /// all of them.
    ///
    /// # Errors
    /// [`Error::Reference`] for a reference that is no pattern or schema, where it must be one.
    pub fn criterion<'a>(&self, reference: &'a str) -> Result<Criterion<'a>, Error> {
        let pattern = || Regex::new(reference).map_err(|error| self.refuse(error.to_string()));
        let schema = || Schema::new(reference).map_err(|problem| self.refuse(problem));
        let rule = |rule: fn(&str, &str) -> Result<f64, Error>| By::Rule(rule, reference);
        Ok(Criterion(match (&self.fixed, self.name) {
            (Some(Fixed::Pattern(pattern)), _) => By::Pattern(pattern.clone()),
            (Some(Fixed::Schema(schema)), _) => By::Schema(schema.clone()),
            (None, VerifierName::Regex) => By::Pattern(pattern()?),
            (None, VerifierName::JsonSchema) => By::Schema(schema()?),
            (None, VerifierName::Number) => {
                rule(|answer, reference| number::is_right(answer, reference).map(all_or_nothing))
            }
            (None, VerifierName::Choice) => {
                rule(|answer, reference| choice::is_right(answer, reference).map(all_or_nothing))
            }
            (None, VerifierName::Exact) => {
                rule(|answer, reference| Ok(all_or_nothing(exact::is_right(answer, reference))))
            }
            (None, VerifierName::Json) => {
                rule(|answer, reference| json::is_right(answer, reference).map(all_or_nothing))
            }
            (None, VerifierName::ToolCall) => {
                rule(|answer, reference| tool_call::is_right(answer, reference).map(all_or_nothing))
            }
            (None, VerifierName::Constraints) => rule(constraints::part_kept),
        }))
    }

    fn refuse(&self, problem: String) -> Error {
        Error::Reference { verifier: self.name, problem }
    }
}

#[cfg(test)]
mod tests;
