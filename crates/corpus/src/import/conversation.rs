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
mod share_gpt;
mod tools;

pub(super) use tools::tools;

use serde_json::{Map, Value, json};
use temper_tokens::Conversation;

use crate::calls::normalise_message;

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
        check_weights(messages)?;
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

/// Refuses answers that OpenAI's format keeps out of the loss one by one, which no column here says.
fn check_weights(messages: &[Value]) -> Result<(), String> {
    let weight =
        |message: &Value| message.get("weight").filter(|weight| !weight.is_null()).cloned();
    let weights =
        messages.iter().enumerate().filter_map(|(i, message)| Some((i, weight(message)?)));
    match weights.into_iter().find(|(_, weight)| weight.as_f64() != Some(1.0)) {
        Some((i, weight)) => Err(format!(
            "message {i}: `weight` is {}, expected 1 or none: answers are learned from all, or the last alone by \
             `sft.turns = \"last\"`",
            shortened(&weight)
        )),
        None => Ok(()),
    }
}

/// The messages of an object of any of the formats, with the keys of OpenAI's, and the tools beside them.
pub(crate) fn said(object: &Object) -> Result<(Vec<Value>, Option<Value>), String> {
    if object.contains_key("schemaVersion") {
        return converse::read(object);
    }
    let messages = if let Some(turns) = object.get("conversations") {
        share_gpt::read(object, turns)?
    } else if let Some(messages) = object.get("messages") {
        [&system(object)?[..], list(messages, "messages")?].concat()
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
    let tools = tools(object, &messages)?;
    Ok((messages, tools))
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
        let is_said = |key: &&str| message.get(*key).is_some_and(|value| !value.is_null());
        let reasoning = reasoning.into_iter().find(is_said);
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

/// What is said in parts, one below the other. Pictures and sounds are not trained on.
fn parts_of_text(parts: &[Value]) -> Result<String, String> {
    let text = |part: &Value| match part.get("text").and_then(Value::as_str) {
        Some(text) => Ok(text.to_owned()),
        None => Err(format!("a part is no text but {}", shortened(part))),
    };
    Ok(parts.iter().map(text).collect::<Result<Vec<_>, _>>()?.join("\n"))
}

/// The system's message that some rows have beside their turns.
pub(super) fn system(object: &Object) -> Result<Vec<Value>, String> {
    let text = text_of(object, "system")?;
    Ok(match text.is_empty() {
        true => Vec::new(),
        false => vec![json!({ "role": "system", "content": text })],
    })
}

/// The text under a key; empty where there is none.
fn text_of<'a>(object: &'a Object, key: &str) -> Result<&'a str, String> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(""),
        Some(Value::String(text)) => Ok(text),
        Some(other) => Err(format!("`{key}` is {}, expected a text", shortened(other))),
    }
}

/// What stands before the answer in Alpaca's format: earlier turns, if there are any, and the question.
pub(crate) fn asked(object: &Object) -> Result<Vec<Value>, String> {
    let said = |role: &str, content: &str| json!({ "role": role, "content": content });
    let mut messages = system(object)?;
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
    messages.push(match (text_of(object, "instruction")?, text_of(object, "input")?) {
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
    Ok([system(object)?, side(&object["prompt"], "user"), side(&object[answer], "assistant")]
        .concat())
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
