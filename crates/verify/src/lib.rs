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
//! | `tool-call` | it calls the reference's tool with its arguments |
//! | `constraints` | the part of the instructions that it keeps (IFEval; Zhou et al. 2023, arXiv 2311.07911) |

mod choice;
mod constraints;
mod error;
mod exact;
mod json;
mod number;
mod tool_call;

use regex::Regex;
use temper_recipe::VerifierName;

pub use error::Error;

/// A verifier, ready to judge.
#[derive(Clone, Debug)]
pub struct Verifier {
    name: VerifierName,
    pattern: Option<Regex>,
}

impl Verifier {
    /// `pattern` is that of `regex`; without one it takes the reference as the pattern.
    ///
    /// # Errors
    /// [`Error::Pattern`] for one that is no regular expression, or is given to another verifier.
    pub fn new(name: VerifierName, pattern: Option<&str>) -> Result<Self, Error> {
        let wrong = |problem: String| Error::Pattern { problem };
        let pattern = match pattern {
            Some(pattern) if name == VerifierName::Regex => {
                Some(Regex::new(pattern).map_err(|error| wrong(error.to_string()))?)
            }
            Some(_) => return Err(wrong("found one, which `regex` alone looks at".to_owned())),
            None => None,
        };
        Ok(Self { name, pattern })
    }

    /// Which one it is.
    pub fn name(&self) -> VerifierName {
        self.name
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
            VerifierName::Regex => match &self.pattern {
                Some(pattern) => pattern.is_match(answer),
                None => {
                    let pattern = Regex::new(reference);
                    pattern.map_err(|error| self.refuse(error.to_string()))?.is_match(answer)
                }
            },
            VerifierName::Json => json::is_right(answer, reference)?,
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
