//! What an environment says to an answer.

use std::fmt;

use serde_json::{Map, Value, json};

use super::Answer;
use crate::reply::{NoReply, read, reward_of, shown};

/// What an environment says to an answer, or to begin with.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// What is said to the model.
    pub messages: Vec<Map<String, Value>>,
    /// What the answer was worth; 0 of a reset.
    pub reward: f64,
    /// Whether the episode is over.
    pub done: bool,
}

impl Reply {
    /// The reply `line` to the request `id`, which was `answer` or a reset.
    pub(super) fn read(
        line: &str,
        id: &str,
        answer: Option<Answer<'_>>,
        range: [f64; 2],
    ) -> Result<Self, NoReply> {
        let refused = |expected: &str| NoReply::Refused {
            found: format!("found `{}`", shown(line)),
            expected: expected.to_owned(),
        };
        let read = read(line, id, "a reply")?;
        let messages = messages(read.get("messages"));
        let messages = messages.ok_or_else(|| {
            refused(
                "`messages`, each with a `role`, which is not the assistant's, and a text as `content`",
            )
        })?;
        let Some(answer) = answer else { return Ok(Self { messages, reward: 0.0, done: false }) };
        let reward = reward_of(&read, line, range)?;
        let done = read.get("done").and_then(Value::as_bool);
        let done = done.ok_or_else(|| refused("`done`, true or false"))?;
        if messages.is_empty() && !done && !answer.last {
            return Err(refused("a message to answer, or `done`"));
        }
        Ok(Self { messages, reward, done })
    }

    /// Whether it is what was replied before, whose reward was kept to nine decimals.
    pub(super) fn is(&self, before: &Self) -> bool {
        // Large numbers have fewer decimals.
        let tolerance = 1e-9_f64.max(4.0 * f64::EPSILON * before.reward.abs());
        let same_reward = (self.reward - before.reward).abs() < tolerance;
        same_reward && (self.done, &self.messages) == (before.done, &before.messages)
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { messages, reward, done } = self;
        let reply = json!({ "messages": messages, "reward": reward, "done": done });
        write!(f, "`{}`", shown(&reply.to_string()))
    }
}

/// Nothing said is no messages.
fn messages(value: Option<&Value>) -> Option<Vec<Map<String, Value>>> {
    let Some(value) = value.filter(|value| !value.is_null()) else { return Some(Vec::new()) };
    let message = |message: &Value| {
        let role = message.get("role")?.as_str()?;
        message.get("content")?.as_str()?;
        // The model speaks for itself.
        if role == "assistant" { None } else { message.as_object().cloned() }
    };
    value.as_array()?.iter().map(message).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOING_ON: Option<Answer<'static>> = Some(Answer { completion: "a", last: false });
    const LAST: Option<Answer<'static>> = Some(Answer { completion: "a", last: true });

    /// `expected` is the number of messages, the reward and whether it is over; or whether it is nonsense, and
    /// what is said of it.
    #[track_caller]
    fn check(
        answer: Option<Answer<'_>>,
        keys: &str,
        expected: Result<(usize, f64, bool), (bool, &str)>,
    ) {
        let line = format!("{{\"id\": \"4/0/1\"{keys}}}");
        match (Reply::read(&line, "4/0/1", answer, [-1.0, 1.0]), expected) {
            (Ok(found), Ok(expected)) => {
                assert_eq!((found.messages.len(), found.reward, found.done), expected, "{keys}");
            }
            (Err(NoReply::Nonsense { found }), Err((true, expected))) => {
                assert!(found.contains(expected), "{found}");
            }
            (Err(NoReply::Refused { found, expected: wanted }), Err((false, expected))) => {
                let message = format!("{found}; expected {wanted}");
                assert!(message.contains(expected), "{message}");
            }
            (found, expected) => panic!("{keys}: found {found:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn replies_go_on_end_or_are_refused() {
        let message = r#"{"role": "user", "content": "b", "name": "c"}"#;
        let going_on = |reward: &str| {
            format!(r#", "messages": [{message}], "reward": {reward}, "done": false"#)
        };
        check(None, "", Ok((0, 0.0, false)));
        check(None, r#", "messages": null, "because": 3"#, Ok((0, 0.0, false)));
        check(None, &going_on("7"), Ok((1, 0.0, false)));
        check(GOING_ON, &going_on("-0.25"), Ok((1, -0.25, false)));
        check(GOING_ON, r#", "reward": 1, "done": true"#, Ok((0, 1.0, true)));
        check(LAST, r#", "reward": 1, "done": false"#, Ok((0, 1.0, false)));
        check(GOING_ON, r#", "reward": 1, "done": false"#, Err((false, "a message to answer, or")));
        check(GOING_ON, r#", "reward": 1"#, Err((false, "`done`, true or false")));
        check(GOING_ON, r#", "reward": 1, "done": 1"#, Err((false, "`done`, true or false")));
        check(GOING_ON, r#", "done": true"#, Err((false, "a reward of -1 to 1")));
        check(GOING_ON, &going_on("1.5"), Err((false, "a reward of -1 to 1")));
        // What Python's `json` writes of a number that is none.
        check(GOING_ON, &going_on("NaN"), Err((true, "NaN")));
        check(GOING_ON, r#", "error": "no room""#, Err((false, "it says `no room`; expected a")));
        for messages in [
            r#""b""#,
            r#"["b"]"#,
            r#"[{"role": "user"}]"#,
            r#"[{"content": "b"}]"#,
            r#"[{"role": "user", "content": ["b"]}]"#,
            r#"[{"role": "assistant", "content": "b"}]"#,
        ] {
            let keys = format!(r#", "messages": {messages}"#);
            check(None, &keys, Err((false, "`messages`, each with a `role`")));
        }
    }
}
