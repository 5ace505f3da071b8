//! The front of a shard, and how its numbers are stored.

use super::{
    DIGEST_BYTES, END_BYTES, HALF_BYTES, HEADER_BYTES, LABEL_BYTES, ORIGIN_BYTES, SPAN_BYTES,
};

pub(super) const MAGIC: [u8; 8] = *b"TEMPTOK\n";
pub(super) const VERSION: u32 = 2;

/// The front of a shard, consistent with the length of the file.
pub(super) struct Header {
    pub(super) vocab_size: usize,
    pub(super) file: u32,
    pub(super) n_documents: usize,
    pub(super) n_ids: usize,
    pub(super) n_spans: usize,
    pub(super) kind: Kind,
}

/// What is known of a shard's documents beside their ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing.
    Plain,
    /// Where the second halves of pairs begin.
    Pairs,
    /// Whether answers were liked.
    Judged,
}

impl Kind {
    /// Bytes of a document in the last table.
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::Plain => 0,
            Self::Pairs => HALF_BYTES,
            Self::Judged => LABEL_BYTES,
        }
    }
}

impl Header {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
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
        let (n_documents, n_ids, n_spans) =
            (u64_at(bytes, 24), u64_at(bytes, 32), u64_at(bytes, 44));
        let kind = match u32_at(bytes, 52) {
            0 => Kind::Plain,
            1 => Kind::Pairs,
            2 => Kind::Judged,
            other => return Err(format!("documents of kind {other}, expected 0, 1 or 2")),
        };
        let of_document = END_BYTES
            + ORIGIN_BYTES
            + DIGEST_BYTES
            + if n_spans > 0 { END_BYTES } else { 0 }
            + kind.bytes();
        let expected = u128::from(n_ids) * width as u128
            + u128::from(n_documents) * of_document as u128
            + u128::from(n_spans) * SPAN_BYTES as u128
            + HEADER_BYTES as u128;
        if expected != bytes.len() as u128 {
            return Err(format!(
                "{} bytes, its header ({n_documents} documents, {n_ids} ids, {n_spans} spans) implies {expected}",
                bytes.len()
            ));
        }
        // All fit because the file that holds them is mapped.
        Ok(Self {
            vocab_size,
            file: u32_at(bytes, 40),
            n_documents: n_documents as usize,
            n_ids: n_ids as usize,
            n_spans: n_spans as usize,
            kind,
        })
    }
}

/// Bytes per id: the smallest of two and four that holds every id.
pub(super) fn id_width(vocab_size: usize) -> usize {
    if vocab_size <= 1 << 16 { 2 } else { 4 }
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}
