//! JSON that a schema admits (json-schema.org, drafts 4 to 2020-12).

use std::sync::Arc;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{ReferencingError, ValidationError, Validator};
use serde_json::Value;

use crate::json::parsed;

/// A schema, ready to judge.
#[derive(Clone, Debug)]
pub(crate) struct Schema(Arc<Validator>);

impl Schema {
    /// # Errors
    /// What is wrong with it, in words: no JSON, no schema, or one that refers to other documents, which are
    /// never fetched.
    pub(crate) fn new(text: &str) -> Result<Self, String> {
        let schema: Value =
            serde_json::from_str(text).map_err(|error| format!("it is no JSON: {error}"))?;
        // Drafts differ in whether a format is a demand; here it is one, whichever is written.
        let options = jsonschema::options().offline().should_validate_formats(true);
        let built = options.build(&schema).map_err(|error| problem(&error))?;
        Ok(Self(Arc::new(built)))
    }

    /// Whether an answer, or its first fenced block, is JSON that satisfies it.
    pub(crate) fn admits(&self, answer: &str) -> bool {
        parsed(answer).is_some_and(|found| self.0.is_valid(&found))
    }
}

/// What is wrong with a schema, on one line.
fn problem(error: &ValidationError<'_>) -> String {
    if let ValidationErrorKind::Referencing(ReferencingError::Unretrievable { uri, .. }) =
        error.kind()
    {
        return format!("it refers to `{uri}`, expected no other document: nothing is fetched");
    }
    let (place, what) = (error.instance_path().as_str(), error.to_string());
    let what = what.lines().next().unwrap_or_default();
    match place {
        "" => format!("it is no schema: {what}"),
        place => format!("it is no schema: `{place}`: {what}"),
    }
}
