//! Amazon Nova's fine-tuning format, the messages of Bedrock's Converse: a turn is a list of parts, each of
//! one kind. What is no text is refused, since a row that lacks a picture says something else.

use serde_json::{Value, json};

use super::{Object, list, parts_of_text, shortened};

const VERSION: &str = "bedrock-conversation-2024";

/// Messages and tools with the keys of OpenAI's format.
pub(crate) fn read(object: &Object) -> Result<(Vec<Value>, Option<Value>), String> {
    if object["schemaVersion"] != VERSION {
        let found = shortened(&object["schemaVersion"]);
        return Err(format!("`schemaVersion` is {found}, expected `{VERSION}`"));
    }
    let mut messages = Vec::new();
    if let Some(system) = object.get("system").filter(|system| !system.is_null()) {
        let text = parts_of_text(list(system, "system")?)?;
        messages.push(json!({ "role": "system", "content": text }));
    }
    let turns = object.get("messages").ok_or("no `messages`")?;
    for (i, turn) in list(turns, "messages")?.iter().enumerate() {
        messages.extend(read_turn(turn).map_err(|problem| format!("message {i}: {problem}"))?);
    }
    Ok((messages, tools(object)?))
}

/// The messages of one turn: results of tools have each their own.
fn read_turn(turn: &Value) -> Result<Vec<Value>, String> {
    let content = turn.get("content").ok_or("no `content`")?;
    let content = list(content, "content")?;
    if content.is_empty() {
        return Err("`content` is empty, expected a part".to_owned());
    }
    let mut parts = Parts::default();
    for part in content {
        parts.push(part)?;
    }
    Ok(parts.into_messages(&turn["role"]))
}

/// What a turn says, by kind.
#[derive(Default)]
struct Parts {
    said: Vec<String>,
    thought: Vec<String>,
    calls: Vec<Value>,
    results: Vec<Value>,
}

impl Parts {
    fn push(&mut self, part: &Value) -> Result<(), String> {
        match member(part) {
            Some(("text", text)) => self.said.push(string(text, "text")?),
            Some(("reasoningContent", reasoning)) => self.thought.push(read_reasoning(reasoning)?),
            Some(("toolUse", call)) => self.calls.push(json!({
                "id": call["toolUseId"], "type": "function",
                "function": { "name": call["name"], "arguments": call["input"] },
            })),
            Some(("toolResult", result)) => self.results.push(read_result(result)?),
            _ => {
                return Err(format!(
                    "a part is {}, expected one of `text`, `reasoningContent`, `toolUse` and \
                     `toolResult`",
                    shortened(part)
                ));
            }
        }
        Ok(())
    }

    /// Results come first wherever the turn has them, since they answer the calls right before it.
    fn into_messages(self, role: &Value) -> Vec<Value> {
        let Self { said, thought, calls, results: mut messages } = self;
        if said.is_empty() && thought.is_empty() && calls.is_empty() {
            return messages;
        }
        let joined = |parts: &[String]| (!parts.is_empty()).then(|| parts.join("\n"));
        messages.push(json!({
            "role": role, "content": joined(&said), "reasoning_content": joined(&thought),
            "tool_calls": (!calls.is_empty()).then_some(calls),
        }));
        messages
    }
}

/// The one member of a part, and its name. Serializers write null for those that it does not have.
fn member(part: &Value) -> Option<(&str, &Value)> {
    let mut members = part.as_object()?.iter().filter(|(_, value)| !value.is_null());
    let (name, value) = members.next()?;
    members.next().is_none().then_some((name.as_str(), value))
}

fn string(value: &Value, name: &str) -> Result<String, String> {
    let text = value.as_str().map(str::to_owned);
    text.ok_or_else(|| format!("`{name}` is {}, expected a string", shortened(value)))
}

fn read_reasoning(reasoning: &Value) -> Result<String, String> {
    match member(reasoning) {
        Some(("reasoningText", text)) => string(&text["text"], "reasoningText.text"),
        _ => {
            let found = shortened(reasoning);
            Err(format!("`reasoningContent` is {found}, expected `reasoningText`"))
        }
    }
}

fn read_result(result: &Value) -> Result<Value, String> {
    let parts = list(&result["content"], "toolResult.content")?;
    let texts = parts.iter().map(text_of_result).collect::<Result<Vec<_>, _>>()?;
    Ok(json!({
        "role": "tool", "tool_call_id": result["toolUseId"], "content": texts.join("\n"),
    }))
}

fn text_of_result(part: &Value) -> Result<String, String> {
    match member(part) {
        Some(("text", text)) => string(text, "toolResult.content.text"),
        Some(("json", value)) => Ok(value.to_string()),
        // A tool may well answer null.
        None if *part == json!({ "json": null }) => Ok("null".to_owned()),
        _ => {
            let found = shortened(part);
            Err(format!("a part of `toolResult` is {found}, expected `text` or `json`"))
        }
    }
}

fn tools(object: &Object) -> Result<Option<Value>, String> {
    let tools = object.get("toolConfig").map(|config| &config["tools"]);
    let Some(tools) = tools.filter(|tools| !tools.is_null()) else { return Ok(None) };
    let tools = list(tools, "toolConfig.tools")?.iter().enumerate().map(|(i, tool)| {
        let Some(("toolSpec", spec)) = member(tool) else {
            return Err(format!("tool {i} is {}, expected `toolSpec`", shortened(tool)));
        };
        Ok(json!({ "type": "function", "function": {
            "name": spec["name"], "description": spec["description"],
            "parameters": spec["inputSchema"]["json"],
        } }))
    });
    tools.collect::<Result<Value, _>>().map(Some)
}
