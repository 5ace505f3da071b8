//! What can be wrong with a row.

use std::fmt;

use serde::{Deserialize, Serialize};
use temper_tokens::{ConversationFault, Error as TokensError};

use crate::error::Error;
use crate::place::RowPlace;

/// What is wrong with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// A value that must be there is null.
    Missing,
    /// Its bytes are no text in UTF-8.
    Encoding,
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
            Error::InvalidUtf8 { .. } => Some(Self::Encoding),
            Error::Document { .. } => Some(Self::Tokenizer),
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

impl Error {
    /// The row that it is about, if it is about one that may be left out.
    #[allow(clippy::wildcard_enum_match_arm, reason = "others are of a file or of the machine")]
    pub(crate) fn place(&self) -> Option<&RowPlace> {
        match self {
            Self::Null { place, .. }
            | Self::InvalidUtf8 { place, .. }
            | Self::LongDocument { place, .. }
            | Self::Conversation { place, .. }
            | Self::Reference { place, .. }
            | Self::Document { place, .. }
            | Self::Row { place, .. } => Some(place),
            _ => None,
        }
    }

    /// What was found and what was expected, without the row and the way out.
    #[allow(clippy::wildcard_enum_match_arm, reason = "others are not of one row")]
    pub(crate) fn problem(&self) -> String {
        let whole = match self {
            Self::Null { column, .. } => format!("`{column}` is null"),
            Self::InvalidUtf8 { column, valid, .. } => {
                format!("`{column}` is no UTF-8 from byte {valid} on")
            }
            Self::LongDocument { bytes, limit, .. } => {
                format!("a document of {bytes} bytes, expected at most {limit}")
            }
            Self::Conversation { problem, .. } => problem.clone(),
            Self::Reference { column, problem, .. } => format!("`{column}`: {problem}"),
            Self::Document { source, .. } => source.to_string(),
            Self::Row { source, .. } => match source.as_ref() {
                TokensError::Conversation { problem, .. } => problem.clone(),
                other => other.to_string(),
            },
            other => other.to_string(),
        };
        whole.lines().next().unwrap_or_default().to_owned()
    }

    /// The way out that the chat template's refusal of a row names; `None` for other faults.
    pub(crate) fn template_hint(&self) -> Option<String> {
        let Self::Row { source, .. } = self else { return None };
        let refusal = source.to_string();
        let (_, hint) = refusal.split_once("\n\nhint: ")?;
        (Fault::of(self) == Some(Fault::Template)).then(|| hint.to_owned())
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
            Self::Encoding => "no UTF-8",
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
