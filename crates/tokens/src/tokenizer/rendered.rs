//! Ids of a text that a chat template made, where the names of special tokens mean those tokens.

use std::ops::Range;

use tokenizers::tokenizer::{Model as _, OffsetType, PreTokenizer as _, Result as Tokenized};

use super::{LONGEST_PIECE_BYTES, Tokenizer};
use crate::error::Error;
use crate::pieces::{self, PIECE_BYTES};

impl Tokenizer {
    /// The ids of `text` and the bytes of it that each stands for; nothing added. Special tokens
    /// are recognised by their names, unlike in [`Tokenizer::encode`]: this is for text that a
    /// template made, not for data.
    ///
    /// # Errors
    /// [`Error::LongPiece`] for a text beyond [`LONGEST_PIECE_BYTES`] that has no safe place to cut,
    /// [`Error::Encode`].
    pub fn encode_rendered(&self, text: &str) -> Result<Vec<(u32, Range<usize>)>, Error> {
        let piece_bytes = if self.rendered_cuttable { PIECE_BYTES } else { usize::MAX };
        let mut tokens = Vec::with_capacity(text.len() / 3);
        let mut start = 0;
        for piece in pieces::cut(text, piece_bytes) {
            if piece.len() > LONGEST_PIECE_BYTES {
                return Err(Error::LongPiece { bytes: piece.len(), limit: LONGEST_PIECE_BYTES });
            }
            let encoded = self.encode_rendered_piece(piece).map_err(|error| Error::Encode {
                beginning: piece.chars().take(40).collect(),
                problem: error.to_string(),
            })?;
            let shifted = |(id, (from, to)): (u32, (usize, usize))| (id, start + from..start + to);
            tokens.extend(encoded.into_iter().map(shifted));
            start += piece.len();
        }
        Ok(tokens)
    }

    /// The steps of the library's own `encode`, with special tokens recognised.
    fn encode_rendered_piece(&self, piece: &str) -> Tokenized<Vec<(u32, (usize, usize))>> {
        let inner = &self.inner;
        let mut split = self.added.extract_and_normalize(inner.get_normalizer(), piece);
        if let Some(pre_tokenizer) = inner.get_pre_tokenizer() {
            pre_tokenizer.pre_tokenize(&mut split)?;
        }
        split.tokenize(|part| inner.get_model().tokenize(part.get()))?;
        let encoding = split.into_encoding(None, 0, OffsetType::Byte)?;
        // It adds nothing, and may take the space off a word's offsets.
        let encoding = inner.post_process(encoding, None, false)?;
        let offsets = encoding.get_offsets().iter().copied();
        Ok(encoding.get_ids().iter().copied().zip(offsets).collect())
    }
}
