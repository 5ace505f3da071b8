//! What an environment is asked in an episode, and what it says.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The next thing that an environment is asked in an episode.
#[derive(Clone, Debug)]
pub struct Move<'a> {
    /// Names the episode in its run, as a question does a completion.
    pub id: String,
    /// Its number among those that are played together.
    pub number: usize,
    /// The source of its prompt.
    pub source: usize,
    /// The document of the source.
    pub document: u64,
    /// What was said before, the reset first; nothing before the reset.
    pub past: &'a [Turn],
    /// What the model answered; `None` asks for the reset.
    pub answer: Option<&'a str>,
    /// Whether the episode ends with the answer, whatever is said to it.
    pub is_last: bool,
}

/// What an environment says to an answer, or to begin with.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// What is said to the model.
    pub messages: Vec<Map<String, Value>>,
    /// What the answer was worth; 0 of a reset.
    pub reward: f64,
    /// Whether the episode is over.
    pub is_done: bool,
}

/// What a model answered in an environment, and what that said to it; as JSON, what a run's journal has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Turn {
    /// What was sampled; nothing of the reset.
    pub ids: Vec<u32>,
    /// As text.
    pub text: String,
    /// What the environment said.
    pub messages: Vec<Map<String, Value>>,
    /// What the answer was worth to it.
    pub reward: f64,
    /// Whether it is over.
    pub is_done: bool,
}
