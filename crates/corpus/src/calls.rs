//! Calls of tools as chat templates read them: in a list `tool_calls`, their arguments objects.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

/// A list of messages with their calls of tools as chat templates read them. Every row of a corpus is read so.
///
/// OpenAI writes the arguments of a call as a text, Converse as an object, and templates print the two
/// differently. One call is to be one text:
///
/// * arguments that are the JSON of an object in a text become the object;
/// * `tool_calls` that are the JSON of a list in a text become the list;
/// * `function_call`, OpenAI's key until 2023, becomes the one call of `tool_calls`, unless there are others, and
///   the role `function` becomes `tool`.
///
/// What is no list of messages or of calls stays as it is: [`Conversation`](temper_tokens::Conversation) and its
/// checks refuse it.
///
/// # Errors
/// In words, with the message's number: a call without a function's name, a text that is no JSON, arguments and a `function_call` that are no JSON
/// object, and a text with a whole number that 64 bits do not hold, which a float would round.
pub fn normalise_messages(mut messages: Value) -> Result<Value, String> {
    for (i, message) in messages.as_array_mut().into_iter().flatten().enumerate() {
        if let Some(message) = message.as_object_mut() {
            normalise_message(message).map_err(|problem| format!("message {i}: {problem}"))?;
        }
    }
    Ok(messages)
}

/// As [`normalise_messages`], of one.
pub(crate) fn normalise_message(message: &mut Map<String, Value>) -> Result<(), String> {
    let older = message.shift_remove("function_call").filter(|call| !call.is_null());
    if let Some(calls) = message.get_mut("tool_calls") {
        *calls = read_calls(calls.take())?;
    }
    let calls = message.get("tool_calls");
    let has_calls = calls.is_some_and(|calls| !calls.is_null() && *calls != json!([]));
    if let Some(call) = older.filter(|_| !has_calls) {
        let call = read_object(call).map_err(|problem| format!("`function_call` {problem}"))?;
        let calls = read_calls(json!([{ "type": "function", "function": call }]))?;
        message.insert("tool_calls".to_owned(), calls);
    }
    if message.get("role").is_some_and(|role| role == "function") {
        message.insert("role".to_owned(), "tool".into());
    }
    Ok(())
}

/// A list of calls, or the JSON of one in a text.
fn read_calls(mut calls: Value) -> Result<Value, String> {
    if let Value::String(text) = &calls {
        let read = read_text::<Value>(text, "JSON");
        calls = read.map_err(|problem| format!("`tool_calls` {problem}"))?;
    }
    for (i, call) in calls.as_array_mut().into_iter().flatten().enumerate() {
        // Some write name and arguments without an object around them.
        let (is_object, is_wrapped) = (call.is_object(), call.get("function").is_some());
        let function = if is_wrapped { &mut call["function"] } else { call };
        let name = function.get("name").and_then(Value::as_str);
        if is_object && name.is_none_or(str::is_empty) {
            return Err(format!(
                "`tool_calls`, call {i}: it has no `name`, expected that of a function"
            ));
        }
        let Some(arguments) = function.get_mut("arguments") else { continue };
        *arguments = read_object(arguments.take())
            .map_err(|problem| format!("`tool_calls`, call {i}: `arguments` {problem}"))?;
    }
    Ok(calls)
}

/// An object, or the JSON of one in a text.
fn read_object(value: Value) -> Result<Value, String> {
    if value.is_object() {
        return Ok(value);
    }
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    read_text::<Map<String, Value>>(&text, "JSON object").map(Value::Object)
}

/// JSON in a text, of the kind that `expected` names.
///
/// # Errors
/// What the text is or has, to be said of it.
pub(crate) fn read_text<T: DeserializeOwned>(text: &str, expected: &str) -> Result<T, String> {
    let read = serde_json::from_str::<T>(text);
    let value = read.map_err(|error| format!("is no {expected}: {error}"))?;
    if has_wide_integer(text) {
        return Err(WIDE_INTEGER.to_owned());
    }
    Ok(value)
}

/// What is said of such a number.
pub(crate) const WIDE_INTEGER: &str = "has a whole number beyond 64 bits, write it as a text";

/// Whether JSON has a whole number that 64 bits do not hold: the parser makes a rounded float of it.
pub(crate) fn has_wide_integer(json: &str) -> bool {
    // Without escapes, every second piece between quotes stands outside of texts.
    let plain = json.replace("\\\\", "").replace("\\\"", "");
    let mut words = plain.split('"').step_by(2).flat_map(|outside| {
        outside.split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '+' | '-' | '.'))
    });
    words.any(|word| {
        let is_whole = word.bytes().all(|byte| matches!(byte, b'-' | b'0'..=b'9'));
        is_whole && !word.is_empty() && word.parse::<i64>().is_err() && word.parse::<u64>().is_err()
    })
}

/// Whether there is a float in a value that such a number may have become.
pub(crate) fn is_rounded(value: &Value) -> bool {
    match value {
        Value::Number(number) => {
            number.is_f64() && number.as_f64().is_some_and(|number| number.abs() >= 2_f64.powi(63))
        }
        Value::Array(items) => items.iter().any(is_rounded),
        Value::Object(fields) => fields.values().any(is_rounded),
        Value::Null | Value::Bool(_) | Value::String(_) => false,
    }
}

#[cfg(test)]
mod tests {
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
        for calls in [json!(null), json!(3), json!([]), json!(["f"]), json!([{ "name": "f" }])] {
            check(calls.clone(), Ok(calls));
        }
    }

    #[test]
    fn calls_without_a_name_are_refused() {
        for call in [
            json!({ "id": "x" }),
            json!({ "function": null }),
            json!({ "function": { "name": "" } }),
            json!({ "name": 3, "arguments": {} }),
        ] {
            check(json!([call]), Err("call 0: it has no `name`, expected that of a function"));
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

    #[test]
    fn whole_numbers_beyond_64_bits_are_refused_in_texts() {
        let refused = "call 0: `arguments` has a whole number beyond 64 bits, write it as a text";
        let with = |value: &str| format!("{{\"a\": {value}}}");
        for wide in [
            "100000000000000000000",
            "18446744073709551616",
            "-9223372036854775809",
            r#"["b",{"c":100000000000000000000}]"#,
            r#"["\\",100000000000000000000,"\\"]"#,
        ] {
            check(call(with(wide).into()), Err(refused));
        }
        for held in [
            "18446744073709551615",
            "-9223372036854775808",
            "1e300",
            "-1.5E+30",
            "100000000000000000000.0",
            r#""100000000000000000000""#,
            r#""\\\" 100000000000000000000""#,
            r#"{"100000000000000000000":1}"#,
        ] {
            let object: Value = serde_json::from_str(&with(held)).unwrap();
            check(call(with(held).into()), Ok(call(object)));
        }
        let calls = r#"[{"name": "f", "arguments": {"a": 100000000000000000000}}]"#;
        check(calls.into(), Err("`tool_calls` has a whole number beyond 64 bits"));
    }

    #[track_caller]
    fn check_message(message: Value, expected: Result<Value, &str>) {
        let found = normalise_messages(json!([message]));
        let expected = expected.map(|message| json!([message]));
        assert_eq!(found, expected.map_err(str::to_owned));
    }

    #[test]
    fn older_keys_become_those_of_today() {
        let older = |value: Value| json!({ "role": "assistant", "function_call": value });
        let today = |calls: Value| json!({ "role": "assistant", "tool_calls": calls });
        let said = json!({ "name": "f", "arguments": "{\"x\": 1}" });
        let read = json!({ "name": "f", "arguments": { "x": 1 } });
        let expected = today(json!([{ "type": "function", "function": read }]));
        check_message(older(said.clone()), Ok(expected.clone()));
        check_message(older(said.to_string().into()), Ok(expected.clone()));
        for none in [json!(null), json!([]), json!("[]")] {
            let mut message = older(said.clone());
            message["tool_calls"] = none;
            check_message(message, Ok(expected.clone()));
        }
        let mut both = older(said);
        both["tool_calls"] = call(json!({}));
        check_message(both, Ok(today(call(json!({})))));
        check_message(older(json!(null)), Ok(json!({ "role": "assistant" })));
        let result = |role: &str| json!({ "role": role, "name": "f", "content": "2" });
        check_message(result("function"), Ok(result("tool")));
        check_message(
            older(json!("a = 1")),
            Err("message 0: `function_call` is no JSON object: expected value at line 1 column 1"),
        );
    }

    #[test]
    fn what_is_no_list_of_messages_stays_as_it_is() {
        for messages in [json!(null), json!("a"), json!({ "role": "function" }), json!([1, null])] {
            assert_eq!(normalise_messages(messages.clone()), Ok(messages));
        }
    }
}
