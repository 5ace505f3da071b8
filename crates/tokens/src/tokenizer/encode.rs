//! Text to ids, piece by piece, on all cores.

use rayon::prelude::*;

use super::Tokenizer;
use crate::error::Error;
use crate::pieces::{self, PIECE_BYTES};

/// The longest stretch of text that is encoded in one go. The library keeps up to three
/// hundred bytes for each byte of it.
pub const LONGEST_PIECE_BYTES: usize = 1 << 20;

/// Longer pieces are encoded one after the other, so that memory does not grow with the cores.
const SIDE_BY_SIDE_BYTES: usize = 4 * PIECE_BYTES;

impl Tokenizer {
    /// The ids of `text`, nothing added.
    ///
    /// # Errors
    /// [`Error::LongPiece`], [`Error::Encode`].
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, Error> {
        let mut ids = Vec::with_capacity(text.len() / 3);
        for piece in self.pieces(text)? {
            ids.extend(self.encode_piece(piece)?);
        }
        Ok(ids)
    }

    /// The ids of each text, nothing added; on all cores.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`], for the first text that has one.
    pub fn encode_batch(&self, texts: &[&str]) -> Result<Vec<Vec<u32>>, Error> {
        let mut pieces = Vec::new();
        for (text, whole) in texts.iter().enumerate() {
            pieces.extend(self.pieces(whole)?.into_iter().map(|piece| (text, piece)));
        }
        let mut ids = vec![Vec::new(); texts.len()];
        let encoded =
            self.encode_pieces(&pieces.iter().map(|(_, piece)| *piece).collect::<Vec<_>>())?;
        for ((text, _), piece) in pieces.iter().zip(encoded) {
            ids[*text].extend(piece);
        }
        Ok(ids)
    }

    /// Cuts a text into parts whose ids, one after the other, are the ids of the whole.
    ///
    /// # Errors
    /// [`Error::LongPiece`] when a part is longer than [`LONGEST_PIECE_BYTES`]: this tokenizer
    /// knows no safe cut there.
    pub fn pieces<'a>(&self, text: &'a str) -> Result<Vec<&'a str>, Error> {
        let piece_bytes = if self.cuttable { PIECE_BYTES } else { usize::MAX };
        let pieces: Vec<&str> = pieces::cut(text, piece_bytes).collect();
        match pieces.iter().find(|piece| piece.len() > LONGEST_PIECE_BYTES) {
            Some(piece) => Err(Error::LongPiece { bytes: piece.len(), limit: LONGEST_PIECE_BYTES }),
            None => Ok(pieces),
        }
    }

    /// The ids of each piece of [`Tokenizer::pieces`], on all cores. Memory beside the ids is up to
    /// three hundred times the pieces being encoded: one of at most 64 KiB per core, or a longer
    /// one alone.
    ///
    /// # Errors
    /// [`Error::Encode`] for the first piece that has one.
    pub fn encode_pieces(&self, pieces: &[&str]) -> Result<Vec<Vec<u32>>, Error> {
        let is_short = |piece: &&str| piece.len() <= SIDE_BY_SIDE_BYTES;
        let short: Vec<&str> = pieces.iter().copied().filter(is_short).collect();
        let short: Vec<_> = short.par_iter().map(|piece| self.encode_piece(piece)).collect();
        let mut short = short.into_iter();
        let mut encoded = Vec::with_capacity(pieces.len());
        for piece in pieces {
            let next = if is_short(piece) { short.next() } else { None };
            encoded.push(next.unwrap_or_else(|| self.encode_piece(piece))?);
        }
        Ok(encoded)
    }

    pub(super) fn encode_piece(&self, piece: &str) -> Result<Vec<u32>, Error> {
        let failed =
            |problem| Error::Encode { beginning: piece.chars().take(40).collect(), problem };
        let encoding =
            self.inner.encode_fast(piece, false).map_err(|error| failed(error.to_string()))?;
        let ids = encoding.get_ids();
        match ids.iter().find(|id| self.is_special[**id as usize]) {
            Some(id) => Err(failed(format!(
                "its characters become the special token `{}`",
                self.inner.id_to_token(*id).unwrap_or_default()
            ))),
            None => Ok(ids.to_vec()),
        }
    }
}
