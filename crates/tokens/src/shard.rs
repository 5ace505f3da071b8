//! Token ids on disk.
//!
//! A shard holds documents of one file of a corpus, in order. All numbers are little-endian.
//!
//! ```text
//! offset  bytes                what
//! 0       8                    magic `TEMPTOK\n`
//! 8       4                    version, 2
//! 12      4                    width of an id: 2 up to a vocabulary of 65,536, else 4
//! 16      8                    vocabulary: every id is below it
//! 24      8                    n: documents
//! 32      8                    m: ids
//! 40      4                    index of the file in the manifest
//! 44      8                    s: spans of ids that carry no loss
//! 52      4                    1 where documents are pairs, 2 where they are judged answers, else 0
//! 56      8                    zero
//! 64      m × width            ids, document after document
//! then    n × 8                end of each document, counted in ids
//! then    n × 8                row group (4) and row (4) of each document, increasing
//! then    n × 8                digest of each document's ids
//! then    n × 8                end of each document's spans, counted in spans, if s is not 0
//! then    s × 8                start (4) and end (4) of each span, counted in ids of its document
//! then    n × 4                where the second half of each pair begins, counted in ids, of pairs
//!      or n                    1 where the answer was liked, else 0, of judged answers
//! ```
//!
//! The table comes last because the writer knows it last; memory for writing is the table alone.

mod header;
mod silence;
mod writer;

pub use writer::ShardWriter;

use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use temper_recipe::Digest;

use self::header::{Header, Kind, id_width, u32_at, u64_at};
use self::silence::Silence;
use crate::error::Error;
use crate::mapped::Mapped;
use crate::source::DocumentOrigin;

const HEADER_BYTES: usize = 64;
const END_BYTES: usize = 8;
const ORIGIN_BYTES: usize = 8;
const DIGEST_BYTES: usize = 8;
const SPAN_BYTES: usize = 8;
const HALF_BYTES: usize = 4;
const LABEL_BYTES: usize = 1;

/// What a shard set says about one shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardInfo {
    /// In the folder of the set.
    pub file_name: String,
    /// Documents in it.
    pub n_documents: u64,
    /// Ids in it, BOS and EOS included.
    pub n_tokens: u64,
    /// Of the whole file.
    pub sha256: Digest,
}

/// One shard, mapped into memory and checked.
#[derive(Debug)]
pub struct Shard {
    path: PathBuf,
    bytes: Mapped,
    vocab_size: usize,
    file: u32,
    n_documents: usize,
    n_ids: usize,
    n_spans: usize,
    kind: Kind,
}

impl Shard {
    /// Opens a shard and checks its form: magic, version, lengths, table. Costs a pass over the
    /// table, not over the ids; those are covered by the digest in the shard set.
    ///
    /// # Errors
    /// [`Error::Read`], and [`Error::Shard`] for a foreign or damaged file.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let read = |source| Error::Read { path: path.to_owned(), source };
        let bytes = Mapped::open(path).map_err(read)?;
        let shard = |problem| Error::Shard { path: path.to_owned(), problem };
        let header = Header::parse(&bytes).map_err(shard)?;
        let opened = Self {
            path: path.to_owned(),
            bytes,
            vocab_size: header.vocab_size,
            file: header.file,
            n_documents: header.n_documents,
            n_ids: header.n_ids,
            n_spans: header.n_spans,
            kind: header.kind,
        };
        opened.check_table().map_err(shard)?;
        if let Some(silence) = opened.silence() {
            silence.check(|document| opened.document_len(document)).map_err(shard)?;
        }
        opened.check_halves().and_then(|()| opened.check_labels()).map_err(shard)?;
        Ok(opened)
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Documents in it.
    pub fn n_documents(&self) -> usize {
        self.n_documents
    }

    /// Ids in it.
    pub fn n_tokens(&self) -> usize {
        self.n_ids
    }

    /// Its ids are below this.
    pub fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    /// Ids of one document.
    pub fn document_len(&self, document: usize) -> usize {
        self.end(document) - self.start(document)
    }

    /// Copies the ids of a document from `start` on into `out`.
    pub fn read(&self, document: usize, start: usize, out: &mut [u32]) {
        let len = self.document_len(document);
        assert!(start + out.len() <= len, "ids {start}+{} of a document of {len}", out.len());
        let first = self.start(document) + start;
        let width = id_width(self.vocab_size);
        let bytes = &self.bytes[HEADER_BYTES + first * width..][..out.len() * width];
        if width == 2 {
            for (id, pair) in out.iter_mut().zip(bytes.as_chunks::<2>().0) {
                *id = u32::from(u16::from_le_bytes(*pair));
            }
        } else {
            for (id, quad) in out.iter_mut().zip(bytes.as_chunks::<4>().0) {
                *id = u32::from_le_bytes(*quad);
            }
        }
    }

    /// Where a document came from.
    pub fn origin(&self, document: usize) -> DocumentOrigin {
        assert!(document < self.n_documents, "document {document} of {}", self.n_documents);
        let at = self.table() + self.n_documents * END_BYTES + document * ORIGIN_BYTES;
        DocumentOrigin {
            file: self.file,
            row_group: u32_at(&self.bytes, at),
            row: u32_at(&self.bytes, at + 4),
        }
    }

    /// The digest of a document's ids, as [`TokenSource::ids_digest`](crate::TokenSource::ids_digest) has it.
    pub fn ids_digest(&self, document: usize) -> u64 {
        assert!(document < self.n_documents, "document {document} of {}", self.n_documents);
        let digests = self.table() + self.n_documents * (END_BYTES + ORIGIN_BYTES);
        u64_at(&self.bytes, digests + document * DIGEST_BYTES)
    }

    /// Whether some of its ids carry no loss.
    pub fn has_silent_ids(&self) -> bool {
        self.n_spans > 0
    }

    /// Says of each id of a document from `start` on whether it carries loss where it is predicted.
    pub fn read_mask(&self, document: usize, start: usize, mask: &mut [bool]) {
        mask.fill(true);
        for span in self.silent(document, start, mask.len()) {
            mask[span].fill(false);
        }
    }

    /// How many of `len` ids of a document from `start` on carry loss.
    pub fn n_supervised(&self, document: usize, start: usize, len: usize) -> usize {
        len - self.silent(document, start, len).map(|span| span.len()).sum::<usize>()
    }

    /// Where the second half of a pair begins; 0 in a shard of other documents.
    pub fn second_half(&self, document: usize) -> usize {
        assert!(document < self.n_documents, "document {document} of {}", self.n_documents);
        match self.kind {
            Kind::Pairs => u32_at(&self.bytes, self.last_table() + document * HALF_BYTES) as usize,
            Kind::Plain | Kind::Judged => 0,
        }
    }

    /// Whether the answer that a document ends with was liked; `None` in a shard of other documents.
    pub fn label(&self, document: usize) -> Option<bool> {
        assert!(document < self.n_documents, "document {document} of {}", self.n_documents);
        let label = || self.bytes[self.last_table() + document * LABEL_BYTES] == 1;
        (self.kind == Kind::Judged).then(label)
    }

    /// The spans without loss among `len` ids of a document from `start` on, counted from there.
    fn silent(
        &self,
        document: usize,
        start: usize,
        len: usize,
    ) -> impl Iterator<Item = Range<usize>> {
        let spans = self.silence().into_iter().flat_map(move |silence| silence.spans(document));
        spans
            .map(move |span| {
                let within = |at: usize| at.clamp(start, start + len) - start;
                within(span.start)..within(span.end)
            })
            .filter(|span| !span.is_empty())
    }

    fn silence(&self) -> Option<Silence<'_>> {
        let at = self.table() + self.n_documents * (END_BYTES + ORIGIN_BYTES + DIGEST_BYTES);
        (self.n_spans > 0).then(|| Silence::new(&self.bytes[at..], self.n_documents, self.n_spans))
    }

    fn start(&self, document: usize) -> usize {
        if document == 0 { 0 } else { self.end(document - 1) }
    }

    fn end(&self, document: usize) -> usize {
        assert!(document < self.n_documents, "document {document} of {}", self.n_documents);
        u64_at(&self.bytes, self.table() + document * END_BYTES) as usize
    }

    fn table(&self) -> usize {
        HEADER_BYTES + self.n_ids * id_width(self.vocab_size)
    }

    /// The table of what is known of documents beside their ids.
    fn last_table(&self) -> usize {
        self.bytes.len() - self.n_documents * self.kind.bytes()
    }

    fn check_labels(&self) -> Result<(), String> {
        let labels = match self.kind {
            Kind::Judged => &self.bytes[self.last_table()..],
            Kind::Plain | Kind::Pairs => &[],
        };
        match labels.iter().find(|label| **label > 1) {
            Some(label) => Err(format!("a label is {label}, expected 0 or 1")),
            None => Ok(()),
        }
    }

    fn check_halves(&self) -> Result<(), String> {
        let mut pairs = (0..self.n_documents).filter(|_| self.kind == Kind::Pairs);
        match pairs.find(|pair| !(1..self.document_len(*pair)).contains(&self.second_half(*pair))) {
            Some(pair) => Err(format!("a half of pair {pair} has no ids")),
            None => Ok(()),
        }
    }

    fn check_table(&self) -> Result<(), String> {
        let mut end = 0;
        let mut origin = None;
        for document in 0..self.n_documents {
            let next = self.end(document);
            if next < end {
                return Err(format!("document {document} ends before it starts"));
            }
            end = next;
            let next = Some(self.origin(document));
            if next <= origin {
                return Err(format!("document {document} comes out of order"));
            }
            origin = next;
        }
        if end == self.n_ids {
            Ok(())
        } else {
            Err(format!("its documents have {end} ids, its header says {}", self.n_ids))
        }
    }
}

#[cfg(test)]
mod tests;
