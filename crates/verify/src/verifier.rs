//! A verifier by its name, and what it makes of a reference.

use regex::Regex;
use temper_recipe::VerifierName;

use crate::criterion::{By, Criterion, all_or_nothing};
use crate::error::Error;
use crate::schema::Schema;
use crate::{choice, constraints, exact, json, number, tool_call};

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
