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
    /// What the source says of the prompt.
    pub reference: &'a str,
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
