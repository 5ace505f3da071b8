//! Documents from Parquet, checked against their manifest and written as token shards.
//!
//! ```text
//! JSONL, CSV, text, Parquet ──import──► Parquet ◄── manifest
//!                                          │
//!                                  Corpus::open (columns, rows, sha256)
//!                                          │ one row at a time
//!                                      Documents ──tokenize──► cache/<key>/ ──► TokenCorpus
//! ```
//!
//! [`Corpus`] is checked before a row is read; [`tokenize`] writes its documents as shards, once:
//! the cache knows them by the digest of everything that decides their ids. The rows of evaluation
//! tasks are read whole by [`read_loss_items`], [`read_answer_items`], [`read_choice_items`] and [`read_chat_items`].
//!
//! ```no_run
//! # use std::path::Path;
//! # use std::sync::atomic::AtomicBool;
//! # use temper_corpus::{Corpus, tokenize};
//! # use temper_recipe::{Manifest, Tokenization};
//! # use temper_tokens::{Tokenizer, TokenSource};
//! # fn example(manifest: Manifest) -> Result<(), temper_corpus::Error> {
//! let corpus = Corpus::open(&manifest, Path::new("data-manifests"))?;
//! let tokenizer = Tokenizer::load(Path::new("checkpoints/nano/pretrained"))?;
//! let policy = Tokenization { bos: true, eos: true };
//! let stop = AtomicBool::new(false);
//! let cache = Path::new(".temper/cache");
//! let tokens = tokenize(&corpus, &tokenizer, policy, None, cache, &stop, &mut |_| {})?;
//! assert_eq!(tokens.n_documents() as u64, corpus.n_documents());
//! # Ok(())
//! # }
//! ```
//!
//! Invariants:
//!
//! * document *n* of the tokens is row *n* of the corpus: nothing is split or reordered, and nothing is dropped
//!   but what was asked to be and is counted;
//! * equal files, columns, tokenizer and policy give equal bytes, whatever the number of cores and
//!   however often the work was interrupted;
//! * memory stays below 512 MB whatever the size of the corpus: one data page, one batch of
//!   documents and one batch of ids are held at a time;
//! * only this crate knows Parquet.

mod answers;
mod bad_rows;
mod cache;
mod calls;
mod chat_format;
mod conversations;
mod corpus;
mod documents;
mod error;
mod filter;
mod import;
mod items;
mod json;
mod metadata;
mod place;
mod subset;
mod table;
#[cfg(test)]
mod testing;
mod texts;
mod time;
mod tokenize;

pub use answers::{CheckReference, References};
pub use bad_rows::{BadRow, BadRows, DroppedRow, Fault, LongRow, LongRows};
pub use cache::{CacheEntry, cache_entries, clean_cache};
pub use calls::normalise_messages;
pub use chat_format::{ChatFormat, Supervised};
pub use corpus::{Corpus, RowGroup, TextSize, read_texts, text_size};
pub use documents::{Content, Document, Documents, LONGEST_DOCUMENT_BYTES, Pair};
pub use error::Error;
pub use import::{
    BadInput, BadInputs, ImportOptions, ImportReport, LeftOut, ManifestSkeleton, Ratings, RowForm,
    TextUnit, import,
};
pub use items::{
    AnswerItem, ChatIds, ChatItem, ChoiceItem, LossItem, read_answer_items, read_chat_items,
    read_choice_items, read_loss_items, read_periods,
};
pub use place::{RowNumber, RowPlace};
pub use subset::write_subset;
pub use tokenize::{TokenizeProgress, tokenize};
