//! Calls of tools as chat templates take them: their arguments are objects.

use serde_json::{Map, Value};

/// What a message says under `tool_calls`: a list, or the JSON of one in a text.
///
/// OpenAI writes the arguments of a call as a text, Converse as an object, and templates print the two
/// differently. One call is to be one text, so texts become objects. What is no list of calls stays as it is: it
/// is refused with the turns.
///
/// # Errors
/// In words, for a text that is no JSON, and for arguments that are no JSON object.
pub(crate) fn read_calls(mut calls: Value) -> Result<Value, String> {
    if let Value::String(text) = &calls {
        let read = serde_json::from_str(text);
        calls = read.map_err(|error| format!("`tool_calls` is no JSON: {error}"))?;
    }
    for (i, call) in calls.as_array_mut().into_iter().flatten().enumerate() {
        // Some write name and arguments without an object around them.
        let is_wrapped = call.get("function").is_some();
        let function = if is_wrapped { &mut call["function"] } else { call };
        let Some(arguments) = function.get_mut("arguments") else { continue };
        if !arguments.is_object() {
            let text = arguments.as_str().map_or_else(|| arguments.to_string(), str::to_owned);
            let object = serde_json::from_str::<Map<String, Value>>(&text).map_err(|error| {
                format!("`tool_calls`, call {i}: `arguments` is no JSON object: {error}")
            })?;
            *arguments = Value::Object(object);
        }
    }
    Ok(calls)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(calls: Value, expected: Result<Value, &str>) {
        match (read_calls(calls), expected) {
            (Err(found), Err(expected)) => assert!(found.contains(expected), "{found}"),
            (found, expected) => assert_eq!(found, expected.map_err(str::to_owned)),
        }
    }

    fn call(arguments: Value) -> Value {
        json!([{ "id": "a", "type": "function", "function": { "name": "f", "arguments": arguments } }])
    }

    #[test]
    fn arguments_are_objects() {
        let object = json!({ "b": 1.5, "a": [true, null] });
        let expected = call(object.clone());
        check(call(object.clone()), Ok(expected.clone()));
        check(call(object.to_string().into()), Ok(expected.clone()));
        check(call(format!(" {object}\n").into()), Ok(expected.clone()));
        check(call(object.to_string().into()).to_string().into(), Ok(expected));
        check(call("{}".into()), Ok(call(json!({}))));
        let flat = |arguments: Value| json!([{ "name": "f", "arguments": arguments }]);
        check(flat(object.to_string().into()), Ok(flat(object)));
    }

    #[test]
    fn what_has_no_arguments_stays_as_it_is() {
        for calls in [
            json!(null),
            json!(3),
            json!([]),
            json!(["f"]),
            json!([{ "id": "x" }]),
            json!([{ "function": null }]),
        ] {
            check(calls.clone(), Ok(calls));
        }
    }

    #[test]
    fn arguments_that_are_no_object_are_refused() {
        let refused = "call 0: `arguments` is no JSON object: ";
        for arguments in
            [json!("{\"a\": "), json!(""), json!("[1]"), json!("\"{}\""), json!([1]), json!(null)]
        {
            check(call(arguments), Err(refused));
        }
        check("[{".into(), Err("`tool_calls` is no JSON: EOF"));
    }
}
