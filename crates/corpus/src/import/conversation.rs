//! Conversations as other tools write them down, one JSON object each.
//!
//! | format | recognised by |
//! |---|---|
//! | OpenAI chat | `messages` whose content is text or parts of text, `tools`; or as it was until 2023, with `function_call`, `functions` and the role `function` |
//! | Amazon Nova's Converse | `schemaVersion`: `bedrock-conversation-2024` |
//! | ShareGPT | `conversations` of `from` and `value`, calls in turns of `function_call` |
//! | Alpaca | `instruction`, `input`, `output`, earlier turns in `history` |
//! | prompt and completion | `prompt` and `completion` or `response`, texts or messages |

// Of a JSON value only the expected kinds matter.
#![allow(clippy::wildcard_enum_match_arm)]

pub(crate) mod converse;

use serde_json::{Map, Value, json};
use temper_tokens::Conversation;

use crate::calls::{normalise_message, read_text};

type Object = Map<String, Value>;

/// A conversation to be written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Turns {
    pub(crate) messages: Vec<Turn>,
    /// JSON.
    pub(crate) tools: Option<String>,
}

/// One message.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Turn {
    pub(crate) role: String,
    pub(crate) content: Option<String>,
    pub(crate) reasoning_content: Option<String>,
    /// JSON.
    pub(crate) tool_calls: Option<String>,
    pub(crate) tool_call_id: Option<String>,
    pub(crate) name: Option<String>,
}

impl Turns {
    /// Reads an object of any of the formats; its turns must be such that a model can learn from them.
    pub(crate) fn read(object: &Object) -> Result<Self, String> {
        let (messages, tools) = said(object)?;
        Self::new(&messages, tools)
    }

    /// Messages with the keys of OpenAI's format, and perhaps tools; the assistant has its turns.
    pub(crate) fn new(messages: &[Value], tools: Option<Value>) -> Result<Self, String> {
        let turns = Self::of(messages, tools)?;
        conversation(&turns)?.check_turns().map_err(first_line)?;
        Ok(turns)
    }

    /// The same with an assistant that says something in its last turn.
    pub(crate) fn answered(messages: &[Value], tools: Option<Value>) -> Result<Self, String> {
        let turns = Self::of(messages, tools)?;
        conversation(&turns)?.check_last_turn().map_err(first_line)?;
        Ok(turns)
    }

    /// The same with an assistant that may say nothing.
    pub(crate) fn perhaps_unsaid(messages: &[Value], tools: Option<Value>) -> Result<Self, String> {
        let turns = Self::of(messages, tools)?;
        conversation(&turns)?.check_alternation().map_err(first_line)?;
        Ok(turns)
    }

    /// Those of a prompt, which the assistant is to answer.
    pub(crate) fn unanswered(messages: &[Value], tools: Option<Value>) -> Result<Self, String> {
        let turns = Self::of(messages, tools)?;
        conversation(&turns)?.check_prompt().map_err(first_line)?;
        Ok(turns)
    }

    fn of(messages: &[Value], tools: Option<Value>) -> Result<Self, String> {
        let turns = messages.iter().enumerate().map(|(i, message)| {
            Turn::read(message).map_err(|problem| format!("message {i}: {problem}"))
        });
        let turns = turns.collect::<Result<Vec<_>, String>>()?;
        Ok(Self { messages: turns, tools: tools.map(|tools| tools.to_string()) })
    }

    /// Bytes of what is said.
    pub(crate) fn text_bytes(&self) -> usize {
        let of = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        self.messages.iter().map(|turn| of(&turn.content) + of(&turn.reasoning_content)).sum()
    }
}

/// The messages of an object of any of the formats, with the keys of OpenAI's, and the tools beside them.
pub(crate) fn said(object: &Object) -> Result<(Vec<Value>, Option<Value>), String> {
    if object.contains_key("schemaVersion") {
        return converse::read(object);
    }
    let messages = if let Some(turns) = object.get("conversations") {
        share_gpt(object, turns)?
    } else if let Some(messages) = object.get("messages") {
        list(messages, "messages")?.clone()
    } else if object.contains_key("instruction") {
        alpaca(object)?
    } else if object.contains_key("prompt") {
        prompt_and_completion(object)?
    } else {
        let present: Vec<String> = object.keys().map(|key| format!("`{key}`")).collect();
        return Err(format!(
            "no conversation; it has {}, expected `messages`, `conversations`, `instruction` and \
             `output`, or `prompt` and `completion`",
            present.join(", ")
        ));
    };
    Ok((messages, tools(object)?))
}

/// What a model will be shown of it.
pub(crate) fn conversation(turns: &Turns) -> Result<Conversation, String> {
    let tools = turns.tools.as_deref().map(serde_json::from_str::<Value>);
    let whole = json!({
        "messages": turns.messages.iter().map(Turn::to_json).collect::<Vec<_>>(),
        "tools": tools.and_then(Result::ok),
    });
    Conversation::from_json(whole).map_err(first_line)
}

fn first_line(error: temper_tokens::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

impl Turn {
    fn read(message: &Value) -> Result<Self, String> {
        let Value::Object(message) = message else {
            return Err("it is no object".to_owned());
        };
        let mut message = message.clone();
        normalise_message(&mut message)?;
        let text = |key: &str| match message.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Array(parts)) => parts_of_text(parts).map(Some),
            Some(_) => Err(format!("`{key}` is no text")),
        };
        let reasoning = ["reasoning_content", "reasoning", "thinking"];
        let reasoning = reasoning.into_iter().find(|key| message.contains_key(*key));
        let calls = message.get("tool_calls").filter(|calls| !calls.is_null());
        Ok(Self {
            role: text("role")?.ok_or("it has no `role`")?,
            content: text("content")?,
            reasoning_content: reasoning.map(text).transpose()?.flatten(),
            tool_calls: calls.map(Value::to_string),
            tool_call_id: text("tool_call_id")?,
            name: text("name")?,
        })
    }

    fn to_json(&self) -> Value {
        let calls = self.tool_calls.as_deref().map(|calls| {
            serde_json::from_str::<Value>(calls).expect("calls are JSON, written in Turn::read")
        });
        json!({
            "role": self.role,
            "content": self.content,
            "reasoning_content": self.reasoning_content,
            "tool_calls": calls,
            "tool_call_id": self.tool_call_id,
            "name": self.name,
        })
    }
}

/// The tools of a row, under `tools`, or as OpenAI had them until 2023, under `functions`.
pub(super) fn tools(object: &Object) -> Result<Option<Value>, String> {
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

/// What is said in parts, one below the other. Pictures and sounds are not trained on.
fn parts_of_text(parts: &[Value]) -> Result<String, String> {
    let text = |part: &Value| match part.get("text").and_then(Value::as_str) {
        Some(text) => Ok(text.to_owned()),
        None => Err(format!("a part is no text but {}", shortened(part))),
    };
    Ok(parts.iter().map(text).collect::<Result<Vec<_>, _>>()?.join("\n"))
}

fn share_gpt(object: &Object, turns: &Value) -> Result<Vec<Value>, String> {
    let mut messages = system(object);
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

/// The system's message that some rows have beside their turns.
fn system(object: &Object) -> Vec<Value> {
    let text = object.get("system").and_then(Value::as_str).filter(|text| !text.is_empty());
    text.map(|text| json!({ "role": "system", "content": text })).into_iter().collect()
}

/// What stands before the answer in Alpaca's format: earlier turns, if there are any, and the question.
pub(crate) fn asked(object: &Object) -> Result<Vec<Value>, String> {
    let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default();
    let said = |role: &str, content: &str| json!({ "role": role, "content": content });
    let mut messages = system(object);
    let history = object.get("history").filter(|history| !history.is_null());
    let history = history.map(|history| list(history, "history")).transpose()?;
    for (i, turn) in history.into_iter().flatten().enumerate() {
        let Some([Value::String(instruction), Value::String(answer)]) =
            turn.as_array().map(Vec::as_slice)
        else {
            let found = shortened(turn);
            return Err(format!(
                "`history`, turn {i} is {found}, expected an instruction and its answer"
            ));
        };
        messages.extend([said("user", instruction), said("assistant", answer)]);
    }
    messages.push(match (text("instruction"), text("input")) {
        (instruction, "") => said("user", instruction),
        (instruction, input) => said("user", &format!("{instruction}\n\n{input}")),
    });
    Ok(messages)
}

fn alpaca(object: &Object) -> Result<Vec<Value>, String> {
    let answer = ["output", "response"].into_iter().find(|key| object.contains_key(*key));
    let answer = answer.ok_or("an `instruction` without `output`")?;
    let mut messages = asked(object)?;
    messages.push(json!({ "role": "assistant", "content": object[answer] }));
    Ok(messages)
}

fn prompt_and_completion(object: &Object) -> Result<Vec<Value>, String> {
    let answer = ["completion", "response"].into_iter().find(|key| object.contains_key(*key));
    let answer = answer.ok_or("a `prompt` without `completion`")?;
    Ok([side(&object["prompt"], "user"), side(&object[answer], "assistant")].concat())
}

/// Messages as they are, or a text as one of this role.
pub(crate) fn side(value: &Value, role: &str) -> Vec<Value> {
    match value {
        Value::Array(messages) => messages.clone(),
        text => vec![json!({ "role": role, "content": text })],
    }
}

fn list<'a>(value: &'a Value, key: &str) -> Result<&'a Vec<Value>, String> {
    value.as_array().ok_or_else(|| format!("`{key}` is {}, expected a list", shortened(value)))
}

/// The beginning of a value, for a message.
fn shortened(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(40) {
        Some((at, _)) => format!("`{}…`", &text[..at]),
        None => format!("`{text}`"),
    }
}

#[cfg(test)]
mod tests;
