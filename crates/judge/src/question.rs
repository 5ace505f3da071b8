//! What a judge is asked.

use serde::Serialize;
use serde_json::{Map, Value};

/// A completion, and what there is to judge it by; as JSON, a request.
#[derive(Clone, Debug, Serialize)]
pub struct Question<'a> {
    /// Names the completion in its run.
    pub id: &'a str,
    /// The source of the prompt.
    pub source: &'a str,
    /// The number of the prompt in its source.
    pub document: u64,
    /// The prompt.
    pub messages: &'a [Map<String, Value>],
    /// The tools that the model could call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<&'a [Value]>,
    /// What the model wrote.
    pub completion: &'a str,
    /// What the source says of the prompt; null where it says nothing.
    pub reference: Option<&'a str>,
    /// What else the source says of the prompt, by column.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<&'a Map<String, Value>>,
}

impl Question<'_> {
    /// The request, on one line.
    pub(crate) fn request(&self) -> String {
        serde_json::to_string(self).expect("texts, numbers and JSON are JSON")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_that_is_not_there_is_null_and_other_things_are_left_out() {
        let question = Question {
            id: "0/0/0",
            source: "asked",
            document: 3,
            messages: &[],
            tools: None,
            completion: "1",
            reference: None,
            metadata: None,
        };
        let expected = r#"{"id":"0/0/0","source":"asked","document":3,"messages":[],"completion":"1","reference":null}"#;
        assert_eq!(question.request(), expected);
    }
}
