//! Writing a shard.

use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

use temper_recipe::{Digest, Hasher};

use super::header::{MAGIC, VERSION, id_width};
use super::{HEADER_BYTES, ShardInfo};
use crate::error::Error;
use crate::source::first_64_bits;
use crate::staged::Staged;

/// Writes one shard; dropped before [`ShardWriter::finish`], it leaves nothing.
#[derive(Debug)]
pub struct ShardWriter {
    out: BufWriter<Staged>,
    vocab_size: usize,
    file: u32,
    n_ids: u64,
    ends: Vec<u64>,
    origins: Vec<(u32, u32)>,
    /// Of the ids of each document, and of what is there of the one being written.
    digests: Vec<u64>,
    digest: Hasher,
    /// Spans of ids without loss, counted in ids of their documents, and where each document's end.
    silent: Vec<(u32, u32)>,
    silent_ends: Vec<u64>,
    /// Where the second half of each pair begins; empty where documents are no pairs.
    halves: Vec<u32>,
    /// Whether each answer was liked; empty where documents are no judged answers.
    labels: Vec<bool>,
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
        Ok(Self {
            out,
            vocab_size,
            file,
            n_ids: 0,
            ends: Vec::new(),
            origins: Vec::new(),
            digests: Vec::new(),
            digest: Hasher::new(),
            silent: Vec::new(),
            silent_ends: Vec::new(),
            halves: Vec::new(),
            labels: Vec::new(),
        })
    }

    /// Appends ids that carry no loss to the document being written.
    ///
    /// # Errors
    /// As [`ShardWriter::push_ids`].
    pub fn push_silent_ids(&mut self, ids: &[u32]) -> Result<(), Error> {
        let start = self.document_len();
        self.push_ids(ids)?;
        let end = self.document_len();
        let first = self.silent_ends.last().map_or(0, |end| *end as usize);
        match self.silent[first..].last_mut() {
            Some(last) if last.1 == start => last.1 = end,
            _ if start < end => self.silent.push((start, end)),
            _ => {}
        }
        Ok(())
    }

    /// What follows is the second half of the document being written, which is a pair.
    pub fn begin_second_half(&mut self) {
        self.halves.push(self.document_len());
    }

    /// The document being written ends with an answer that was liked or was not.
    pub fn judge(&mut self, label: bool) {
        self.labels.push(label);
    }

    /// Ids of the document being written.
    fn document_len(&self) -> u32 {
        let len = self.n_ids - self.ends.last().copied().unwrap_or(0);
        u32::try_from(len).expect("a document is at most 64 MB of text")
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
        ids.iter().for_each(|id| self.digest.update(&id.to_le_bytes()));
        self.n_ids += ids.len() as u64;
        Ok(())
    }

    /// Ends the document being written; it came from this row.
    ///
    /// # Errors
    /// [`Error::Shard`] when rows do not come in order, or when only some are pairs or judged answers.
    pub fn end_document(&mut self, row_group: u32, row: u32) -> Result<(), Error> {
        if self.origins.last().is_some_and(|last| *last >= (row_group, row)) {
            let problem = format!("row {row} of row group {row_group} comes out of order");
            return Err(Error::Shard { path: self.path().to_owned(), problem });
        }
        let n_pairs = self.halves.len();
        if n_pairs != 0 && n_pairs != self.ends.len() + 1 {
            let problem = format!("row {row} of row group {row_group} is no pair, others are");
            return Err(Error::Shard { path: self.path().to_owned(), problem });
        }
        let n_labels = self.labels.len();
        if n_labels != 0 && n_labels != self.ends.len() + 1 {
            let problem = format!("row {row} of row group {row_group} is not judged, others are");
            return Err(Error::Shard { path: self.path().to_owned(), problem });
        }
        self.ends.push(self.n_ids);
        self.origins.push((row_group, row));
        if let Some(label) = self.labels.last() {
            self.digest.update(&[u8::from(*label)]);
        }
        let digest = std::mem::replace(&mut self.digest, Hasher::new()).finish();
        self.digests.push(first_64_bits(&digest));
        self.silent_ends.push(self.silent.len() as u64);
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
        for digest in &self.digests {
            self.out.write_all(&digest.to_le_bytes())?;
        }
        if !self.silent.is_empty() {
            for end in &self.silent_ends {
                self.out.write_all(&end.to_le_bytes())?;
            }
            for (start, end) in &self.silent {
                self.out.write_all(&start.to_le_bytes())?;
                self.out.write_all(&end.to_le_bytes())?;
            }
        }
        for half in &self.halves {
            self.out.write_all(&half.to_le_bytes())?;
        }
        let labels: Vec<u8> = self.labels.iter().map(|label| u8::from(*label)).collect();
        self.out.write_all(&labels)?;
        self.out.seek(SeekFrom::Start(0))?;
        self.out.write_all(&MAGIC)?;
        self.out.write_all(&VERSION.to_le_bytes())?;
        self.out.write_all(&(id_width(self.vocab_size) as u32).to_le_bytes())?;
        self.out.write_all(&(self.vocab_size as u64).to_le_bytes())?;
        self.out.write_all(&(self.ends.len() as u64).to_le_bytes())?;
        self.out.write_all(&self.n_ids.to_le_bytes())?;
        self.out.write_all(&self.file.to_le_bytes())?;
        self.out.write_all(&(self.silent.len() as u64).to_le_bytes())?;
        let kind: u32 = match (self.halves.is_empty(), self.labels.is_empty()) {
            (true, true) => 0,
            (false, _) => 1,
            (true, false) => 2,
        };
        self.out.write_all(&kind.to_le_bytes())?;
        self.out.flush()
    }

    fn path(&self) -> &Path {
        self.out.get_ref().path()
    }

    fn failed(&self, source: io::Error) -> Error {
        Error::Write { path: self.path().to_owned(), source }
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
