//! Is this answer right: verifiers over plain text.
//!
//! A [`Verifier`] looks at what a model wrote and at a reference, and says how right it is, 0 to 1. It knows
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
mod error;
mod exact;
mod json;
mod number;
mod schema;
mod tool_call;

use regex::Regex;
use temper_recipe::VerifierName;

use crate::schema::Schema;

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
        self.score("", reference).map(drop)
    }

    /// How right `answer` is, 0 to 1. `reference` is what the corpus says of the prompt.
    ///
    /// # Errors
    /// [`Error::Reference`] for a reference that this verifier cannot judge by; an answer is never an
    /// error.
    pub fn score(&self, answer: &str, reference: &str) -> Result<f64, Error> {
        let is_right = match self.name {
            VerifierName::Number => number::is_right(answer, reference)?,
            VerifierName::Choice => choice::is_right(answer, reference)?,
            VerifierName::Exact => exact::is_right(answer, reference),
            VerifierName::Regex => match &self.fixed {
                Some(Fixed::Pattern(pattern)) => pattern.is_match(answer),
                Some(Fixed::Schema(_)) | None => {
                    let pattern = Regex::new(reference);
                    pattern.map_err(|error| self.refuse(error.to_string()))?.is_match(answer)
                }
            },
            VerifierName::Json => json::is_right(answer, reference)?,
            VerifierName::JsonSchema => match &self.fixed {
                Some(Fixed::Schema(schema)) => schema.admits(answer),
                Some(Fixed::Pattern(_)) | None => {
                    let schema = Schema::new(reference);
                    schema.map_err(|problem| self.refuse(problem))?.admits(answer)
                }
            },
            VerifierName::ToolCall => tool_call::is_right(answer, reference)?,
            VerifierName::Constraints => return constraints::part_kept(answer, reference),
        };
        Ok(f64::from(u8::from(is_right)))
    }

    fn refuse(&self, problem: String) -> Error {
        Error::Reference { verifier: self.name, problem }
    }
}

#[cfg(test)]
mod tests;
