//! Documents into shards: on all cores, in bounded memory, never twice.

mod chats;
mod pieces;
mod spans;
mod texts;

use std::path::Path;
use std::sync::atomic::AtomicBool;

use temper_recipe::{Digest, Tokenization};
use temper_tokens::{
    DocumentOrigin, Shard, ShardInfo, ShardSet, ShardWriter, TokenCorpus, Tokenizer,
};

use self::spans::spans;
use crate::cache::Entry;
use crate::chat_format::{ChatFormat, Supervised};
use crate::corpus::{Corpus, RowGroup};
use crate::documents::Document;
use crate::error::Error;
use crate::place::RowPlace;

/// Documents are read in batches of this much text; the last of a batch may exceed it.
const BATCH_BYTES: usize = 8 << 20;

/// A corpus of many row groups gets about this many shards, each of several row groups: the
/// kernel allows some 65,000 mappings in all. Others get one shard per row group.
const MOST_SHARDS: u64 = 4096;

/// How far tokenizing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenizeProgress {
    /// Documents written, those of an earlier, interrupted run among them.
    pub documents: u64,
    /// Documents in all.
    pub n_documents: u64,
    /// Ids written.
    pub tokens: u64,
    /// Bytes of text encoded in this call.
    pub bytes: u64,
}

/// Tokenizes a corpus into `cache`, or opens what is there already.
///
/// Of a corpus whose bad rows are dropped, it wants what [`Corpus::without_bad_rows`] left.
///
/// A complete entry is opened and nothing else happens. An interrupted one continues after its
/// last whole shard and ends with the same bytes. Two processes at the same entry wait for each
/// other. Memory stays below 512 MB, whatever the corpus.
///
/// # Errors
/// [`temper_tokens::Error::NoSpecial`] when the policy asks for a token that the tokenizer does
/// not have, [`Error::Document`] and [`Error::Row`] for a document it refuses, what [`Corpus::read_row_group`]
/// yields, [`Error::Cache`] and [`temper_tokens::Error::Write`] for a cache that cannot be
/// written, [`Error::Stopped`] after `stop` was raised.
pub fn tokenize(
    corpus: &Corpus,
    tokenizer: &Tokenizer,
    policy: Tokenization,
    chat: Option<ChatFormat<'_>>,
    cache: &Path,
    stop: &AtomicBool,
    progress: &mut dyn FnMut(TokenizeProgress),
) -> Result<TokenCorpus, Error> {
    tokenizer.specials(policy)?;
    // Texts are the same in every chat.
    let chat = chat.filter(|_| corpus.holds_conversations());
    if corpus.holds_conversations() && chat.is_none() {
        return Err(Error::NoChatTemplate { corpus: corpus.id().to_owned() });
    }
    let wants_pairs = chat.is_some_and(|chat| chat.supervised == Supervised::Pairs);
    if wants_pairs && !corpus.holds_pairs() {
        return Err(Error::NoPairs { corpus: corpus.id().to_owned() });
    }
    let wants_feedback = chat.is_some_and(|chat| chat.supervised == Supervised::Feedback);
    if wants_feedback && !corpus.holds_feedback() {
        return Err(Error::NoFeedback { corpus: corpus.id().to_owned() });
    }
    let entry = Entry::new(cache, corpus, tokenizer, policy, chat);
    let is_dropping = chat.is_some_and(ChatFormat::drops_bad_rows);
    assert!(
        !is_dropping || !corpus.can_have_bad_rows(),
        "bad rows are dropped before the others are written"
    );
    if entry.is_complete() {
        // Reading the bytes once costs a second a gigabyte; training on changed ones costs the run.
        return Ok(TokenCorpus::open(&entry.folder, true)?);
    }
    let mut work = Work { corpus, tokenizer, policy, chat, stop, progress, done: Done::default() };
    let Some(_lock) = entry.lock(cache, stop)? else { return Err(work.stopped()) };
    // Another process may have finished it while this one waited.
    if !entry.is_complete() {
        entry.remove_partial()?;
        let shards = work.shards(&entry.folder)?;
        save(&entry, corpus, tokenizer, policy, shards)?;
    }
    Ok(TokenCorpus::open(&entry.folder, false)?)
}

fn save(
    entry: &Entry,
    corpus: &Corpus,
    tokenizer: &Tokenizer,
    policy: Tokenization,
    shards: Vec<ShardInfo>,
) -> Result<(), Error> {
    let (vocab_size, digest) = (tokenizer.vocab_size(), tokenizer.digest());
    let mut set = ShardSet::new(corpus.id(), entry.key, digest, vocab_size, policy, shards);
    let dropped = corpus.dropped().iter().map(|(fault, n)| (fault.to_string(), *n));
    set.dropped = dropped.collect();
    Ok(set.save(&entry.folder)?)
}

/// What is in whole shards, and in the one being written.
#[derive(Default)]
struct Done {
    documents: u64,
    tokens: u64,
    bytes: u64,
    whole_documents: u64,
}

struct Work<'a> {
    corpus: &'a Corpus,
    tokenizer: &'a Tokenizer,
    policy: Tokenization,
    /// Of a corpus of conversations.
    chat: Option<ChatFormat<'a>>,
    stop: &'a AtomicBool,
    progress: &'a mut dyn FnMut(TokenizeProgress),
    done: Done,
}

impl Work<'_> {
    fn shards(&mut self, folder: &Path) -> Result<Vec<ShardInfo>, Error> {
        let groups = self.corpus.row_groups();
        let mut infos = Vec::new();
        for (i, span) in spans(groups, MOST_SHARDS).into_iter().enumerate() {
            let path = folder.join(format!("shard-{i:05}.tok"));
            let info = match self.written(&path, &groups[span.clone()]) {
                Some(info) => {
                    self.done.documents += info.n_documents;
                    self.done.tokens += info.n_tokens;
                    info
                }
                None => self.write(&path, &groups[span])?,
            };
            self.done.whole_documents += info.n_documents;
            infos.push(info);
            self.report();
        }
        Ok(infos)
    }

    /// The shard of an interrupted run, if it is whole and what it should be.
    fn written(&self, path: &Path, groups: &[RowGroup]) -> Option<ShardInfo> {
        let shard = Shard::open(path).ok()?;
        let n_documents = groups.iter().map(|group| group.n_documents).sum();
        let same = shard.n_documents() as u64 == n_documents
            && shard.vocab_size() == self.tokenizer.vocab_size()
            && (n_documents == 0 || shard.origin(0).file == groups[0].file);
        same.then_some(())?;
        Some(ShardInfo {
            file_name: path.file_name()?.to_str()?.to_owned(),
            n_documents,
            n_tokens: shard.n_tokens() as u64,
            sha256: Digest::of_file(path).ok()?,
        })
    }

    fn write(&mut self, path: &Path, groups: &[RowGroup]) -> Result<ShardInfo, Error> {
        let file = self.corpus.open_file(groups[0].file)?;
        let mut writer = ShardWriter::create(path, self.tokenizer.vocab_size(), groups[0].file)?;
        let mut batch: Vec<Document> = Vec::new();
        let mut bytes = 0;
        for group in groups {
            for document in file.documents(group.row_group)? {
                let document = match document {
                    Ok(document) => document,
                    Err(error) => {
                        // Of bad rows the first is named, and one that is read may still be refused.
                        self.encode(&mut writer, &batch)?;
                        return Err(error);
                    }
                };
                bytes += document.text().len();
                batch.push(document);
                if bytes >= BATCH_BYTES {
                    self.encode(&mut writer, &batch)?;
                    batch.clear();
                    bytes = 0;
                }
            }
        }
        self.encode(&mut writer, &batch)?;
        Ok(writer.finish()?)
    }

    /// Appends the ids of `batch`, in order.
    fn encode(&mut self, writer: &mut ShardWriter, batch: &[Document]) -> Result<(), Error> {
        match self.chat {
            Some(chat) => self.encode_conversations(writer, chat, batch),
            None => self.encode_texts(writer, batch),
        }
    }

    fn place(&self, origin: DocumentOrigin) -> RowPlace {
        self.corpus.place(origin)
    }

    fn stopped(&self) -> Error {
        Error::Stopped {
            corpus: self.corpus.id().to_owned(),
            n_done: self.done.whole_documents,
            n_documents: self.corpus.n_documents(),
        }
    }

    fn report(&mut self) {
        let Done { documents, tokens, bytes, .. } = self.done;
        let n_documents = self.corpus.n_documents();
        (self.progress)(TokenizeProgress { documents, n_documents, tokens, bytes });
    }
}

#[cfg(test)]
mod tests;
