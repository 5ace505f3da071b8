//! Rows that a stage cannot learn from: found, named, and left out where that is asked for.

mod dropping;
mod fault;
mod long_rows;
mod look;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use temper_tokens::{DocumentOrigin, Fit, RowLimit, Tokenizer};

pub(crate) use self::dropping::counted;
pub use self::fault::Fault;
pub use self::long_rows::{LongRow, LongRows};

use self::long_rows::Lengths;
use self::look::{Row, check_text, look};
use crate::answers::{AnswerFile, References};
use crate::chat_format::ChatFormat;
use crate::corpus::Corpus;
use crate::error::Error;
use crate::place::RowPlace;

/// Rows that are looked at together.
const GROUP_ROWS: usize = 256;

/// So many rows are named; all are counted.
pub(crate) const MOST_NAMED: usize = 10_000;

/// A row that cannot be learned from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRow {
    /// Where it stands.
    pub place: RowPlace,
    /// Of which kind its fault is.
    pub fault: Fault,
    /// What was found and what was expected.
    pub problem: String,
    /// The way out, where a correction of the row may be none: of what the chat template refuses.
    pub hint: Option<String>,
}

/// A row that is no document because it cannot be learned from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DroppedRow {
    /// Where it stands.
    pub origin: DocumentOrigin,
    /// Of which kind its fault is.
    pub fault: Fault,
}

/// The rows of a corpus that cannot be learned from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BadRows {
    /// Documents that were looked at.
    pub n_documents: u64,
    /// The first ten thousand, in corpus order.
    pub named: Vec<BadRow>,
    /// How many there are, by fault.
    pub counts: BTreeMap<Fault, u64>,
    /// Of the others, those that are longer than a row of tokens, where that was asked for.
    pub long: LongRows,
    /// Of the others, judged answers that were liked, where judgements are learned from; without those that are
    /// left out as too long.
    pub desirable: u64,
    /// And those that were not.
    pub undesirable: u64,
    /// All of them, in corpus order.
    rows: Vec<DroppedRow>,
}

impl BadRows {
    /// How many there are.
    pub fn n(&self) -> u64 {
        self.rows.len() as u64
    }

    /// Looks at every row of a corpus as tokenizing would; `seen` hears how many were looked at. Of texts it
    /// sees whether they are there, UTF-8 and such that the tokenizer can cut them; of conversations also,
    /// with a `limit`, whether they are longer than a row of tokens.
    ///
    /// # Errors
    /// [`Error::NoChatTemplate`] for conversations without `chat`; [`Error::Read`], [`Error::NotParquet`],
    /// [`Error::RowGroup`], [`Error::NoColumn`] and [`Error::ColumnType`] for references, and
    /// [`Error::Stopped`] after `stop` was raised. A bad row is none.
    pub fn find(
        corpus: &Corpus,
        tokenizer: &Tokenizer,
        chat: Option<ChatFormat<'_>>,
        limit: Option<RowLimit>,
        stop: &AtomicBool,
        seen: &mut dyn FnMut(u64),
    ) -> Result<Self, Error> {
        let mut found = Self { n_documents: corpus.n_documents(), ..Self::default() };
        match chat {
            _ if !corpus.holds_conversations() => {
                found.look_at_texts(corpus, tokenizer, stop, seen)?;
            }
            Some(chat) => {
                let mut lengths = Lengths::new(corpus, limit);
                found.look_at_chats(corpus, tokenizer, chat, &mut lengths, stop, seen)?;
                found.long = lengths.finish();
            }
            None => return Err(Error::NoChatTemplate { corpus: corpus.id().to_owned() }),
        }
        Ok(found)
    }

    fn look_at_texts(
        &mut self,
        corpus: &Corpus,
        tokenizer: &Tokenizer,
        stop: &AtomicBool,
        seen: &mut dyn FnMut(u64),
    ) -> Result<(), Error> {
        let mut n_seen = 0;
        for group in corpus.row_groups() {
            // One at a time: a text may be as long as can be held.
            for document in corpus.read_row_group(group.file, group.row_group)? {
                if let Err(error) = check_text(corpus, tokenizer, document) {
                    self.add(group.file, error)?;
                }
                n_seen += 1;
                if n_seen % GROUP_ROWS as u64 == 0 {
                    refuse_stopped(corpus, n_seen, stop)?;
                    seen(n_seen);
                }
            }
        }
        seen(n_seen);
        Ok(())
    }

    fn look_at_chats(
        &mut self,
        corpus: &Corpus,
        tokenizer: &Tokenizer,
        chat: ChatFormat<'_>,
        lengths: &mut Lengths<'_>,
        stop: &AtomicBool,
        seen: &mut dyn FnMut(u64),
    ) -> Result<(), Error> {
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
                refuse_stopped(corpus, n_seen, stop)?;
                n_seen += rows.len() as u64;
                let limit = lengths.limit();
                let look = |row| look(corpus, tokenizer, chat, limit, row);
                let looked: Vec<_> = rows.into_par_iter().map(look).collect();
                for row in looked {
                    match row {
                        Ok(length) => {
                            // What is left out teaches nothing.
                            match length.label.filter(|_| length.fit != Fit::TooLong) {
                                Some(true) => self.desirable += 1,
                                Some(false) => self.undesirable += 1,
                                None => {}
                            }
                            lengths.add(length);
                        }
                        Err(error) => self.add(group.file, error)?,
                    }
                }
                seen(n_seen);
            }
        }
        Ok(())
    }

    /// Notes a bad row of a file; hands on what is no matter of one row.
    fn add(&mut self, file: u32, error: Error) -> Result<(), Error> {
        let Some((fault, place)) = Fault::of(&error).zip(error.place().cloned()) else {
            return Err(error);
        };
        let RowPlace { row_group, row, .. } = place;
        self.rows.push(DroppedRow { origin: DocumentOrigin { file, row_group, row }, fault });
        *self.counts.entry(fault).or_default() += 1;
        if self.named.len() < MOST_NAMED {
            let (problem, hint) = (error.problem(), error.template_hint());
            self.named.push(BadRow { place, fault, problem, hint });
        }
        Ok(())
    }
}

fn refuse_stopped(corpus: &Corpus, n_done: u64, stop: &AtomicBool) -> Result<(), Error> {
    match stop.load(Ordering::Relaxed) {
        true => {
            let (corpus, n_documents) = (corpus.id().to_owned(), corpus.n_documents());
            Err(Error::Stopped { corpus, n_done, n_documents })
        }
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests;
