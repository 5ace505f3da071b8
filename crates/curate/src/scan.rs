//! All documents of some corpora, read once, on all cores.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use temper_corpus::{Corpus, Document};
use temper_tokens::DocumentOrigin;

use crate::error::Error;

/// Who watches a pass over documents.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    /// Set from outside to stop.
    pub stop: &'a AtomicBool,
    /// Told how many documents are read so far, from any thread.
    pub seen: &'a (dyn Fn(u64) + Sync),
}

impl std::fmt::Debug for Watch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").field("stop", self.stop).finish_non_exhaustive()
    }
}

/// Where a document stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DocumentPlace {
    /// The corpus, by its id.
    pub corpus: String,
    /// The number of the file in the manifest, from 0.
    pub file: u32,
    /// The row group of that file, from 0.
    pub row_group: u32,
    /// The row in the row group, from 0.
    pub row: u32,
}

impl DocumentPlace {
    pub(crate) fn new(corpus: &Corpus, origin: DocumentOrigin) -> Self {
        let DocumentOrigin { file, row_group, row } = origin;
        Self { corpus: corpus.id().to_owned(), file, row_group, row }
    }

    /// Without its corpus.
    pub fn origin(&self) -> DocumentOrigin {
        DocumentOrigin { file: self.file, row_group: self.row_group, row: self.row }
    }
}

/// Lets `each` gather the documents of every row group in a value of its own; gives these by corpus,
/// in order. `each` is told the number of the corpus.
pub(crate) fn gather<T: Default + Send>(
    corpora: &[&Corpus],
    watch: Watch<'_>,
    each: impl Fn(&mut T, usize, Document) + Sync,
) -> Result<Vec<Vec<T>>, Error> {
    let groups: Vec<(usize, u32, u32)> = corpora
        .iter()
        .enumerate()
        .flat_map(|(corpus, of)| {
            of.row_groups().iter().map(move |group| (corpus, group.file, group.row_group))
        })
        .collect();
    let n_seen = AtomicU64::new(0);
    let gathered: Vec<Result<(usize, T), Error>> = groups
        .into_par_iter()
        .map(|(corpus, file, row_group)| {
            let mut gathered = T::default();
            for document in corpora[corpus].read_row_group(file, row_group)? {
                if watch.stop.load(Ordering::Relaxed) {
                    return Err(Error::Stopped);
                }
                each(&mut gathered, corpus, document?);
                (watch.seen)(n_seen.fetch_add(1, Ordering::Relaxed) + 1);
            }
            Ok((corpus, gathered))
        })
        .collect();
    let mut by_corpus: Vec<Vec<T>> = corpora.iter().map(|_| Vec::new()).collect();
    for part in gathered {
        let (corpus, part) = part?;
        by_corpus[corpus].push(part);
    }
    Ok(by_corpus)
}
