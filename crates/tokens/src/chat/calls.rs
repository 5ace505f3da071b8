//! Which calls of tools a turn makes, and which of them have a result.

use serde_json::Value;

use super::mask::Turns;
use super::message::{Conversation, Message, is_assistant, kind};
use crate::error::ConversationFault;

/// What is wrong with a message, by kind and in words.
pub(super) type Refusal = (ConversationFault, String);

/// The calls of the assistant's last turn.
///
/// Results are told apart by the ids of calls, in any order. Where calls have no ids, nobody can say which of
/// them a result answers, nor whether one is missing, and nothing is refused.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// The ids of calls without a result, in the order of the calls.
    open: Vec<String>,
    answered: Vec<String>,
    /// Whether there may be calls without ids.
    has_unnamed: bool,
}

impl Calls {
    /// Those of an assistant's turn. Where `are_listed` says that calls of this conversation stand in lists,
    /// what its texts say is no call.
    pub(super) fn of(message: &Message, are_listed: bool) -> Result<Self, Refusal> {
        let calls = listed(message)?;
        let ids: Vec<Option<String>> = calls.iter().map(|call| id(call.get("id"))).collect();
        let is_in_text = !are_listed && may_call_in_text(message);
        let has_unnamed = ids.contains(&None) || message.contains_key("function_call");
        Ok(Self {
            open: ids.into_iter().flatten().collect(),
            answered: Vec::new(),
            has_unnamed: has_unnamed || is_in_text,
        })
    }

    /// Takes the result of a call.
    pub(super) fn answer(&mut self, message: &Message) -> Result<(), Refusal> {
        let refused = |problem| Err((ConversationFault::Calls, problem));
        let Some(id) = id(message.get("tool_call_id")) else {
            return match self.open.first().or(self.answered.first()) {
                _ if self.has_unnamed => Ok(()),
                Some(call) => refused(format!(
                    "it has no `tool_call_id`, expected that of the call it answers, as `{call}`"
                )),
                None => refused("it answers a call, and the assistant made none".to_owned()),
            };
        };
        if let Some(at) = self.open.iter().position(|open| *open == id) {
            self.answered.push(self.open.remove(at));
            return Ok(());
        }
        match self.answered.contains(&id) {
            true => refused(format!("it answers the call `{id}`, which has an answer already")),
            false => refused(format!("it answers the call `{id}`, which nobody made")),
        }
    }

    /// That nothing waits for a result; `found` is what comes instead of one.
    pub(super) fn check_answered(&self, found: &str) -> Result<(), Refusal> {
        match self.open.first() {
            None => Ok(()),
            Some(id) => Err((
                ConversationFault::Unanswered,
                format!(
                    "{found} before the call `{id}` is answered, expected a tool's message with \
                     its id"
                ),
            )),
        }
    }
}

/// Whether a message has calls beside its text.
pub(super) fn lists_calls(message: &Message) -> bool {
    let calls = message.get("tool_calls").and_then(Value::as_array);
    calls.is_some_and(|calls| !calls.is_empty()) || message.contains_key("function_call")
}

impl Conversation {
    /// The functions that the assistant calls in these of its turns, each with the number of its message. Names of
    /// other characters than ASCII letters, digits, `_`, `-` and `.` are left out: a template may escape them.
    pub fn called(&self, turns: Turns) -> Vec<(usize, &str)> {
        let messages = self.messages().iter().enumerate();
        let mut of_assistant: Vec<_> =
            messages.filter(|(_, message)| is_assistant(message)).collect();
        if turns == Turns::Last {
            of_assistant.drain(..of_assistant.len().saturating_sub(1));
        }
        let names = of_assistant.into_iter().flat_map(|(number, message)| {
            let calls = message.get("tool_calls").and_then(Value::as_array).into_iter().flatten();
            calls.filter_map(function).map(move |name| (number, name))
        });
        names.filter(|(_, name)| !name.is_empty() && name.bytes().all(is_plain)).collect()
    }
}

/// The name of the function that a call is of.
fn function(call: &Value) -> Option<&str> {
    call.get("function").unwrap_or(call).get("name")?.as_str()
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

/// The calls beside a message's text.
fn listed(message: &Message) -> Result<&[Value], Refusal> {
    let refused = |found: &str| {
        let problem = format!("`tool_calls` {found}, expected a list of calls, each an object");
        Err((ConversationFault::Form, problem))
    };
    match message.get("tool_calls").map(|calls| (calls, calls.as_array())) {
        None => Ok(&[]),
        Some((_, Some(calls))) => match calls.iter().find(|call| !call.is_object()) {
            None => Ok(calls),
            Some(other) => refused(&format!("has {} in it", kind(other))),
        },
        Some((other, None)) => refused(&format!("is {}", kind(other))),
    }
}

/// An id that tells calls apart, of those who number their calls as well. One that is empty does not.
fn id(value: Option<&Value>) -> Option<String> {
    let id = value.filter(|id| !id.is_null())?;
    let id = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
    (!id.is_empty()).then_some(id)
}

/// Whether what is said may be a call, as ShareGPT's rows and some templates have them. They are written in
/// many ways (`<tool_call>{…}`, `[f(x)]`, `{"name": …}`), and all have brackets of some kind; what has none is
/// no call.
fn may_call_in_text(message: &Message) -> bool {
    let may_call = |text: &str| text.contains(['{', '[', '<', '(']);
    match message.get("content") {
        Some(Value::String(text)) => may_call(text),
        Some(Value::Array(parts)) => {
            parts.iter().filter_map(|part| part.get("text")?.as_str()).any(may_call)
        }
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Turns behind a question, each by its assistant, its tools or its user.
    #[track_caller]
    fn check(turns: Value, expected: &str) {
        let asked = json!([{ "role": "user", "content": "x" }]);
        let messages = [asked, turns].into_iter().flat_map(|part| part.as_array().unwrap().clone());
        let found = Conversation::from_json(messages.collect()).unwrap().check_turns();
        let found = found.map_or_else(|error| error.to_string(), |()| "right".to_owned());
        assert!(found.contains(expected), "{found}");
    }

    /// An assistant that makes calls with these ids.
    fn calling(ids: Value) -> Value {
        let call = |id: &Value| json!({ "id": id, "function": { "name": "f" } });
        let calls: Value = ids.as_array().unwrap().iter().map(call).collect();
        json!({ "role": "assistant", "tool_calls": calls })
    }

    fn result(id: Value) -> Value {
        json!({ "role": "tool", "tool_call_id": id, "content": "y" })
    }

    fn said(role: &str, content: &str) -> Value {
        json!({ "role": role, "content": content })
    }

    #[test]
    fn results_answer_calls() {
        let end = said("assistant", "z");
        check(json!([calling(json!(["a"])), result(json!("a")), end]), "right");
        let both = calling(json!(["a", "b"]));
        check(json!([both, result(json!("b")), result(json!("a")), end]), "right");
        check(json!([calling(json!([7])), result(json!("7")), end]), "right");
        // Ids are those of one turn, and may come again in another.
        let once = [calling(json!(["a"])), result(json!("a"))];
        check(json!([once[0], once[1], once[0], once[1], end]), "right");
        check(
            json!([once[0], result(json!("b")), end]),
            "message 2: it answers the call `b`, which nobody made",
        );
        check(
            json!([once[0], once[1], once[1], end]),
            "message 3: it answers the call `a`, which has an answer already",
        );
        check(
            json!([once[0], result(Value::Null), end]),
            "message 2: it has no `tool_call_id`, expected that of the call it answers, as `a`",
        );
        check(
            json!([once[0], once[1], once[0], said("tool", "y"), end]),
            "message 4: it has no `tool_call_id`",
        );
    }

    #[test]
    fn calls_are_answered_before_somebody_else_speaks() {
        let (ask, end) = (said("user", "x"), said("assistant", "z"));
        let both = calling(json!(["a", "b"]));
        check(
            json!([calling(json!(["a"])), ask, end]),
            "message 2: found `user` before the call `a` is answered",
        );
        check(
            json!([both, result(json!("a")), end]),
            "message 3: found `assistant` before the call `b` is answered",
        );
        // What is learned may be a call.
        check(json!([calling(json!(["a"]))]), "right");
        check(json!([both, result(json!("a"))]), "right");
    }

    #[test]
    fn prompts_have_the_results_of_all_calls() {
        let prompt = |results: &[&str]| {
            let asked = [said("user", "x"), calling(json!(["a", "b"]))].into_iter();
            let results = results.iter().map(|id| result(json!(id)));
            Conversation::from_json(asked.chain(results).collect()).unwrap().check_prompt()
        };
        prompt(&["a", "b"]).unwrap();
        let refused = prompt(&["b"]).unwrap_err().to_string();
        assert!(refused.contains("it ends before the call `a` is answered"), "{refused}");
    }

    #[test]
    fn calls_without_ids_have_any_results() {
        let end = said("assistant", "z");
        let (unnamed, some) = (calling(json!([null])), calling(json!(["a", ""])));
        check(json!([unnamed, said("tool", "y"), said("tool", "y"), end]), "right");
        check(json!([unnamed, said("user", "x"), end]), "right");
        check(json!([unnamed, result(json!("")), end]), "right");
        check(json!([some, result(json!("a")), said("tool", "y"), end]), "right");
        check(json!([unnamed, result(json!("a")), end]), "it answers the call `a`, which nobody");
        let older = json!({ "role": "assistant", "function_call": { "name": "f" } });
        check(json!([older, said("function", "y"), end]), "right");
    }

    #[test]
    fn calls_may_stand_in_texts_where_none_are_listed() {
        let end = said("assistant", "z");
        let none = "message 2: it answers a call, and the assistant made none";
        for (text, expected) in [
            ("<tool_call>{\"name\": \"f\"}</tool_call>", "right"),
            ("[f(1)]", "right"),
            ("I do not know.", none),
            ("", none),
        ] {
            check(json!([said("assistant", text), said("tool", "y"), end]), expected);
        }
        let parts = json!({ "role": "assistant", "content": [{ "type": "text", "text": "f(1)" }] });
        check(json!([parts, said("tool", "y"), end]), "right");
        let listed = [calling(json!(["a"])), result(json!("a")), said("assistant", "z")];
        let rest = [said("user", "x"), said("assistant", "f(1)"), said("tool", "y")];
        check(
            Value::from([&listed[..], &rest[..]].concat()),
            "message 6: it answers a call, and the assistant made none",
        );
    }

    #[test]
    fn calls_are_lists_of_objects() {
        let with =
            |calls: Value| json!([{ "role": "assistant", "content": "z", "tool_calls": calls }]);
        check(with(json!([])), "right");
        check(with(Value::Null), "right");
        check(with(json!("not json")), "message 1: `tool_calls` is a string, expected a list");
        check(with(json!({ "id": "a" })), "message 1: `tool_calls` is an object");
        check(with(json!(["f"])), "message 1: `tool_calls` has a string in it");
    }
}
