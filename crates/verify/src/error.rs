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
