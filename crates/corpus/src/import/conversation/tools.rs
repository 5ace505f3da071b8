//! The tools that a conversation may call.

use serde_json::{Value, json};

use super::{Object, list};

/// The tools of a row, or of a message in it: a conversation has one list of them.
pub(in crate::import) fn tools(
    object: &Object,
    messages: &[Value],
) -> Result<Option<Value>, String> {
    let within = messages.iter().enumerate().filter_map(|(i, message)| {
        let tools = declared(message.as_object()?, "tools");
        Some((i, tools.transpose()?))
    });
    let mut tools = tools_beside(object)?;
    for (i, within) in within {
        let within = within.map_err(|problem| format!("message {i}: {problem}"))?;
        if tools.get_or_insert_with(|| within.clone()) != &within {
            return Err(format!(
                "message {i}: its `tools` are not those before it, expected one list"
            ));
        }
    }
    Ok(tools)
}

/// The tools of a row, under `tools`, or as OpenAI had them until 2023, under `functions`.
fn tools_beside(object: &Object) -> Result<Option<Value>, String> {
    if let Some(tools) = declared(object, "tools")? {
        return Ok(Some(tools));
    }
    let Some(functions) = declared(object, "functions")? else { return Ok(None) };
    let functions = list(&functions, "functions")?.iter();
    Ok(Some(
        functions.map(|function| json!({ "type": "function", "function": function })).collect(),
    ))
}

/// What stands under a key, or the JSON of it in a text.
fn declared(object: &Object, key: &str) -> Result<Option<Value>, String> {
    let value: Value = match object.get(key) {
        // LLaMA-Factory writes it where there are none.
        Some(Value::String(text)) if text.trim().is_empty() => Value::Null,
        Some(Value::String(text)) => {
            serde_json::from_str(text).map_err(|error| format!("`{key}` is no JSON: {error}"))?
        }
        other => other.cloned().unwrap_or_default(),
    };
    Ok((!value.is_null()).then_some(value))
}
