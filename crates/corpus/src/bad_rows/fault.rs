//! What can be wrong with a row.

use std::fmt;

use serde::{Deserialize, Serialize};
use temper_tokens::{ConversationFault, Error as TokensError};

use crate::error::Error;

/// What is wrong with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// A value that must be there is null.
    Missing,
    /// It is no conversation.
    Form,
    /// Turns do not alternate, or the last one is not whose it must be.
    Order,
    /// A result of a tool answers no call: nobody made it, or it has an answer already.
    Calls,
    /// A call has no result, and the conversation goes on.
    Unanswered,
    /// The assistant says nothing that could be learned.
    NoAnswer,
    /// Its two conversations differ in more than their last message, or in nothing.
    Pair,
    /// Nobody can judge by its reference.
    Reference,
    /// It is longer than can be held.
    Length,
    /// The chat template refuses it.
    Template,
    /// The tokenizer refuses it.
    Tokenizer,
}

impl Fault {
    /// What a row is refused for; `None` for an error that is not of one row.
    #[allow(
        clippy::wildcard_enum_match_arm,
        reason = "other errors are of a file or of the machine"
    )]
    pub(crate) fn of(error: &Error) -> Option<Self> {
        match error {
            Error::Null { .. } => Some(Self::Missing),
            Error::LongDocument { .. } => Some(Self::Length),
            Error::Conversation { fault, .. } | Error::Reference { fault, .. } => Some(*fault),
            Error::Row { source, .. } => Some(match source.as_ref() {
                TokensError::Conversation { fault, .. } => Self::from(*fault),
                TokensError::AssistantMask { .. }
                | TokensError::ChatTemplate { .. }
                | TokensError::ChatTemplateRaised { .. }
                | TokensError::ChatTemplateWork { .. }
                | TokensError::ChatTemplateTime { .. } => Self::Template,
                _ => Self::Tokenizer,
            }),
            _ => None,
        }
    }
}

impl From<ConversationFault> for Fault {
    fn from(fault: ConversationFault) -> Self {
        match fault {
            ConversationFault::Form => Self::Form,
            ConversationFault::Order => Self::Order,
            ConversationFault::Calls => Self::Calls,
            ConversationFault::Unanswered => Self::Unanswered,
            ConversationFault::NoAnswer => Self::NoAnswer,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "a value is missing",
            Self::Form => "no conversation",
            Self::Order => "turns out of order",
            Self::Calls => "results of calls that nobody made",
            Self::Unanswered => "calls that nobody answered",
            Self::NoAnswer => "no answer to learn from",
            Self::Pair => "no pair",
            Self::Reference => "no reference to judge by",
            Self::Length => "too long",
            Self::Template => "refused by the chat template",
            Self::Tokenizer => "refused by the tokenizer",
        })
    }
}
