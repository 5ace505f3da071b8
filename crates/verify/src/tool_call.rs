//! A call of a tool, with its arguments.

// Of a JSON value only the expected kinds matter.
#![allow(clippy::wildcard_enum_match_arm)]

use serde_json::Value;

use crate::json::parsed;
use temper_recipe::VerifierName;

use crate::Error;

const OPEN: &str = "<tool_call>";
const CLOSE: &str = "</tool_call>";

/// Whether the answer makes the reference's calls, all and in order: `{"name": …, "arguments": {…}}`, or a
/// list of them. Arguments are compared as values, in any order of their names.
pub(crate) fn is_right(answer: &str, reference: &str) -> Result<bool, Error> {
    let refuse = |problem: String| Error::Reference { verifier: VerifierName::ToolCall, problem };
    let expected: Value = serde_json::from_str(reference)
        .map_err(|error| refuse(format!("it is no JSON: {error}")))?;
    let expected = calls(expected).ok_or_else(|| {
        refuse("expected `{\"name\": …, \"arguments\": {…}}`, or a list of them".to_owned())
    })?;
    Ok(made(answer).is_some_and(|found| found == expected))
}

/// The calls of an answer: between marks, or the whole of it.
fn made(answer: &str) -> Option<Vec<Call>> {
    if !answer.contains(OPEN) {
        return calls(parsed(answer)?);
    }
    let marked = answer.split(OPEN).skip(1).map(|part| {
        let text = part.split(CLOSE).next().unwrap_or_default();
        call(&serde_json::from_str(text.trim()).ok()?)
    });
    marked.collect()
}

/// A name, and arguments sorted by theirs.
type Call = (String, Value);

fn calls(value: Value) -> Option<Vec<Call>> {
    match value {
        Value::Array(all) => all.iter().map(call).collect(),
        one => Some(vec![call(&one)?]),
    }
}

fn call(value: &Value) -> Option<Call> {
    // OpenAI wraps a call, and writes its arguments as text.
    let value = value.get("function").unwrap_or(value);
    let name = value.get("name")?.as_str()?.to_owned();
    let arguments = match value.get("arguments").or_else(|| value.get("parameters")) {
        None => Value::Object(Default::default()),
        Some(Value::String(text)) => serde_json::from_str(text).ok()?,
        Some(arguments) => arguments.clone(),
    };
    Some((name, plain(arguments)))
}

/// The same value whatever the order of keys, and 2.0 as 2.
fn plain(value: Value) -> Value {
    match value {
        Value::Object(entries) => {
            let mut entries: Vec<_> =
                entries.into_iter().map(|(key, value)| (key, plain(value))).collect();
            entries.sort_by(|(a, _), (b, _)| a.cmp(b));
            entries.into_iter().collect()
        }
        Value::Array(items) => items.into_iter().map(plain).collect(),
        Value::Number(number) => match number.as_f64() {
            Some(whole) if whole.fract() == 0.0 && whole.abs() < 9e15 => Value::from(whole as i64),
            _ => Value::Number(number),
        },
        other => other,
    }
}
