//! Why nothing is judged.

use temper_recipe::VerifierName;

/// Why nothing can be judged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A pattern that is none.
    #[error("pattern: {problem}\n\nhint: write a regular expression of the crate `regex`")]
    Pattern {
        /// What is wrong with it.
        problem: String,
    },
    /// A schema that is none, or that refers to others.
    #[error(
        "schema: {problem}\n\nhint: write a JSON Schema (json-schema.org) that needs no other document"
    )]
    Schema {
        /// What is wrong with it.
        problem: String,
    },
    /// A pattern or schema for a verifier that looks at references alone.
    #[error(
        "verifier `{verifier}`: found a pattern or schema, which `regex` and `json-schema` alone look at\n\n\
         hint: leave it out"
    )]
    ReferencesAlone {
        /// The verifier.
        verifier: VerifierName,
    },
    /// A reference that a verifier cannot judge by.
    #[error(
        "reference for `{verifier}`: {problem}\n\nhint: correct the row, or choose another verifier"
    )]
    Reference {
        /// The verifier.
        verifier: VerifierName,
        /// What is wrong with it.
        problem: String,
    },
}
