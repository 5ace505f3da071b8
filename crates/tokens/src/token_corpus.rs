//! All documents of a corpus as token ids, read from its shards.

use std::path::Path;

use rayon::prelude::*;
use temper_recipe::Digest;

use crate::error::Error;
use crate::shard::{Shard, ShardInfo};
use crate::shard_set::{SHARD_SET_FILE, ShardSet};
use crate::source::{DocumentOrigin, TokenSource};

/// A tokenized corpus: documents numbered from 0 in corpus order.
///
/// Opening costs a pass over the tables of the shards; the ids stay on disk until they are read.
#[derive(Debug)]
pub struct TokenCorpus {
    set: ShardSet,
    digest: Digest,
    shards: Vec<Shard>,
    /// The number of each shard's first document, then the number of all documents.
    firsts: Vec<usize>,
    n_tokens: u64,
    /// Asked for every row that is packed, and there may be thousands of shards.
    has_silent_ids: bool,
}

impl TokenCorpus {
    /// Opens a folder with `tokens.json` and its shards. With `verify`, the digest of every shard
    /// is computed again, which reads all bytes once.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::ShardSet`], [`Error::Shard`], and [`Error::ShardDigest`] for the
    /// first shard whose bytes changed.
    pub fn open(folder: &Path, verify: bool) -> Result<Self, Error> {
        let (set, digest) = ShardSet::load(folder)?;
        // In parallel, but the error reported is that of the first shard, whoever finds one first.
        let opened: Vec<Result<Shard, Error>> =
            set.shards.par_iter().map(|info| open_shard(folder, &set, info, verify)).collect();
        let shards = opened.into_iter().collect::<Result<Vec<_>, _>>()?;
        let mut firsts = vec![0];
        let mut n_documents = 0;
        for shard in &shards {
            n_documents += shard.n_documents();
            firsts.push(n_documents);
        }
        let origins = shards.iter().filter(|shard| shard.n_documents() > 0);
        let bounds: Vec<_> = origins
            .flat_map(|shard| [shard.origin(0), shard.origin(shard.n_documents() - 1)])
            .collect();
        if !bounds.is_sorted() {
            let path = folder.join(SHARD_SET_FILE);
            return Err(Error::ShardSet { path, problem: "shards are out of order".to_owned() });
        }
        let n_tokens = set.shards.iter().map(|info| info.n_tokens).sum();
        let has_silent_ids = shards.iter().any(Shard::has_silent_ids);
        Ok(Self { set, digest, shards, firsts, n_tokens, has_silent_ids })
    }

    /// The corpus's id.
    pub fn name(&self) -> &str {
        &self.set.corpus
    }

    /// Ids of all documents, BOS and EOS included.
    pub fn n_tokens(&self) -> u64 {
        self.n_tokens
    }

    /// Ids are below this.
    pub fn vocab_size(&self) -> usize {
        self.set.vocab_size
    }

    /// The digest of `tokens.json`, and with it of every id: it lists the digests of the shards.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The set the shards belong to.
    pub fn set(&self) -> &ShardSet {
        &self.set
    }

    /// In corpus order.
    pub fn shards(&self) -> &[ShardInfo] {
        &self.set.shards
    }

    /// The shard of a document and its number in there.
    fn locate(&self, document: usize) -> (&Shard, usize) {
        // Empty shards repeat a first: the last of them that is not above the document holds it.
        let shard = self.firsts.partition_point(|first| *first <= document) - 1;
        assert!(shard < self.shards.len(), "document {document} of {}", self.n_documents());
        (&self.shards[shard], document - self.firsts[shard])
    }
}

impl TokenSource for TokenCorpus {
    fn n_documents(&self) -> usize {
        self.firsts.last().copied().unwrap_or(0)
    }

    fn document_len(&self, document: usize) -> usize {
        let (shard, document) = self.locate(document);
        shard.document_len(document)
    }

    fn read(&self, document: usize, start: usize, out: &mut [u32]) {
        let (shard, document) = self.locate(document);
        shard.read(document, start, out);
    }

    fn has_silent_ids(&self) -> bool {
        self.has_silent_ids
    }

    fn read_mask(&self, document: usize, start: usize, mask: &mut [bool]) {
        let (shard, document) = self.locate(document);
        shard.read_mask(document, start, mask);
    }

    fn n_supervised(&self, document: usize, start: usize, len: usize) -> usize {
        let (shard, document) = self.locate(document);
        shard.n_supervised(document, start, len)
    }

    fn second_half(&self, document: usize) -> usize {
        let (shard, document) = self.locate(document);
        shard.second_half(document)
    }

    fn label(&self, document: usize) -> Option<bool> {
        let (shard, document) = self.locate(document);
        shard.label(document)
    }

    fn origin(&self, document: usize) -> DocumentOrigin {
        let (shard, document) = self.locate(document);
        shard.origin(document)
    }

    fn ids_digest(&self, document: usize) -> u64 {
        let (shard, document) = self.locate(document);
        shard.ids_digest(document)
    }
}

fn open_shard(
    folder: &Path,
    set: &ShardSet,
    info: &ShardInfo,
    verify: bool,
) -> Result<Shard, Error> {
    let path = folder.join(&info.file_name);
    // The digest first: it finds every change, the form only some.
    if verify {
        let found =
            Digest::of_file(&path).map_err(|source| Error::Read { path: path.clone(), source })?;
        if found != info.sha256 {
            return Err(Error::ShardDigest { path, found, expected: info.sha256 });
        }
    }
    let shard = Shard::open(&path)?;
    let found = (shard.n_documents() as u64, shard.n_tokens() as u64, shard.vocab_size());
    let expected = (info.n_documents, info.n_tokens, set.vocab_size);
    if found == expected {
        return Ok(shard);
    }
    let problem = format!(
        "{} documents with {} ids below {}, its set says {} documents with {} ids below {}",
        found.0, found.1, found.2, expected.0, expected.1, expected.2
    );
    Err(Error::Shard { path, problem })
}

#[cfg(test)]
mod tests;
