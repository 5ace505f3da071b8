//! Prompts, and perhaps reference answers, as other tools write them down, one JSON object each.
//!
//! | what | read from |
//! |---|---|
//! | the prompt | `messages` (with `schemaVersion`: Converse), or `prompt` (text or messages), or `question` |
//! | the reference | `answer`, `reference`, `reference_answer`, `ground_truth` or `solution`; of `choices`, that of `answerKey` |

// Of a JSON value only the expected kinds matter.
#![allow(clippy::wildcard_enum_match_arm)]

use serde_json::{Map, Value};

use super::conversation::{Turns, converse, side, system, tools};

/// A prompt to be written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PromptTurns {
    pub(crate) turns: Turns,
    /// `None` where there is no reference: judges and environments may need none.
    pub(crate) answer: Option<String>,
}

pub(super) const REFERENCES: [&str; 5] =
    ["answer", "reference", "reference_answer", "ground_truth", "solution"];

impl PromptTurns {
    /// Reads an object of any of the formats.
    pub(crate) fn read(object: &Map<String, Value>) -> Result<Self, String> {
        let answer = reference(object)?;
        if answer.as_ref().is_some_and(|answer| answer.trim().is_empty()) {
            return Err("the reference is empty".to_owned());
        }
        Ok(Self { turns: prompt(object)?, answer })
    }
}

fn prompt(object: &Map<String, Value>) -> Result<Turns, String> {
    if object.contains_key("schemaVersion") {
        let (messages, tools) = converse::read(object)?;
        return Turns::unanswered(&messages, tools);
    }
    let asked = ["messages", "prompt", "question"].into_iter().find_map(|key| object.get(key));
    let asked = asked.ok_or_else(|| {
        let present: Vec<String> = object.keys().map(|key| format!("`{key}`")).collect();
        format!(
            "no prompt; it has {}, expected `messages`, `prompt` or `question`",
            present.join(", ")
        )
    })?;
    let messages = [system(object)?, side(asked, "user")].concat();
    Turns::unanswered(&messages, tools(object, &messages)?)
}

/// What answers are judged by. Numbers, calls and instructions are kept as the JSON that verifiers read.
fn reference(object: &Map<String, Value>) -> Result<Option<String>, String> {
    let given = |key: &str| object.get(key).filter(|value| !value.is_null());
    if let Some(answer) = chosen(object) {
        return Ok(Some(answer));
    }
    match (REFERENCES.into_iter().find_map(given), given("answerKey")) {
        (Some(Value::String(text)), _) => Ok(Some(text.clone())),
        (Some(other), _) => Ok(Some(other.to_string())),
        // Whoever names a choice has a reference, which must not get lost.
        (None, Some(key)) => {
            Err(format!("`answerKey` is {key}, expected a label of `choices` with its text"))
        }
        (None, None) => Ok(None),
    }
}

/// The text of the right choice, where there are choices.
fn chosen(object: &Map<String, Value>) -> Option<String> {
    let (choices, key) = (object.get("choices")?, object.get("answerKey")?.as_str()?);
    let at = choices.get("label")?.as_array()?.iter().position(|label| label == key)?;
    Some(choices.get("text")?.as_array()?.get(at)?.as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(object: Value, expected: Result<(&str, Option<&str>), &str>) {
        let Value::Object(object) = object else { panic!("a test reads objects") };
        match (PromptTurns::read(&object), expected) {
            (Ok(found), Ok((asked, answer))) => {
                let last = found.turns.messages.last().unwrap();
                assert_eq!(
                    (last.content.as_deref(), found.answer.as_deref()),
                    (Some(asked), answer)
                );
            }
            (Err(found), Err(expected)) => assert!(found.contains(expected), "{found}"),
            (found, expected) => panic!("found {found:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn all_formats_are_read() {
        let right = |answer| Ok(("2 + 3?", Some(answer)));
        check(json!({ "question": "2 + 3?", "answer": "#### 5" }), right("#### 5"));
        check(json!({ "prompt": "2 + 3?", "ground_truth": 5 }), right("5"));
        let said = json!([{ "role": "system", "content": "Be short." }, { "role": "user", "content": "2 + 3?" }]);
        check(json!({ "messages": said, "reference": "5" }), right("5"));
        check(json!({ "messages": said, "reference_answer": "5" }), right("5"));
        let sum = json!({ "sum": 5, "terms": [2, 3] });
        check(
            json!({ "messages": said, "reference_answer": sum }),
            right(r#"{"sum":5,"terms":[2,3]}"#),
        );
        check(json!({ "prompt": "2 + 3?", "answer": null, "solution": "5" }), right("5"));
        let choices = json!({ "text": ["4", "5"], "label": ["A", "B"] });
        check(json!({ "question": "2 + 3?", "choices": choices, "answerKey": "B" }), right("5"));
    }

    #[test]
    fn a_reference_may_be_missing() {
        check(json!({ "prompt": "a" }), Ok(("a", None)));
        check(json!({ "prompt": "a", "answer": null }), Ok(("a", None)));
        let choices = json!({ "text": ["4", "5"], "label": ["A", "B"] });
        check(
            json!({ "question": "a", "choices": choices, "answerKey": "C" }),
            Err("`answerKey` is \"C\", expected a label of `choices`"),
        );
    }

    #[test]
    fn converse_keeps_system_and_tools() {
        let Value::Object(object) = json!({
            "schemaVersion": "bedrock-conversation-2024",
            "system": [{ "text": "Be short." }],
            "toolConfig": { "tools": [{ "toolSpec": {
                "name": "add", "description": "adds", "inputSchema": { "json": { "type": "object" } },
            } }] },
            "messages": [{ "role": "user", "content": [{ "text": "2 + 3?" }] }],
            "reference_answer": "5",
        }) else {
            panic!("a test reads objects")
        };
        let found = PromptTurns::read(&object).unwrap();
        let said = found.turns.messages.iter().map(|turn| turn.content.as_deref().unwrap());
        assert_eq!(said.collect::<Vec<_>>(), ["Be short.", "2 + 3?"]);
        let tools = r#"[{"type":"function","function":{"name":"add","description":"adds","parameters":{"type":"object"}}}]"#;
        assert_eq!(found.turns.tools.as_deref(), Some(tools));
        assert_eq!(found.answer.as_deref(), Some("5"));
    }

    #[test]
    fn what_is_no_prompt_is_refused() {
        check(json!({ "text": "a" }), Err("no prompt; it has `text`"));
        check(json!({ "prompt": "a", "answer": " " }), Err("the reference is empty"));
        let answered =
            json!([{ "role": "user", "content": "a" }, { "role": "assistant", "content": "b" }]);
        check(json!({ "messages": answered, "answer": "b" }), Err("ends with `assistant`"));
        check(
            json!({ "schemaVersion": "1", "messages": [], "answer": "b" }),
            Err("`schemaVersion` is `\"1\"`"),
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
            let mut row = json!({ "prompt": "2 + 3?", "answer": "5" });
            row[key] = declared;
            let found = PromptTurns::read(row.as_object().unwrap()).unwrap();
            assert_eq!(found.turns.tools, Some(json!([tool]).to_string()));
        }
    }
}
