//! What there is to judge an answer by, or to begin an episode with.

use serde::Serialize;
use serde_json::{Map, Value};

/// What a source says in one of its documents; as JSON, what a reset says.
#[derive(Clone, Debug, Serialize)]
pub struct Case<'a> {
    /// The source of the prompt.
    pub source: &'a str,
    /// The number of the prompt in its source.
    pub document: u64,
    /// The prompt.
    pub messages: &'a [Map<String, Value>],
    /// The tools that the model could call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<&'a [Value]>,
    /// What the source says of the prompt; null where it says nothing.
    pub reference: Option<&'a str>,
    /// What else the source says of the prompt, by column.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<&'a Map<String, Value>>,
}

#[cfg(test)]
impl Case<'static> {
    /// Of a prompt that says nothing.
    pub(crate) fn empty(reference: Option<&'static str>) -> Self {
        let (source, messages) = ("asked", &[]);
        Self { source, document: 3, messages, tools: None, reference, metadata: None }
    }
}
