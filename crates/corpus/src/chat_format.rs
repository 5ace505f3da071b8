//! How conversations become ids, and which of these carry loss.

use temper_recipe::{Hasher, OnBadRow};
use temper_tokens::{
    ChatTemplate, Conversation, ConversationFault, Error as TokensError, RenderOptions,
    TokenizedChat, Tokenizer, Turns,
};

use crate::answers::References;
use crate::documents::Content;

/// Changes with how a conversation is read and what of it is refused: shards of other rules may hold other ids, and
/// rows that are bad now.
const RULES: &[u8] = b"rules 7";

/// The template that writes conversations down, and what is learned of them.
#[derive(Clone, Copy, Debug)]
pub struct ChatFormat<'a> {
    /// Ids are those of the template's text and nothing else: it says itself where BOS and EOS stand.
    pub template: &'a ChatTemplate,
    /// Which ids carry loss.
    pub supervised: Supervised,
    /// What happens to a row that cannot be learned from.
    pub on_bad_row: OnBadRow,
    /// Of prompts that are judged by references: what these must be.
    pub references: Option<References<'a>>,
}

/// Which ids of a conversation carry loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Supervised {
    /// All of them, as in a text.
    Everything,
    /// What the assistant says in these of its turns: the marks of the template, or what a turn adds to the text.
    Assistant(Turns),
    /// Of both halves of a pair the last turn, by which they differ.
    Pairs,
    /// The last turn, which was judged.
    Feedback,
    /// Everything of a prompt, which ends with what begins the assistant's answer.
    Prompt,
}

/// The ids of a document, and which of them carry loss.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Encoded {
    pub(crate) chat: TokenizedChat,
    /// Of a pair.
    pub(crate) rejected: Option<TokenizedChat>,
    /// Of a judged answer, where it is asked for.
    pub(crate) label: Option<bool>,
}

impl ChatFormat<'_> {
    /// What decides ids and loss, for the name of shards.
    pub(crate) fn key(self) -> Vec<u8> {
        let mut hasher = Hasher::new();
        hasher.update(self.template.digest().bytes());
        hasher.update(match self.supervised {
            Supervised::Everything => b"everything",
            Supervised::Assistant(Turns::Every) => b"assistant.",
            Supervised::Assistant(Turns::Last) => b"last turn.",
            Supervised::Pairs => b"pairs.....",
            Supervised::Feedback => b"feedback..",
            Supervised::Prompt => b"prompt....",
        });
        hasher.update(RULES);
        if self.drops_bad_rows() {
            hasher.update(b"drop");
            // They decide which rows are left.
            if let Some(References { column, check }) = self.references {
                hasher.update(column.as_bytes());
                hasher.update(check.digest().bytes());
            }
        }
        hasher.finish().bytes().to_vec()
    }

    /// Whether rows that cannot be learned from are no documents.
    pub fn drops_bad_rows(self) -> bool {
        self.on_bad_row == OnBadRow::Drop
    }

    /// The ids of a conversation or pair. Where no pairs are asked for, a pair is its better half.
    ///
    /// A template is given no clock: one that asks for the date is refused.
    pub(crate) fn encode(
        self,
        content: &Content,
        tokenizer: &Tokenizer,
    ) -> Result<Encoded, TokensError> {
        let (chosen, rejected) = match content {
            Content::Conversation(conversation) | Content::Judged(conversation, _) => {
                (conversation, None)
            }
            Content::Pair(pair) => (&pair.chosen, Some(&pair.rejected)),
            Content::Text(_) => unreachable!("texts need no template"),
        };
        // What says nothing can be disliked.
        let is_disliked = matches!(content, Content::Judged(_, false));
        if self.supervised == Supervised::Pairs
            || self.supervised == Supervised::Feedback && !is_disliked
        {
            chosen.check_last_turn()?;
        }
        let rejected = rejected.filter(|_| self.supervised == Supervised::Pairs);
        let rejected = rejected.map(|rejected| self.encode_one(rejected, tokenizer));
        let label = match content {
            Content::Judged(_, label) => Some(*label),
            Content::Conversation(_) | Content::Pair(_) | Content::Text(_) => None,
        };
        let label = label.filter(|_| self.supervised == Supervised::Feedback);
        let (chat, rejected) = (self.encode_one(chosen, tokenizer)?, rejected.transpose()?);
        Ok(Encoded { chat, rejected, label })
    }

    fn encode_one(
        self,
        conversation: &Conversation,
        tokenizer: &Tokenizer,
    ) -> Result<TokenizedChat, TokensError> {
        let options = RenderOptions::default();
        match self.supervised {
            Supervised::Pairs | Supervised::Feedback => {
                conversation.check_alternation()?;
                if self.supervised == Supervised::Feedback {
                    check_answered(conversation)?;
                }
                let mut chat =
                    self.template.tokenize(conversation, &options, Turns::Last, tokenizer)?;
                // The first id is never predicted, and in a second half it must not count as if it were.
                if let Some(first) = chat.assistant_mask.first_mut() {
                    *first = false;
                }
                check_loss(&chat, "its last turn is empty")?;
                check_calls(conversation, Turns::Last, &chat, tokenizer)?;
                Ok(chat)
            }
            Supervised::Assistant(turns) => {
                conversation.check_turns()?;
                let chat = self.template.tokenize(conversation, &options, turns, tokenizer)?;
                check_loss(&chat, "the template prints nothing of what the assistant says")?;
                check_calls(conversation, turns, &chat, tokenizer)?;
                Ok(chat)
            }
            Supervised::Everything | Supervised::Prompt => {
                if self.supervised == Supervised::Prompt {
                    conversation.check_prompt()?;
                }
                let add_generation_prompt = self.supervised == Supervised::Prompt;
                let options = RenderOptions { add_generation_prompt, ..options };
                let text = self.template.render(conversation, &options)?.text;
                let tokens = tokenizer.encode_rendered(&text)?;
                let ids: Vec<u32> = tokens.into_iter().map(|(id, _)| id).collect();
                let assistant_mask = vec![true; ids.len()];
                Ok(TokenizedChat { text, ids, assistant_mask, straddling: 0 })
            }
        }
    }
}

/// Refuses a conversation that does not end with the answer that was judged.
fn check_answered(conversation: &Conversation) -> Result<(), TokensError> {
    let last = conversation.messages().last().and_then(|last| last.get("role"));
    match last.and_then(|role| role.as_str()) {
        Some("assistant") => Ok(()),
        found => {
            let found = found.unwrap_or("nothing");
            let problem = format!("it ends with `{found}`, expected the answer that was judged");
            Err(TokensError::Conversation { fault: ConversationFault::Order, problem })
        }
    }
}

/// Refuses a conversation of which nothing carries loss, for this reason.
fn check_loss(chat: &TokenizedChat, reason: &str) -> Result<(), TokensError> {
    match chat.assistant_mask.contains(&true) {
        true => Ok(()),
        false => {
            let problem = format!("{reason}, expected an answer to learn from");
            Err(TokensError::Conversation { fault: ConversationFault::NoAnswer, problem })
        }
    }
}

/// Refuses calls of which the template prints nothing, where the end of a turn would be learned in their place.
fn check_calls(
    conversation: &Conversation,
    turns: Turns,
    chat: &TokenizedChat,
    tokenizer: &Tokenizer,
) -> Result<(), TokensError> {
    let called = conversation.called(turns);
    if called.is_empty() {
        return Ok(());
    }
    let learned = chat.ids.iter().zip(&chat.assistant_mask).filter(|(_, carries)| **carries);
    let learned: Vec<u32> = learned.map(|(id, _)| *id).collect();
    let learned = tokenizer.decode(&learned, false)?;
    match called.into_iter().find(|(_, name)| !learned.contains(name)) {
        Some((message, name)) => {
            let problem = format!(
                "message {message} calls `{name}`, and the template prints nothing of that, expected the call in \
                 what is learned"
            );
            Err(TokensError::Conversation { fault: ConversationFault::NoAnswer, problem })
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
