//! Token ids on disk.
//!
//! A shard holds documents of one file of a corpus, in order. All numbers are little-endian.
//!
//! ```text
//! offset  bytes                what
//! 0       8                    magic `TEMPTOK\n`
//! 8       4                    version, 1
//! 12      4                    width of an id: 2 up to a vocabulary of 65,536, else 4
//! 16      8                    vocabulary: every id is below it
//! 24      8                    n: documents
//! 32      8                    m: ids
//! 40      4                    index of the file in the manifest
//! 44      20                   zero
//! 64      m × width            ids, document after document
//! then    n × 8                end of each document, counted in ids
//! then    n × 8                row group (4) and row (4) of each document, increasing
//! ```
//!
//! The table comes last because the writer knows it last; memory for writing is the table alone.

use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use temper_recipe::Digest;

use crate::error::Error;
use crate::mapped::Mapped;
use crate::source::DocumentOrigin;
use crate::staged::Staged;

const MAGIC: [u8; 8] = *b"TEMPTOK\n";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 64;
const END_BYTES: usize = 8;
const ORIGIN_BYTES: usize = 8;

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

/// Writes one shard; dropped before [`ShardWriter::finish`], it leaves nothing.
#[derive(Debug)]
pub struct ShardWriter {
    out: BufWriter<Staged>,
    vocab_size: usize,
    file: u32,
    n_ids: u64,
    ends: Vec<u64>,
    origins: Vec<(u32, u32)>,
}

impl ShardWriter {
    /// Starts a shard at `path` for ids below `vocab_size` from file number `file` of the manifest.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn create(path: &Path, vocab_size: usize, file: u32) -> Result<Self, Error> {
        let mut out = BufWriter::with_capacity(1 << 18, Staged::create(path)?);
        let room = out.write_all(&[0; HEADER_BYTES]);
        room.map_err(|source| Error::Write { path: path.to_owned(), source })?;
        Ok(Self { out, vocab_size, file, n_ids: 0, ends: Vec::new(), origins: Vec::new() })
    }

    /// Appends ids to the document being written.
    ///
    /// # Errors
    /// [`Error::IdOutOfVocabulary`] and [`Error::Write`].
    pub fn push_ids(&mut self, ids: &[u32]) -> Result<(), Error> {
        if let Some(id) = ids.iter().find(|id| **id as usize >= self.vocab_size) {
            let path = self.path().to_owned();
            return Err(Error::IdOutOfVocabulary { path, id: *id, vocab_size: self.vocab_size });
        }
        let written = match id_width(self.vocab_size) {
            // The check above makes the narrowing exact.
            2 => ids.iter().try_for_each(|id| self.out.write_all(&(*id as u16).to_le_bytes())),
            _ => ids.iter().try_for_each(|id| self.out.write_all(&id.to_le_bytes())),
        };
        written.map_err(|source| self.failed(source))?;
        self.n_ids += ids.len() as u64;
        Ok(())
    }

    /// Ends the document being written; it came from this row.
    ///
    /// # Errors
    /// [`Error::Shard`] when rows do not come in order.
    pub fn end_document(&mut self, row_group: u32, row: u32) -> Result<(), Error> {
        if self.origins.last().is_some_and(|last| *last >= (row_group, row)) {
            let problem = format!("row {row} of row group {row_group} comes out of order");
            return Err(Error::Shard { path: self.path().to_owned(), problem });
        }
        self.ends.push(self.n_ids);
        self.origins.push((row_group, row));
        Ok(())
    }

    /// Documents ended so far.
    pub fn n_documents(&self) -> u64 {
        self.ends.len() as u64
    }

    /// Ids so far.
    pub fn n_tokens(&self) -> u64 {
        self.n_ids
    }

    /// Makes the shard visible under its name.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn finish(mut self) -> Result<ShardInfo, Error> {
        self.write_table().map_err(|source| self.failed(source))?;
        let path = self.path().to_owned();
        let Self { out, n_ids, ends, .. } = self;
        let staged = out
            .into_inner()
            .map_err(|failed| Error::Write { path: path.clone(), source: failed.into_error() })?;
        // The header was written last at the front, so the digest takes a second look at the file.
        let sha256 = Digest::of_file(staged.partial_path())
            .map_err(|source| Error::Read { path: path.clone(), source })?;
        staged.commit()?;
        Ok(ShardInfo {
            file_name: file_name(&path),
            n_documents: ends.len() as u64,
            n_tokens: n_ids,
            sha256,
        })
    }

    fn write_table(&mut self) -> io::Result<()> {
        for end in &self.ends {
            self.out.write_all(&end.to_le_bytes())?;
        }
        for (row_group, row) in &self.origins {
            self.out.write_all(&row_group.to_le_bytes())?;
            self.out.write_all(&row.to_le_bytes())?;
        }
        self.out.seek(SeekFrom::Start(0))?;
        self.out.write_all(&MAGIC)?;
        self.out.write_all(&VERSION.to_le_bytes())?;
        self.out.write_all(&(id_width(self.vocab_size) as u32).to_le_bytes())?;
        self.out.write_all(&(self.vocab_size as u64).to_le_bytes())?;
        self.out.write_all(&(self.ends.len() as u64).to_le_bytes())?;
        self.out.write_all(&self.n_ids.to_le_bytes())?;
        self.out.write_all(&self.file.to_le_bytes())?;
        self.out.flush()
    }

    fn path(&self) -> &Path {
        self.out.get_ref().path()
    }

    fn failed(&self, source: io::Error) -> Error {
        Error::Write { path: self.path().to_owned(), source }
    }
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
        };
        opened.check_table().map_err(shard)?;
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

/// The front of a shard, consistent with the length of the file.
struct Header {
    vocab_size: usize,
    file: u32,
    n_documents: usize,
    n_ids: usize,
}

impl Header {
    fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() < HEADER_BYTES || bytes[..8] != MAGIC {
            return Err(format!("{} bytes that do not begin as a shard does", bytes.len()));
        }
        let version = u32_at(bytes, 8);
        if version != VERSION {
            return Err(format!("version {version}, expected {VERSION}"));
        }
        let vocab_size = u64_at(bytes, 16);
        let width = u32_at(bytes, 12) as usize;
        let vocab_size = usize::try_from(vocab_size)
            .ok()
            .filter(|size| id_width(*size) == width && *size <= u32::MAX as usize)
            .ok_or_else(|| format!("ids of {width} bytes for a vocabulary of {vocab_size}"))?;
        let (n_documents, n_ids) = (u64_at(bytes, 24), u64_at(bytes, 32));
        let expected = u128::from(n_ids) * width as u128
            + u128::from(n_documents) * (END_BYTES + ORIGIN_BYTES) as u128
            + HEADER_BYTES as u128;
        if expected != bytes.len() as u128 {
            return Err(format!(
                "{} bytes, its header ({n_documents} documents, {n_ids} ids) implies {expected}",
                bytes.len()
            ));
        }
        // Both fit because the file that holds them is mapped.
        Ok(Self {
            vocab_size,
            file: u32_at(bytes, 40),
            n_documents: n_documents as usize,
            n_ids: n_ids as usize,
        })
    }
}

/// Bytes per id: the smallest of two and four that holds every id.
fn id_width(vocab_size: usize) -> usize {
    if vocab_size <= 1 << 16 { 2 } else { 4 }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests;
