//! Preference pairs as other tools write them down, one JSON object each.
//!
//! | format | recognised by |
//! |---|---|
//! | whole conversations | `chosen` and `rejected`, lists of messages |
//! | prompt and two answers | `prompt`, and `chosen` and `rejected` as texts or messages |
//! | Alpaca with two answers | `instruction`, `input`, perhaps `history`, and `chosen` and `rejected` as texts |
//! | transcripts (HH-RLHF) | `chosen` and `rejected` as texts of `Human:` and `Assistant:` |

// Of a JSON value only the expected kinds matter.
#![allow(clippy::wildcard_enum_match_arm)]

use serde_json::{Map, Value, json};

use super::conversation::{Turns, asked, conversation, side, system, tools};
use crate::documents::Pair;

/// Makes turns of messages and tools.
type ReadTurns = fn(&[Value], Option<Value>) -> Result<Turns, String>;

/// A pair to be written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PairTurns {
    pub(crate) chosen: Turns,
    pub(crate) rejected: Turns,
}

impl PairTurns {
    /// Reads an object of any of the formats.
    pub(crate) fn read(object: &Map<String, Value>) -> Result<Self, String> {
        // An empty answer may well be the worse one.
        let sides: [(&str, ReadTurns); 2] =
            [("chosen", Turns::answered), ("rejected", Turns::perhaps_unsaid)];
        let [chosen, rejected] = sides.map(|(key, read)| {
            let answer = object.get(key).filter(|answer| !answer.is_null());
            let answer = answer.ok_or_else(|| {
                let present: Vec<String> = object.keys().map(|key| format!("`{key}`")).collect();
                format!("no pair; it has {}, expected `chosen` and `rejected`", present.join(", "))
            })?;
            let turns = messages(object, answer)
                .and_then(|messages| read(&messages, tools(object, &messages)?));
            turns.map_err(|problem| format!("{key}: {problem}"))
        });
        Self::new(chosen?, rejected?)
    }

    /// Two conversations that differ in their last message, and in nothing else.
    pub(crate) fn new(chosen: Turns, rejected: Turns) -> Result<Self, String> {
        Pair::new(conversation(&chosen)?, conversation(&rejected)?)?;
        Ok(Self { chosen, rejected })
    }

    /// Bytes of what is said.
    pub(crate) fn text_bytes(&self) -> usize {
        self.chosen.text_bytes() + self.rejected.text_bytes()
    }
}

/// The conversation that ends with an answer.
fn messages(object: &Map<String, Value>, answer: &Value) -> Result<Vec<Value>, String> {
    // Some name the prompt beside whole conversations.
    let first = answer.get(0).and_then(|first| first.get("role"));
    let is_whole = first.is_some_and(|role| role != "assistant");
    let prompt = object.get("prompt").filter(|prompt| !prompt.is_null() && !is_whole);
    if let Some(prompt) = prompt {
        return Ok([system(object)?, side(prompt, "user"), side(answer, "assistant")].concat());
    }
    match answer {
        Value::Array(messages) => Ok([&system(object)?[..], messages].concat()),
        Value::String(_) if object.contains_key("instruction") => {
            Ok([asked(object)?, side(answer, "assistant")].concat())
        }
        Value::String(text) => transcript(text),
        _ => Err("it is neither a text nor a list of messages".to_owned()),
    }
}

/// Turns of a text in which speakers are named at the beginnings of paragraphs.
fn transcript(text: &str) -> Result<Vec<Value>, String> {
    const SPEAKERS: [(&str, &str); 2] = [("\n\nHuman:", "user"), ("\n\nAssistant:", "assistant")];
    let next = |from: usize| {
        let found = SPEAKERS
            .iter()
            .filter_map(|(mark, role)| Some((from + text[from..].find(mark)?, mark.len(), *role)));
        found.min()
    };
    let Some((0, ..)) = next(0) else {
        return Err("a text without `prompt` or `instruction`, expected one that begins with \
                    `\\n\\nHuman:`"
            .to_owned());
    };
    let mut messages = Vec::new();
    let mut at = next(0);
    while let Some((start, mark, role)) = at {
        at = next(start + mark);
        let end = at.map_or(text.len(), |(start, ..)| start);
        messages.push(json!({ "role": role, "content": text[start + mark..end].trim() }));
    }
    Ok(messages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(object: Value, expected: Result<[&[&str]; 2], &str>) {
        let Value::Object(object) = object else { panic!("a test reads objects") };
        match (PairTurns::read(&object), expected) {
            (Ok(pair), Ok(expected)) => {
                for (turns, expected) in [pair.chosen, pair.rejected].iter().zip(expected) {
                    let said: Vec<String> = turns
                        .messages
                        .iter()
                        .map(|turn| format!("{}: {}", turn.role, turn.content.clone().unwrap()))
                        .collect();
                    assert_eq!(said, expected);
                }
            }
            (Err(found), Err(expected)) => assert!(found.contains(expected), "{found}"),
            (found, expected) => panic!("found {found:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn all_formats_are_read() {
        let expected: [&[&str]; 2] =
            [&["user: Why?", "assistant: Because."], &["user: Why?", "assistant: Go away."]];
        let said = |answer: &str| json!([{ "role": "user", "content": "Why?" }, { "role": "assistant", "content": answer }]);
        check(json!({ "chosen": said("Because."), "rejected": said("Go away.") }), Ok(expected));
        check(
            json!({ "prompt": "Why?", "chosen": said("Because."), "rejected": said("Go away.") }),
            Ok(expected),
        );
        check(
            json!({ "prompt": "Why?", "chosen": "Because.", "rejected": "Go away." }),
            Ok(expected),
        );
        let one = |answer: &str| json!([{ "role": "assistant", "content": answer }]);
        check(
            json!({ "prompt": [{ "role": "user", "content": "Why?" }],
                "chosen": one("Because."), "rejected": one("Go away.") }),
            Ok(expected),
        );
        check(
            json!({ "instruction": "Why?", "input": "", "output": "So.",
                "chosen": "Because.", "rejected": "Go away." }),
            Ok(expected),
        );
        let before: [&[&str]; 2] = [
            &["user: Hello", "assistant: Hi.", "user: Why?", "assistant: Because."],
            &["user: Hello", "assistant: Hi.", "user: Why?", "assistant: Go away."],
        ];
        check(
            json!({ "instruction": "Why?", "history": [["Hello", "Hi."]],
                "chosen": "Because.", "rejected": "Go away." }),
            Ok(before),
        );
        let text = |answer: &str| format!("\n\nHuman: Why?\n\nAssistant: {answer}");
        check(json!({ "chosen": text("Because."), "rejected": text("Go away.") }), Ok(expected));

        let expected: [&[&str]; 2] =
            [&["user: Why?", "assistant: Because."], &["user: Why?", "assistant: "]];
        check(json!({ "prompt": "Why?", "chosen": "Because.", "rejected": "" }), Ok(expected));
        check(json!({ "chosen": text("Because."), "rejected": text("") }), Ok(expected));
    }

    #[test]
    fn what_is_no_pair_is_refused() {
        let pair = |chosen: Value, rejected: Value| json!({ "prompt": "Why?", "chosen": chosen, "rejected": rejected });
        check(pair("a".into(), "a".into()), Err("are the same"));
        check(pair("".into(), "a".into()), Err("chosen: conversation: the assistant says nothing"));
        let mut later = pair("".into(), "a".into());
        later["prompt"] = json!([
            { "role": "user", "content": "Who?" }, { "role": "assistant", "content": "I." },
            { "role": "user", "content": "Why?" },
        ]);
        check(later, Err("chosen: conversation: the assistant says nothing in its last turn"));
        check(pair("a".into(), Value::Null), Err("expected `chosen` and `rejected`"));
        check(pair("a".into(), 3.into()), Err("rejected: message 1: `content` is no text"));
        check(json!({ "chosen": "a", "rejected": "b" }), Err("begins with `\\n\\nHuman:`"));
        let other =
            json!([{ "role": "user", "content": "How?" }, { "role": "assistant", "content": "b" }]);
        let one =
            json!([{ "role": "user", "content": "Why?" }, { "role": "assistant", "content": "a" }]);
        check(json!({ "chosen": one, "rejected": other }), Err("part at message 0"));
        let unanswered = json!([{ "role": "user", "content": "Why?" }]);
        check(
            json!({ "chosen": unanswered, "rejected": one }),
            Err("chosen: conversation: the assistant says nothing"),
        );
    }

    #[test]
    fn tools_are_declared_in_today_s_form_and_the_older_one() {
        let tool = json!({ "type": "function", "function": { "name": "f" } });
        let function = json!([{ "name": "f" }]);
        for (key, declared) in [
            ("tools", json!([tool])),
            ("tools", json!([tool]).to_string().into()),
            ("functions", function.clone()),
            ("functions", function.to_string().into()),
        ] {
            let mut row = json!({ "prompt": "Why?", "chosen": "a", "rejected": "b" });
            row[key] = declared;
            let pair = PairTurns::read(row.as_object().unwrap()).unwrap();
            for turns in [pair.chosen, pair.rejected] {
                assert_eq!(turns.tools, Some(json!([tool]).to_string()));
            }
        }
    }
}
