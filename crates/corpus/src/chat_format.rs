//! How conversations become ids, and which of these carry loss.

use temper_recipe::Hasher;
use temper_tokens::{
    ChatTemplate, Conversation, Error as TokensError, RenderOptions, TokenizedChat, Tokenizer,
    Turns,
};

/// The template that writes conversations down, and what is learned of them.
#[derive(Clone, Copy, Debug)]
pub struct ChatFormat<'a> {
    /// Ids are those of the template's text and nothing else: it says itself where BOS and EOS stand.
    pub template: &'a ChatTemplate,
    /// Which ids carry loss.
    pub supervised: Supervised,
}

/// Which ids of a conversation carry loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Supervised {
    /// All of them, as in a text.
    Everything,
    /// What the assistant says: the marks of the template, or what each of its turns adds to the text.
    Assistant,
}

impl ChatFormat<'_> {
    /// What decides ids and loss, for the name of shards.
    pub(crate) fn key(self) -> Vec<u8> {
        let mut hasher = Hasher::new();
        hasher.update(self.template.digest().bytes());
        hasher.update(match self.supervised {
            Supervised::Everything => b"everything",
            Supervised::Assistant => b"assistant.",
        });
        hasher.finish().bytes().to_vec()
    }

    /// The ids of a conversation; the mask says which of them carry loss.
    ///
    /// A template is given no clock: one that asks for the date is refused.
    pub(crate) fn encode(
        self,
        conversation: &Conversation,
        tokenizer: &Tokenizer,
    ) -> Result<TokenizedChat, TokensError> {
        let options = RenderOptions::default();
        match self.supervised {
            Supervised::Assistant => {
                conversation.check_turns()?;
                self.template.tokenize(conversation, &options, Turns::Every, tokenizer)
            }
            Supervised::Everything => {
                let text = self.template.render(conversation, &options)?.text;
                let tokens = tokenizer.encode_rendered(&text)?;
                let ids: Vec<u32> = tokens.into_iter().map(|(id, _)| id).collect();
                let assistant_mask = vec![true; ids.len()];
                Ok(TokenizedChat { text, ids, assistant_mask, straddling: 0 })
            }
        }
    }
}
