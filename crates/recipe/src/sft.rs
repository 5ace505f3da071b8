//! What the stage `sft` learns of a conversation.

use serde::{Deserialize, Serialize};

/// What of conversations carries loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sft {
    /// Which of the assistant's turns are learned from.
    pub turns: LearnedTurns,
}

/// Which of the assistant's turns are learned from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LearnedTurns {
    /// All of them.
    #[default]
    Every,
    /// The last one of each conversation; the others are read.
    Last,
}

impl Sft {
    /// Whether it is what a recipe says that says nothing of it.
    pub(crate) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// As a human writes it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SftFile {
    pub(crate) turns: Option<LearnedTurns>,
}

impl SftFile {
    pub(crate) fn resolve(&self) -> Sft {
        // All that the assistant says teaches.
        Sft { turns: self.turns.unwrap_or(LearnedTurns::Every) }
    }
}
