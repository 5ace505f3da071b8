//! JSON of a shape.

use serde_json::Value;

use temper_recipe::VerifierName;

use crate::Error;

/// Whether the answer is JSON with all keys of the reference, each with a value of the same kind. The
/// reference is JSON itself; what it holds is an example.
pub(crate) fn is_right(answer: &str, reference: &str) -> Result<bool, Error> {
    let expected: Value = serde_json::from_str(reference).map_err(|error| Error::Reference {
        verifier: VerifierName::Json,
        problem: format!("it is no JSON: {error}"),
    })?;
    Ok(parsed(answer).is_some_and(|found| has_shape(&found, &expected)))
}

/// The JSON that an answer is, or that its first fenced block holds.
pub(crate) fn parsed(answer: &str) -> Option<Value> {
    let whole = serde_json::from_str(answer.trim()).ok();
    whole.or_else(|| {
        let (_, behind) = answer.split_once("```")?;
        let (block, _) = behind.split_once("```")?;
        let block = block.trim_start_matches(|c: char| c.is_ascii_alphanumeric());
        serde_json::from_str(block.trim()).ok()
    })
}

fn has_shape(found: &Value, expected: &Value) -> bool {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => expected
            .iter()
            .all(|(key, value)| found.get(key).is_some_and(|found| has_shape(found, value))),
        (Value::Array(found), Value::Array(expected)) => match expected.first() {
            Some(expected) => found.iter().all(|found| has_shape(found, expected)),
            None => true,
        },
        (Value::Null, Value::Null)
        | (Value::Bool(_), Value::Bool(_))
        | (Value::Number(_), Value::Number(_))
        | (Value::String(_), Value::String(_)) => true,
        _ => false,
    }
}
