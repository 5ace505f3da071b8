//! Prompts with reference answers as other tools write them down, one JSON object each.
//!
//! | what | read from |
//! |---|---|
//! | the prompt | `messages`, or `prompt` (text or messages), or `question` |
//! | the reference | `answer`, `reference`, `ground_truth` or `solution`; of `choices`, that of `answerKey` |

// Of a JSON value only the expected kinds matter.
#![allow(clippy::wildcard_enum_match_arm)]

use serde_json::{Map, Value};

use super::conversation::{Turns, side};

/// A prompt to be written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PromptTurns {
    pub(crate) turns: Turns,
    pub(crate) answer: String,
}

const REFERENCES: [&str; 4] = ["answer", "reference", "ground_truth", "solution"];

impl PromptTurns {
    /// Reads an object of any of the formats.
    pub(crate) fn read(object: &Map<String, Value>) -> Result<Self, String> {
        let asked = ["messages", "prompt", "question"].into_iter().find_map(|key| object.get(key));
        let present = || {
            let present: Vec<String> = object.keys().map(|key| format!("`{key}`")).collect();
            present.join(", ")
        };
        let asked = asked.ok_or_else(|| {
            format!("no prompt; it has {}, expected `messages`, `prompt` or `question`", present())
        })?;
        let turns = Turns::unanswered(&side(asked, "user"), object.get("tools").cloned())?;
        let answer = match chosen(object) {
            Some(answer) => answer,
            None => {
                let found = REFERENCES.iter().find_map(|key| object.get(*key));
                match found {
                    Some(Value::String(text)) => text.clone(),
                    Some(Value::Null) | None => {
                        return Err(format!(
                            "no reference; it has {}, expected `answer`",
                            present()
                        ));
                    }
                    // A call or instructions, which verifiers read as JSON.
                    Some(other) => other.to_string(),
                }
            }
        };
        if answer.trim().is_empty() {
            return Err("the reference is empty".to_owned());
        }
        Ok(Self { turns, answer })
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
    fn check(object: Value, expected: Result<(&str, &str), &str>) {
        let Value::Object(object) = object else { panic!("a test reads objects") };
        match (PromptTurns::read(&object), expected) {
            (Ok(found), Ok((asked, answer))) => {
                let last = found.turns.messages.last().unwrap();
                assert_eq!((last.content.as_deref(), found.answer.as_str()), (Some(asked), answer));
            }
            (Err(found), Err(expected)) => assert!(found.contains(expected), "{found}"),
            (found, expected) => panic!("found {found:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn all_formats_are_read() {
        check(json!({ "question": "2 + 3?", "answer": "#### 5" }), Ok(("2 + 3?", "#### 5")));
        check(json!({ "prompt": "2 + 3?", "ground_truth": 5 }), Ok(("2 + 3?", "5")));
        let said = json!([{ "role": "system", "content": "Be short." }, { "role": "user", "content": "2 + 3?" }]);
        check(json!({ "messages": said, "reference": "5" }), Ok(("2 + 3?", "5")));
        let choices = json!({ "text": ["4", "5"], "label": ["A", "B"] });
        check(
            json!({ "question": "2 + 3?", "choices": choices, "answerKey": "B" }),
            Ok(("2 + 3?", "5")),
        );
    }

    #[test]
    fn what_is_no_prompt_is_refused() {
        check(json!({ "text": "a" }), Err("no prompt; it has `text`"));
        check(json!({ "prompt": "a" }), Err("no reference; it has `prompt`"));
        check(json!({ "prompt": "a", "answer": " " }), Err("the reference is empty"));
        let answered =
            json!([{ "role": "user", "content": "a" }, { "role": "assistant", "content": "b" }]);
        check(json!({ "messages": answered, "answer": "b" }), Err("ends with `assistant`"));
    }
}
