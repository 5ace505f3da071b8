//! What a row of a corpus holds, and the rows of one row group, one at a time.

use std::borrow::Cow;
use std::fmt;

use temper_tokens::{Conversation, DocumentOrigin};

use crate::conversations::{ConversationFile, Conversations};
use crate::error::Error;
use crate::texts::{TextFile, Texts};

/// A longer document is refused by name: it could not be held beside its ids in bounded memory.
pub const LONGEST_DOCUMENT_BYTES: u64 = 64 << 20;

/// One row of a corpus.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Where it came from.
    pub origin: DocumentOrigin,
    /// What is in it.
    pub content: Content,
}

/// What a document is.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// A text; may be empty.
    Text(String),
    /// Messages, which a chat template makes a text of.
    Conversation(Conversation),
    /// Two conversations that differ in their last message.
    Pair(Box<Pair>),
    /// Messages whose last one was judged.
    Judged(Conversation, bool),
}

/// A conversation with an answer that was preferred to another.
#[derive(Clone, Debug, PartialEq)]
pub struct Pair {
    /// With the better answer.
    pub chosen: Conversation,
    /// With the worse one.
    pub rejected: Conversation,
}

impl Pair {
    /// # Errors
    /// What is wrong with it, in words: other questions, no answers, or twice the same.
    pub fn new(chosen: Conversation, rejected: Conversation) -> Result<Self, String> {
        let (Some((preferred, asked)), Some((other, asked_other))) =
            (chosen.messages().split_last(), rejected.messages().split_last())
        else {
            return Err("found no message, expected a question and an answer".to_owned());
        };
        if asked != asked_other {
            let n = asked.iter().zip(asked_other).take_while(|(a, b)| a == b).count();
            return Err(format!(
                "`chosen` and `rejected` part at message {n}, expected the same messages before the last"
            ));
        }
        if preferred == other {
            return Err("`chosen` and `rejected` are the same".to_owned());
        }
        for (name, conversation) in [("chosen", &chosen), ("rejected", &rejected)] {
            let last = conversation.messages().last().and_then(|last| last.get("role"));
            if last.and_then(|role| role.as_str()) != Some("assistant") {
                return Err(format!("`{name}` does not end with an answer of the assistant"));
            }
        }
        Ok(Self { chosen, rejected })
    }
}

impl Document {
    /// Its text; of a conversation what the messages say, one below the other: for looking at what is
    /// in it, not for training.
    pub fn text(&self) -> Cow<'_, str> {
        match &self.content {
            Content::Text(text) => Cow::Borrowed(text),
            Content::Conversation(conversation) | Content::Judged(conversation, _) => {
                Cow::Owned(conversation.plain_text())
            }
            Content::Pair(pair) => {
                let rejected = pair.rejected.plain_text();
                Cow::Owned(format!("{}\n{rejected}", pair.chosen.plain_text()))
            }
        }
    }
}

/// A Parquet file of a corpus, open for reading documents.
pub(crate) enum DocumentFile {
    Texts(TextFile),
    Conversations(ConversationFile),
}

impl DocumentFile {
    pub(crate) fn documents(&self, row_group: u32) -> Result<Documents, Error> {
        Ok(Documents(match self {
            Self::Texts(file) => Kind::Texts(Box::new(file.texts(row_group)?)),
            Self::Conversations(file) => {
                Kind::Conversations(Box::new(file.conversations(row_group)?))
            }
        }))
    }
}

/// Iterates over the documents of one row group, in order; ends after the first error that is not of one row.
#[derive(Debug)]
pub struct Documents(Kind);

/// How the rows are read.
enum Kind {
    Texts(Box<Texts>),
    Conversations(Box<Conversations>),
}

impl Iterator for Documents {
    type Item = Result<Document, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Kind::Texts(texts) => texts.next(),
            Kind::Conversations(conversations) => conversations.next(),
        }
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Texts(_) => "Texts",
            Self::Conversations(_) => "Conversations",
        })
    }
}
