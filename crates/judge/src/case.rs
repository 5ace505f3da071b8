//! What there is to judge an answer by, or to begin an episode with.

use serde_json::{Map, Value};

/// What a source says in one of its documents.
#[derive(Clone, Debug)]
pub struct Case<'a> {
    /// The source of the prompt.
    pub source: &'a str,
    /// The prompt.
    pub messages: &'a [Map<String, Value>],
    /// The tools that the model could call.
    pub tools: Option<&'a [Value]>,
    /// What the source says of the prompt; null where it says nothing.
    pub reference: Option<&'a str>,
    /// What else the source says of the prompt, by column.
    pub metadata: Option<&'a Map<String, Value>>,
}

#[cfg(test)]
impl Case<'static> {
    /// Of a prompt that says nothing.
    pub(crate) fn empty(reference: Option<&'static str>) -> Self {
        Self { source: "asked", messages: &[], tools: None, reference, metadata: None }
    }
}
