//! Text to token ids and back, and token ids on disk.
//!
//! ```text
//! text ──Tokenizer──► ids ──ShardWriter──► shard-00000.tok ┐
//!                                          shard-00001.tok ├─ tokens.json ──► TokenCorpus: TokenSource
//!                                          …               ┘
//! ```
//!
//! [`Tokenizer`] reads Hugging Face's `tokenizer.json`; [`train_byte_level_bpe`] writes one.
//! A shard is one file of ids with a table of its documents; a [`TokenCorpus`] is all shards of one
//! corpus under one tokenizer and one BOS/EOS policy, held together by a [`ShardSet`].
//! What consumes tokens asks for a [`TokenSource`] only. A [`ChatTemplate`] makes text, ids and
//! the assistant's mask of a [`Conversation`].
//!
//! ```no_run
//! # use std::path::Path;
//! # use temper_tokens::{DocumentOrigin, Shard, ShardWriter, Tokenizer};
//! # fn main() -> Result<(), temper_tokens::Error> {
//! let tokenizer = Tokenizer::load(Path::new("checkpoints/nano/pretrained"))?;
//! let path = Path::new("shard-00000.tok");
//! let mut writer = ShardWriter::create(path, tokenizer.vocab_size(), 0)?;
//! writer.push_ids(&tokenizer.encode("Ethanol boils at 351 K.")?)?;
//! writer.end_document(0, 0)?;
//! writer.finish()?;
//! let shard = Shard::open(path)?;
//! assert_eq!(shard.origin(0), DocumentOrigin { file: 0, row_group: 0, row: 0 });
//! # Ok(())
//! # }
//! ```
//!
//! Invariants:
//!
//! * text never becomes a special token: control ids are put there by [`Tokenizer::add_specials`]
//!   and by whoever renders a conversation ([`Tokenizer::encode_rendered`]), not by data;
//! * equal text gives equal ids, on any machine, with any number of threads;
//! * a file appears under its name whole or not at all ([`Staged`]);
//! * an opened shard has been checked, so that reading it cannot fail.

mod added_tokens;
mod chat;
mod error;
mod fit;
mod mapped;
mod pieces;
mod shard;
mod shard_set;
mod source;
mod staged;
#[cfg(test)]
mod testing;
mod token_corpus;
mod tokenizer;
mod train;
mod unseen;

pub use added_tokens::WithAddedTokens;
pub use chat::{
    CHAT_TEMPLATE_FILE, ChatTemplate, Conversation, DateTime, Message, MissingMarkers, RENDER_WORK,
    RenderOptions, Rendered, SpecialTokens, TokenizedChat, Turns, chat_template_files,
    special_tokens,
};
pub use error::{ConversationFault, Error};
pub use fit::{Fit, RowLimit};
pub use shard::{Shard, ShardInfo, ShardWriter};
pub use shard_set::{SHARD_SET_FILE, ShardSet};
pub use source::{DocumentOrigin, TokenSource};
pub use staged::Staged;
pub use token_corpus::TokenCorpus;
pub use tokenizer::{LONGEST_PIECE_BYTES, Tokenizer};
pub use train::{BpeSpec, train_byte_level_bpe};
pub use unseen::Unseen;
