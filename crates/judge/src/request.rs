//! What a judge is sent.

use serde::Serialize;
use serde_json::{Map, Value};
use temper_ask::Question;

use crate::case::Case;

/// A completion, and what there is to judge it by, in the order in which judges read it.
#[derive(Debug, Serialize)]
struct Request<'a> {
    id: &'a str,
    source: &'a str,
    document: u64,
    messages: &'a [Map<String, Value>],
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<&'a [Value]>,
    completion: &'a str,
    reference: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a Map<String, Value>>,
}

/// The request, on one line.
pub(crate) fn request(question: &Question<'_>, case: &Case<'_>) -> String {
    let Case { source, messages, tools, reference, metadata } = *case;
    let (id, document, completion) = (question.id.as_str(), question.document, question.completion);
    let request =
        Request { id, source, document, messages, tools, completion, reference, metadata };
    serde_json::to_string(&request).expect("texts, numbers and JSON are JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_that_is_not_there_is_null_and_other_things_are_left_out() {
        let id = "0/0/0".to_owned();
        let question = Question { part: 0, id, source: 0, document: 3, completion: "1" };
        let expected = r#"{"id":"0/0/0","source":"asked","document":3,"messages":[],"completion":"1","reference":null}"#;
        assert_eq!(request(&question, &Case::empty(None)), expected);
    }
}
