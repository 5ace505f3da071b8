//! What an environment says to an answer.

use serde_json::{Map, Value, json};
use temper_ask::{Reply, Turn};

use super::Answer;
use crate::reply::{NoReply, read, reward_of, shown};

/// The reply `line` to the request `id`, which was `answer` or a reset.
pub(super) fn read_reply(
    line: &str,
    id: &str,
    answer: Option<Answer<'_>>,
    range: [f64; 2],
) -> Result<Reply, NoReply> {
    let refused =
        |expected: &str| NoReply::refused(format!("found `{}`", shown(line)), expected.to_owned());
    let read = read(line, id, "a reply", range)?;
    let messages = messages(read.get("messages"));
    let messages = messages.ok_or_else(|| {
        refused(
            "`messages`, each with a `role`, which is not the assistant's, and a text as `content`",
        )
    })?;
    let Some(answer) = answer else { return Ok(Reply { messages, reward: 0.0, is_done: false }) };
    let reward = reward_of(&read, line, range)?;
    let done = read.get("done").and_then(Value::as_bool);
    let is_done = done.ok_or_else(|| refused("`done`, true or false"))?;
    if messages.is_empty() && !is_done && !answer.last {
        return Err(refused("a message to answer, or `done`"));
    }
    Ok(Reply { messages, reward, is_done })
}

/// What is wrong with a reply that is not what was replied before, whose reward was kept to nine decimals; `at` is
/// the number of the answer, 0 of the reset.
pub(super) fn difference(at: usize, found: &Reply, before: &Turn) -> Option<NoReply> {
    // Large numbers have fewer decimals.
    let tolerance = 1e-9_f64.max(4.0 * f64::EPSILON * before.reward.abs());
    let same_reward = (found.reward - before.reward).abs() < tolerance;
    if same_reward && (found.is_done, &found.messages) == (before.is_done, &before.messages) {
        return None;
    }
    let which = match at {
        0 => "to the reset".to_owned(),
        at => format!("to answer {at}"),
    };
    let found = written(&found.messages, found.reward, found.is_done);
    let before = written(&before.messages, before.reward, before.is_done);
    let found = format!("its reply {which} is {found}");
    Some(NoReply::refused(found, format!("{before}, as before")))
}

/// A reply as an error shows it.
fn written(messages: &[Map<String, Value>], reward: f64, is_done: bool) -> String {
    let reply = json!({ "messages": messages, "reward": reward, "done": is_done });
    format!("`{}`", shown(&reply.to_string()))
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
        match (read_reply(&line, "4/0/1", answer, [-1.0, 1.0]), expected) {
            (Ok(found), Ok(expected)) => {
                assert_eq!((found.messages.len(), found.reward, found.is_done), expected, "{keys}");
            }
            (Err(NoReply::Nonsense { found }), Err((true, expected))) => {
                assert!(found.contains(expected), "{found}");
            }
            (Err(NoReply::Refused { found, expected: wanted, .. }), Err((false, expected))) => {
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
        let not_finite = "found a reward of NaN; expected a finite number of -1 to 1";
        check(GOING_ON, &going_on("NaN"), Err((false, not_finite)));
        check(
            None,
            r#", "messages": [{"role": "user", "content": "b", "c": NaN}]"#,
            Err((false, "found NaN in")),
        );
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
