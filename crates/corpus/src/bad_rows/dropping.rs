//! A corpus without its bad rows, which are looked for once.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use serde::{Deserialize, Serialize};
use temper_recipe::Tokenization;
use temper_tokens::{Staged, Tokenizer};

use super::{BadRows, DroppedRow, Fault};
use crate::cache::Entry;
use crate::chat_format::ChatFormat;
use crate::corpus::Corpus;
use crate::error::Error;

/// In the folder of the shards: which rows are not in them. Of texts, in that of the whole corpus.
const FILE: &str = "bad-rows.json";

/// As the cache keeps them.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    dropped: Vec<DroppedRow>,
}

impl Corpus {
    /// The corpus without the rows that cannot be learned from, for a recipe that drops them: texts, and
    /// conversations under a format that says so. They are looked for once and remembered in the cache.
    ///
    /// # Errors
    /// Those of [`BadRows::find`], [`Error::AllDropped`] when no row is left, and [`Error::Cache`].
    pub fn without_bad_rows(
        self,
        tokenizer: &Tokenizer,
        policy: Tokenization,
        chat: Option<ChatFormat<'_>>,
        cache: &Path,
        stop: &AtomicBool,
        seen: &mut dyn FnMut(u64),
    ) -> Result<Self, Error> {
        let holds_conversations = self.holds_conversations();
        let chat = chat.filter(|_| holds_conversations);
        let drops = chat.map_or(!holds_conversations, ChatFormat::drops_bad_rows);
        if !drops || !self.can_have_bad_rows() {
            return Ok(self);
        }
        let entry = Entry::new(cache, &self, tokenizer, policy, chat);
        if !holds_conversations && entry.is_complete() {
            // A bad row would have ended its writing.
            return Ok(self.without(&[]));
        }
        let bad = BadRows::remembered(&entry, cache, &self, tokenizer, chat, stop, seen)?;
        if bad.len() as u64 == self.n_documents() {
            let counts = listed(&counted(&bad));
            return Err(Error::AllDropped { corpus: self.id().to_owned(), counts });
        }
        Ok(self.without(&bad))
    }
}

impl BadRows {
    /// Those that an earlier call left in the cache, or found now and left there.
    fn remembered(
        entry: &Entry,
        cache: &Path,
        corpus: &Corpus,
        tokenizer: &Tokenizer,
        chat: Option<ChatFormat<'_>>,
        stop: &AtomicBool,
        seen: &mut dyn FnMut(u64),
    ) -> Result<Vec<DroppedRow>, Error> {
        let path = entry.folder.join(FILE);
        let read = || -> Option<File> { serde_json::from_slice(&std::fs::read(&path).ok()?).ok() };
        if let Some(File { dropped }) = read() {
            return Ok(dropped);
        }
        let dropped = Self::find(corpus, tokenizer, chat, None, stop, seen)?.rows;
        let file = File { dropped };
        // Another process may be at it as well, and writes the same.
        if let Some(_lock) = entry.lock(cache, stop)? {
            let text = serde_json::to_string(&file).expect("numbers and words");
            Staged::write(&path, text.as_bytes())?;
        }
        Ok(file.dropped)
    }
}

/// How many there are of each fault.
pub(crate) fn counted(rows: &[DroppedRow]) -> BTreeMap<Fault, u64> {
    let mut counts = BTreeMap::new();
    rows.iter().for_each(|row| *counts.entry(row.fault).or_default() += 1);
    counts
}

/// `7 turns out of order, 5 no pair`
fn listed(counts: &BTreeMap<Fault, u64>) -> String {
    let counts: Vec<String> = counts.iter().map(|(fault, n)| format!("{n} {fault}")).collect();
    counts.join(", ")
}
