//! Whether a conversation is one that can be learned from.

use serde_json::Value;

use super::calls::{Calls, Refusal, lists_calls};
use super::message::{Conversation, Message, is_assistant};
use crate::error::{ConversationFault, Error};

impl Conversation {
    /// Refuses what no model should learn to answer: a system message that is not the first, turns that do
    /// not alternate, results of calls that nobody made, calls that nobody answered before somebody else
    /// speaks, and a conversation in which the assistant says nothing. It may end with a call.
    ///
    /// # Errors
    /// [`Error::Conversation`] for the first message that is out of turn.
    pub fn check_turns(&self) -> Result<(), Error> {
        self.check_order()?;
        let mut turns = self.messages().iter().filter(|message| is_assistant(message));
        match turns.any(says_something) {
            true => Ok(()),
            false => Err(Error::Conversation {
                fault: ConversationFault::NoAnswer,
                problem: "the assistant says nothing, expected a turn to learn from".to_owned(),
            }),
        }
    }

    /// As [`Conversation::check_turns`], and the last of the assistant's turns says something: the better answer of
    /// a pair.
    ///
    /// # Errors
    /// [`Error::Conversation`] for the first message that is out of turn, and for a last turn without anything in it.
    pub fn check_last_turn(&self) -> Result<(), Error> {
        self.check_turns()?;
        let last = self.messages().iter().rfind(|message| is_assistant(message));
        match last.is_some_and(says_something) {
            true => Ok(()),
            false => Err(Error::Conversation {
                fault: ConversationFault::NoAnswer,
                problem:
                    "the assistant says nothing in its last turn, expected an answer to learn from"
                        .to_owned(),
            }),
        }
    }

    /// As [`Conversation::check_turns`], but the assistant may say nothing: that can be the worse answer of a pair.
    ///
    /// # Errors
    /// [`Error::Conversation`] for the first message that is out of turn.
    pub fn check_alternation(&self) -> Result<(), Error> {
        self.check_order().map(drop)
    }

    /// Refuses what the assistant cannot answer: turns that do not alternate, calls without results, and a last
    /// turn that is its own.
    ///
    /// # Errors
    /// [`Error::Conversation`] for the first message that is out of turn.
    pub fn check_prompt(&self) -> Result<(), Error> {
        let (last, calls) = self.check_order()?;
        let ends = match last {
            Speaker::User | Speaker::Tool => calls.check_answered("it ends"),
            Speaker::Nobody | Speaker::System | Speaker::Assistant => {
                let problem = format!("it ends with `{}`, expected a turn to answer", last.name());
                Err((ConversationFault::Order, problem))
            }
        };
        ends.map_err(|(fault, problem)| Error::Conversation { fault, problem })
    }

    /// That turns alternate and answer each other; gives the last speaker and the calls of the last turn that
    /// could make any.
    fn check_order(&self) -> Result<(Speaker, Calls), Error> {
        let are_listed = self.messages().iter().any(lists_calls);
        let (mut speaker, mut calls) = (Speaker::Nobody, Calls::default());
        for (i, message) in self.messages().iter().enumerate() {
            let refused = |(fault, problem): Refusal| Error::Conversation {
                fault,
                problem: format!("message {i}: {problem}"),
            };
            speaker = speaker.followed_by(message).map_err(refused)?;
            let followed = match speaker {
                Speaker::Nobody | Speaker::System => Ok(()),
                Speaker::User => calls.check_answered("found `user`"),
                Speaker::Tool => calls.answer(message),
                Speaker::Assistant => calls.check_answered("found `assistant`"),
            };
            followed.map_err(refused)?;
            if speaker == Speaker::Assistant {
                calls = Calls::of(message, are_listed).map_err(refused)?;
            }
        }
        Ok((speaker, calls))
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
    /// Whose message comes next, if it may.
    fn followed_by(self, message: &Message) -> Result<Self, Refusal> {
        let disordered = |problem| (ConversationFault::Order, problem);
        let speaker = Self::of(message).map_err(disordered)?;
        match speaker.may_follow(self) {
            true => Ok(speaker),
            false => Err(disordered(format!(
                "found `{}` after {}, expected turns that alternate",
                speaker.name(),
                self.name()
            ))),
        }
    }

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

/// Whether a message has anything to be learned in it: a text, reasoning or calls.
fn says_something(message: &Message) -> bool {
    let mut said = ["content", "reasoning_content"].iter().filter_map(|key| message.get(*key));
    said.any(is_said) || lists_calls(message)
}

/// Whether a text, or a part of one, is more than white space.
fn is_said(text: &Value) -> bool {
    match text {
        Value::String(text) => !text.trim().is_empty(),
        Value::Array(parts) => parts.iter().filter_map(|part| part.get("text")).any(is_said),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    }
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
        check(said(&["user", "user", "assistant"]), "message 1: found `user` after user");
        check(said(&["assistant"]), "message 0: found `assistant` after nothing");
        check(said(&["user", "system", "assistant"]), "message 1: found `system` after user");
        check(said(&["user", "tool"]), "message 1: found `tool` after user");
        check(said(&["human", "assistant"]), "message 0: found the role `human`");
        check(said(&["user"]), "the assistant says nothing");
    }

    #[test]
    fn an_assistant_says_something() {
        let with = |answer: Value| {
            let mut answer = answer;
            answer["role"] = "assistant".into();
            json!([{ "role": "user", "content": "x" }, answer])
        };
        let call = json!([{ "id": "a", "function": { "name": "f" } }]);
        let part = |text: &str| json!([{ "type": "text", "text": text }]);
        for said in [
            json!({ "content": "y" }),
            json!({ "content": part("y") }),
            json!({ "content": null, "tool_calls": call }),
            json!({ "content": "", "thinking": "y" }),
        ] {
            check(with(said), "right");
        }
        for unsaid in [
            json!({}),
            json!({ "content": null }),
            json!({ "content": "" }),
            json!({ "content": " \n" }),
            json!({ "content": part(" ") }),
            json!({ "content": [{ "type": "image" }] }),
            json!({ "content": "", "tool_calls": [], "reasoning": " " }),
        ] {
            check(with(unsaid), "the assistant says nothing");
        }
        // One turn is enough, but where the last one is what counts.
        let (empty, full) = (with(json!({ "content": "" })), with(json!({ "content": "y" })));
        let both = |first: &Value, second: &Value| {
            let parts = [first, second].into_iter();
            parts.flat_map(|part| part.as_array().unwrap().clone()).collect::<Value>()
        };
        for (turns, expected) in [
            (both(&empty, &full), "right"),
            (both(&full, &empty), "the assistant says nothing in its last turn"),
        ] {
            check(turns.clone(), "right");
            let found = Conversation::from_json(turns).unwrap().check_last_turn();
            let found = found.map_or_else(|error| error.to_string(), |()| "right".to_owned());
            assert!(found.contains(expected), "{found}");
        }
    }
}
