//! ShareGPT's turns of `from` and `value`.

use serde_json::{Value, json};

use super::{Object, list, shortened, system};
use crate::calls::read_text;

/// The messages of a row whose turns stand under `conversations`.
pub(super) fn read(object: &Object, turns: &Value) -> Result<Vec<Value>, String> {
    let mut messages = system(object)?;
    for (i, turn) in list(turns, "conversations")?.iter().enumerate() {
        let role = match turn.get("from").and_then(Value::as_str) {
            Some("human" | "user") => "user",
            Some("gpt" | "assistant" | "chatgpt" | "bing" | "bard") => "assistant",
            Some("function_call") => {
                let calls = calls_of_turn(turn.get("value"));
                let calls = calls.map_err(|problem| format!("message {i}: {problem}"))?;
                messages.push(json!({ "role": "assistant", "tool_calls": calls }));
                continue;
            }
            Some("system") => "system",
            Some("tool" | "observation") => "tool",
            other => {
                return Err(format!(
                    "message {i}: found `from` {}, expected human, gpt, system, \
                     function_call, observation or tool",
                    other.map_or("missing".to_owned(), |from| format!("`{from}`"))
                ));
            }
        };
        messages.push(json!({ "role": role, "content": turn.get("value") }));
    }
    Ok(messages)
}

/// The calls of a turn of `function_call`: one, or a list of them, or the JSON of either in a text.
fn calls_of_turn(value: Option<&Value>) -> Result<Vec<Value>, String> {
    let calls: Value = match value {
        None | Some(Value::Null) => return Err("it has no `value`, expected a call".to_owned()),
        Some(Value::String(text)) => {
            read_text(text, "JSON").map_err(|problem| format!("its call {problem}"))?
        }
        Some(calls) => calls.clone(),
    };
    let calls = match calls {
        Value::Array(calls) => calls,
        call => vec![call],
    };
    if calls.is_empty() {
        return Err("it has no call, expected one or more".to_owned());
    }
    let calls = calls.into_iter().map(|call| match call["name"].is_string() {
        true => Ok(json!({ "type": "function", "function": call })),
        false => Err(format!("its call is {}, expected `name` and `arguments`", shortened(&call))),
    });
    calls.collect()
}
