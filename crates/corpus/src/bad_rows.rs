//! Rows that a stage cannot learn from: found, named, and left out where that is asked for.
//!
//! Of texts there are none: every text can be learned from.

mod fault;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use temper_recipe::Tokenization;
use temper_tokens::{DocumentOrigin, Staged, Tokenizer};

pub use self::fault::Fault;

use crate::answers::{Answer, AnswerFile, References};
use crate::cache::Entry;
use crate::chat_format::ChatFormat;
use crate::corpus::Corpus;
use crate::documents::Document;
use crate::error::Error;
use crate::place::Place;

/// Rows that are looked at together.
const GROUP_ROWS: usize = 256;

/// So many rows are named; all are counted.
const MOST_NAMED: usize = 100;

/// In the folder of the shards: which rows are not in them.
const FILE: &str = "bad-rows.json";

/// A row that cannot be learned from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRow {
    /// Where it stands.
    pub place: Place,
    /// Of which kind its fault is.
    pub fault: Fault,
    /// What was found and what was expected.
    pub problem: String,
}

/// The rows of a corpus that cannot be learned from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BadRows {
    /// Documents that were looked at.
    pub n_documents: u64,
    /// The first hundred, in corpus order.
    pub named: Vec<BadRow>,
    /// How many there are, by fault.
    pub counts: BTreeMap<Fault, u64>,
    origins: Vec<DocumentOrigin>,
}

/// As the cache keeps them.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    counts: BTreeMap<Fault, u64>,
    rows: Vec<DocumentOrigin>,
}

impl BadRows {
    /// How many there are.
    pub fn n(&self) -> u64 {
        self.origins.len() as u64
    }

    /// Looks at every row of a corpus as tokenizing would; `seen` hears how many were looked at. A corpus of
    /// texts is not read.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::NotParquet`], [`Error::RowGroup`], [`Error::NoColumn`] and
    /// [`Error::ColumnType`] for references, and [`Error::Stopped`] after `stop` was raised. A bad row is none.
    pub fn find(
        corpus: &Corpus,
        tokenizer: &Tokenizer,
        chat: ChatFormat<'_>,
        stop: &AtomicBool,
        seen: &mut dyn FnMut(u64),
    ) -> Result<Self, Error> {
        let mut found = Self { n_documents: corpus.n_documents(), ..Self::default() };
        if !corpus.holds_conversations() {
            return Ok(found);
        }
        let mut n_seen = 0;
        for group in corpus.row_groups() {
            let file = corpus.open_file(group.file)?;
            let mut documents = file.documents(group.row_group)?;
            let mut answers = match chat.references {
                Some(References { column, .. }) => {
                    let file = AnswerFile::open(corpus, group.file, column)?;
                    Some(file.answers(group.row_group)?)
                }
                None => None,
            };
            let mut unseen = std::iter::from_fn(|| {
                let document = documents.next()?;
                Some((document, answers.as_mut().and_then(Iterator::next)))
            });
            loop {
                let rows: Vec<Row> = unseen.by_ref().take(GROUP_ROWS).collect();
                if rows.is_empty() {
                    break;
                }
                if stop.load(Ordering::Relaxed) {
                    let (corpus, n_documents) = (corpus.id().to_owned(), corpus.n_documents());
                    return Err(Error::Stopped { corpus, n_done: n_seen, n_documents });
                }
                n_seen += rows.len() as u64;
                let look = |row| check(corpus, tokenizer, chat, row);
                let errors: Vec<_> = rows.into_par_iter().filter_map(look).collect();
                for error in errors {
                    found.add(group.file, error)?;
                }
                seen(n_seen);
            }
        }
        Ok(found)
    }

    /// Notes a bad row of a file; hands on what is no matter of one row.
    fn add(&mut self, file: u32, error: Error) -> Result<(), Error> {
        let Some((fault, place)) = Fault::of(&error).zip(error.place().cloned()) else {
            return Err(error);
        };
        let Place { row_group, row, .. } = place;
        self.origins.push(DocumentOrigin { file, row_group, row });
        *self.counts.entry(fault).or_default() += 1;
        if self.named.len() < MOST_NAMED {
            self.named.push(BadRow { place, fault, problem: error.problem() });
        }
        Ok(())
    }

    /// Those that an earlier call left beside the shards, or found now and left there.
    fn remembered(
        entry: &Entry,
        cache: &Path,
        corpus: &Corpus,
        tokenizer: &Tokenizer,
        chat: ChatFormat<'_>,
        stop: &AtomicBool,
        seen: &mut dyn FnMut(u64),
    ) -> Result<Self, Error> {
        let path = entry.folder.join(FILE);
        let read = || {
            let file: File = serde_json::from_slice(&std::fs::read(&path).ok()?).ok()?;
            let n_documents = corpus.n_documents();
            let File { counts, rows: origins } = file;
            Some(Self { n_documents, named: Vec::new(), counts, origins })
        };
        if let Some(found) = read() {
            return Ok(found);
        }
        let found = Self::find(corpus, tokenizer, chat, stop, seen)?;
        // Another process may be at it as well, and writes the same.
        if let Some(_lock) = entry.lock(cache, stop)? {
            let file = File { counts: found.counts.clone(), rows: found.origins.clone() };
            let text = serde_json::to_string(&file).expect("numbers and words");
            Staged::write(&path, text.as_bytes())?;
        }
        Ok(found)
    }
}

impl Corpus {
    /// The corpus without the rows that cannot be learned from, for a format that drops them. They are
    /// looked for once and remembered with the shards.
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
        let Some(chat) = chat.filter(|chat| chat.drops_bad_rows() && self.can_have_bad_rows())
        else {
            return Ok(self);
        };
        let entry = Entry::new(cache, &self, tokenizer, policy, Some(chat));
        let bad = BadRows::remembered(&entry, cache, &self, tokenizer, chat, stop, seen)?;
        if bad.n() == self.n_documents() {
            let counts = listed(&bad.counts);
            return Err(Error::AllDropped { corpus: self.id().to_owned(), counts });
        }
        Ok(self.without(&bad.origins, bad.counts))
    }
}

/// `7 turns out of order, 5 no pair`
pub(crate) fn listed(counts: &BTreeMap<Fault, u64>) -> String {
    let counts: Vec<String> = counts.iter().map(|(fault, n)| format!("{n} {fault}")).collect();
    counts.join(", ")
}

/// A document and the answer beside it, where answers are looked at.
type Row = (Result<Document, Error>, Option<Result<Answer, Error>>);

/// What is wrong with a row, if anything is.
fn check(
    corpus: &Corpus,
    tokenizer: &Tokenizer,
    chat: ChatFormat<'_>,
    (document, answer): Row,
) -> Option<Error> {
    let document = match document {
        Ok(document) => document,
        Err(error) => return Some(error),
    };
    if let Err(source) = chat.encode(&document.content, tokenizer) {
        let (place, source) = (corpus.place(document.origin), Box::new(source));
        return Some(Error::Row { place, source });
    }
    match (chat.references, answer?) {
        (Some(references), Ok(answer)) => references.check_answer(corpus, &answer).err(),
        (_, Err(error)) => Some(error),
        (None, Ok(_)) => None,
    }
}

#[cfg(test)]
mod tests;
