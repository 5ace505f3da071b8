//! A conversation as datasets and programs write it: role, content, tool calls.

// Of a JSON value only the expected kinds matter.
#![allow(clippy::wildcard_enum_match_arm)]

use minijinja::Value as TemplateValue;
use serde_json::{Map, Value};

use crate::error::{ConversationFault, Error};

/// One message. Keys that are not known here reach the template unchanged.
pub type Message = Map<String, Value>;

/// The names under which a message's reasoning is passed; templates read the first.
const REASONING: [&str; 3] = ["reasoning_content", "thinking", "reasoning"];

/// What a chat template renders.
#[derive(Clone, Debug, PartialEq)]
pub struct Conversation {
    messages: Vec<Message>,
    tools: Option<Vec<Value>>,
    documents: Option<Vec<Value>>,
}

impl Conversation {
    /// A conversation of at least one message, in the form that transformers gives it before it
    /// renders: keys whose value is null are left out, reasoning is there under the names that
    /// templates read.
    ///
    /// # Errors
    /// [`Error::Conversation`] for the first message without a role, with content that is neither
    /// text nor a list of parts, and for tools or documents that are no objects.
    pub fn new(
        messages: Vec<Value>,
        tools: Option<Vec<Value>>,
        documents: Option<Vec<Value>>,
    ) -> Result<Self, Error> {
        if messages.is_empty() {
            return Err(problem("no messages, expected at least one"));
        }
        let messages = messages.into_iter().enumerate().map(|(i, message)| normal(i, message));
        let messages = messages.collect::<Result<_, _>>()?;
        for (name, items) in [("tool", &tools), ("document", &documents)] {
            let wrong = items.iter().flatten().enumerate().find(|(_, item)| !item.is_object());
            if let Some((i, item)) = wrong {
                return Err(problem(&format!("{name} {i} is {}, expected an object", kind(item))));
            }
        }
        Ok(Self { messages, tools, documents })
    }

    /// Reads an array of messages, or an object with `messages` and perhaps `tools` and
    /// `documents`.
    ///
    /// # Errors
    /// [`Error::Conversation`], also for keys with another name.
    pub fn from_json(json: Value) -> Result<Self, Error> {
        let mut object = match json {
            Value::Array(messages) => return Self::new(messages, None, None),
            Value::Object(object) => object,
            other => {
                return Err(problem(&format!(
                    "found {}, expected an array of messages or an object with `messages`",
                    kind(&other)
                )));
            }
        };
        let mut list = |key: &str| match object.remove(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items)),
            Some(other) => Err(problem(&format!("`{key}` is {}, expected an array", kind(&other)))),
        };
        let (messages, tools, documents) = (list("messages")?, list("tools")?, list("documents")?);
        if let Some(key) = object.keys().next() {
            return Err(problem(&format!(
                "unknown key `{key}`, expected `messages`, `tools` and `documents`"
            )));
        }
        Self::new(messages.unwrap_or_default(), tools, documents)
    }

    /// The same conversation with these tools.
    ///
    /// # Errors
    /// [`Error::Conversation`] when one is no object.
    pub fn with_tools(self, tools: Vec<Value>) -> Result<Self, Error> {
        let messages = self.messages.into_iter().map(Value::Object).collect();
        Self::new(messages, Some(tools), self.documents)
    }

    /// The messages, at least one.
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// The tools the model may call; none is not the same as an empty list.
    pub fn tools(&self) -> Option<&[Value]> {
        self.tools.as_deref()
    }

    /// The documents the model may cite.
    pub fn documents(&self) -> Option<&[Value]> {
        self.documents.as_deref()
    }

    /// What its messages say, one below the other: for looking at what is in it.
    pub fn plain_text(&self) -> String {
        let texts = self.messages.iter().flat_map(|message| match message.get("content") {
            Some(Value::String(text)) => vec![text.as_str()],
            Some(Value::Array(parts)) => {
                parts.iter().filter_map(|part| part.get("text")?.as_str()).collect()
            }
            _ => Vec::new(),
        });
        texts.collect::<Vec<_>>().join("\n")
    }

    /// The conversation's first `n` messages; may be none.
    pub(super) fn first(&self, n: usize) -> Self {
        Self { messages: self.messages[..n].to_vec(), ..self.clone() }
    }

    /// The conversation with its last message's text prolonged, and that text without the addition.
    pub(super) fn prolonged(&self, addition: &str) -> Option<(Self, String)> {
        let mut prolonged = self.clone();
        let content = prolonged.messages.last_mut()?.get_mut("content")?;
        let text = match content {
            Value::Array(parts) => parts.iter_mut().rev().find_map(|part| part.get_mut("text")),
            other => Some(other),
        };
        let text = text?;
        let before = text.as_str()?.to_owned();
        *text = Value::String(format!("{before}{addition}"));
        Some((prolonged, before))
    }
}

/// True for what the model writes.
pub(super) fn is_assistant(message: &Message) -> bool {
    message.get("role").is_some_and(|role| role == "assistant")
}

fn normal(i: usize, message: Value) -> Result<Message, Error> {
    let Value::Object(mut message) = message else {
        return Err(problem(&format!("message {i} is {}, expected an object", kind(&message))));
    };
    message.retain(|_, value| !value.is_null());
    match message.get("role") {
        Some(Value::String(_)) => {}
        Some(other) => {
            return Err(problem(&format!(
                "message {i}: `role` is {}, expected a string",
                kind(other)
            )));
        }
        None => return Err(problem(&format!("message {i} has no `role`"))),
    }
    match message.get("content") {
        None | Some(Value::String(_) | Value::Array(_)) => {}
        Some(other) => {
            return Err(problem(&format!(
                "message {i}: `content` is {}, expected a string or a list of parts",
                kind(other)
            )));
        }
    }
    let reasoning = REASONING.iter().find_map(|key| message.get(*key).cloned());
    if let Some(reasoning) = reasoning {
        let thinking = message.shift_remove("thinking").unwrap_or_else(|| reasoning.clone());
        message.shift_insert(0, "thinking".to_owned(), thinking);
        message.insert("reasoning_content".to_owned(), reasoning);
    }
    Ok(message)
}

fn problem(problem: &str) -> Error {
    Error::Conversation { fault: ConversationFault::Form, problem: problem.to_owned() }
}

/// What a value is, in words.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// JSON as the values that templates work with; keys stay in order.
pub(super) fn template_value(json: &Value) -> TemplateValue {
    match json {
        Value::Null => TemplateValue::from(()),
        Value::Bool(value) => TemplateValue::from(*value),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => TemplateValue::from(number),
            (None, Some(number)) => TemplateValue::from(number),
            (None, None) => TemplateValue::from(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => TemplateValue::from(text.as_str()),
        Value::Array(items) => {
            TemplateValue::from(items.iter().map(template_value).collect::<Vec<_>>())
        }
        Value::Object(object) => template_map(object),
    }
}

/// As [`template_value`].
pub(super) fn template_map(object: &Map<String, Value>) -> TemplateValue {
    TemplateValue::from_pairs(
        object.iter().map(|(key, value)| (key.as_str(), template_value(value))),
    )
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use serde_json::{Value, json};

    use super::Conversation;

    #[track_caller]
    fn check(json: Value, expected: Expect) {
        let shown = match Conversation::from_json(json) {
            Ok(conversation) => {
                let messages = serde_json::to_string(conversation.messages()).unwrap();
                format!("{messages} tools {:?}", conversation.tools().map(<[Value]>::len))
            }
            Err(error) => error.to_string(),
        };
        expected.assert_eq(&shown);
    }

    #[test]
    fn conversations_are_normalised() {
        check(
            json!([{"role": "user", "content": "a", "name": null, "weight": 0}]),
            expect![[r#"[{"role":"user","content":"a","weight":0}] tools None"#]],
        );
        check(
            json!({"messages": [{"role": "assistant", "reasoning": "r"}], "tools": []}),
            expect![[
                r#"[{"thinking":"r","role":"assistant","reasoning":"r","reasoning_content":"r"}] tools Some(0)"#
            ]],
        );
    }

    #[test]
    fn what_is_no_conversation_is_refused() {
        check(
            json!([]),
            expect![[r#"
                conversation: no messages, expected at least one

                hint: a message is {"role": "user", "content": "…"}"#]],
        );
        check(
            json!("hi"),
            expect![[r#"
                conversation: found a string, expected an array of messages or an object with `messages`

                hint: a message is {"role": "user", "content": "…"}"#]],
        );
        for (json, expected) in [
            (json!(["hi"]), "message 0 is a string, expected an object"),
            (json!([{"content": "a"}]), "message 0 has no `role`"),
            (json!([{"role": 1}]), "message 0: `role` is a number, expected a string"),
            (
                json!([{"role": "user", "content": {"a": 1}}]),
                "message 0: `content` is an object, expected a string or a list of parts",
            ),
            (
                json!({"messages": [{"role": "user"}], "tools": [1]}),
                "tool 0 is a number, expected an object",
            ),
            (json!({"messages": 1}), "`messages` is a number, expected an array"),
            (
                json!({"messages": [], "seed": 1}),
                "unknown key `seed`, expected `messages`, `tools` and `documents`",
            ),
        ] {
            let error = Conversation::from_json(json).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
