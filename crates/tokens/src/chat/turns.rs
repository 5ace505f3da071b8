//! Whether a conversation is one that can be learned from.

use std::collections::BTreeSet;

use serde_json::Value;

use super::message::{Conversation, Message, is_assistant};
use crate::error::{ConversationFault, Error};

impl Conversation {
    /// Refuses what no model should learn to answer: a system message that is not the first, turns that do
    /// not alternate, results of calls that nobody made, and a conversation in which the assistant says
    /// nothing.
    ///
    /// # Errors
    /// [`Error::Conversation`] for the first message that is out of turn.
    pub fn check_turns(&self) -> Result<(), Error> {
        self.check_order()?;
        match self.messages().iter().any(is_assistant) {
            true => Ok(()),
            false => Err(Error::Conversation {
                fault: ConversationFault::NoAnswer,
                problem: "the assistant says nothing, expected a turn to learn from".to_owned(),
            }),
        }
    }

    /// Refuses what the assistant cannot answer: turns that do not alternate, and a last one that is its own.
    ///
    /// # Errors
    /// [`Error::Conversation`] for the first message that is out of turn.
    pub fn check_prompt(&self) -> Result<(), Error> {
        match self.check_order()? {
            Speaker::User | Speaker::Tool => Ok(()),
            last @ (Speaker::Nobody | Speaker::System | Speaker::Assistant) => {
                let problem = format!("it ends with `{}`, expected a turn to answer", last.name());
                Err(Error::Conversation { fault: ConversationFault::Order, problem })
            }
        }
    }

    /// That turns alternate and answer each other; gives the last speaker.
    fn check_order(&self) -> Result<Speaker, Error> {
        let mut before = Speaker::Nobody;
        let mut calls = BTreeSet::new();
        for (i, message) in self.messages().iter().enumerate() {
            let refused = |fault, problem: String| Error::Conversation {
                fault,
                problem: format!("message {i}: {problem}"),
            };
            let disordered = |problem| refused(ConversationFault::Order, problem);
            let speaker = Speaker::of(message).map_err(disordered)?;
            if !speaker.may_follow(before) {
                return Err(disordered(format!(
                    "found `{}` after {}, expected turns that alternate",
                    speaker.name(),
                    before.name()
                )));
            }
            if speaker == Speaker::Assistant {
                calls = ids_of_calls(message);
            }
            let answered = message.get("tool_call_id").and_then(Value::as_str);
            if let (Speaker::Tool, Some(id)) = (speaker, answered)
                && !calls.contains(id)
            {
                let problem = format!("it answers the call `{id}`, which nobody made");
                return Err(refused(ConversationFault::Calls, problem));
            }
            before = speaker;
        }
        Ok(before)
    }
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speaker {
    Nobody,
    System,
    User,
    Assistant,
    Tool,
}

impl Speaker {
    fn of(message: &Message) -> Result<Self, String> {
        match message.get("role").and_then(Value::as_str).unwrap_or_default() {
            "system" | "developer" => Ok(Self::System),
            "user" => Ok(Self::User),
            "assistant" => Ok(Self::Assistant),
            "tool" | "function" | "ipython" => Ok(Self::Tool),
            other => {
                Err(format!("found the role `{other}`, expected system, user, assistant or tool"))
            }
        }
    }

    fn may_follow(self, before: Self) -> bool {
        match self {
            Self::Nobody => false,
            Self::System => before == Self::Nobody,
            Self::User => before != Self::User,
            Self::Assistant => matches!(before, Self::User | Self::Tool),
            Self::Tool => matches!(before, Self::Assistant | Self::Tool),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Nobody => "nothing",
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }
}

/// The ids of the calls in a message.
fn ids_of_calls(message: &Message) -> BTreeSet<String> {
    let calls = message.get("tool_calls").and_then(Value::as_array);
    let ids = calls.into_iter().flatten().filter_map(|call| call.get("id")?.as_str());
    ids.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(messages: Value, expected: &str) {
        let found = Conversation::from_json(messages).unwrap().check_turns();
        let found = found.map_or_else(|error| error.to_string(), |()| "right".to_owned());
        assert!(found.contains(expected), "{found}");
    }

    fn said(roles: &[&str]) -> Value {
        roles.iter().map(|role| json!({ "role": role, "content": "x" })).collect()
    }

    #[test]
    fn turns_alternate() {
        check(said(&["user", "assistant"]), "right");
        check(said(&["system", "user", "assistant", "user", "assistant"]), "right");
        check(said(&["user", "assistant", "tool", "tool", "assistant"]), "right");
        check(said(&["user", "user", "assistant"]), "message 1: found `user` after user");
        check(said(&["assistant"]), "message 0: found `assistant` after nothing");
        check(said(&["user", "system", "assistant"]), "message 1: found `system` after user");
        check(said(&["user", "tool"]), "message 1: found `tool` after user");
        check(said(&["human", "assistant"]), "message 0: found the role `human`");
        check(said(&["user"]), "the assistant says nothing");
    }

    #[test]
    fn results_answer_calls() {
        let with = |id: &str| {
            json!([
                { "role": "user", "content": "x" },
                { "role": "assistant", "tool_calls": [{ "id": "a", "function": { "name": "f" } }] },
                { "role": "tool", "tool_call_id": id, "content": "y" },
                { "role": "assistant", "content": "z" },
            ])
        };
        check(with("a"), "right");
        check(with("b"), "message 2: it answers the call `b`, which nobody made");
    }
}
