//! Texts into the shard being written, long ones piece by piece.

use std::sync::atomic::Ordering;

use temper_tokens::ShardWriter;

use super::Work;
use super::pieces::{Piece, groups};
use crate::documents::{Content, Document};
use crate::error::Error;

impl Work<'_> {
    /// Appends `batch`, in order.
    pub(super) fn encode_texts(
        &mut self,
        writer: &mut ShardWriter,
        batch: &[Document],
    ) -> Result<(), Error> {
        let pieces = self.pieces(batch)?;
        let (bos, eos) = self.tokenizer.specials(self.policy)?;
        for group in groups(&pieces) {
            if self.stop.load(Ordering::Relaxed) {
                return Err(self.stopped());
            }
            let group = &pieces[group];
            let texts: Vec<&str> = group.iter().map(|piece| piece.text).collect();
            let encoded =
                self.tokenizer.encode_pieces(&texts).map_err(|error| self.refused(group, error))?;
            let before = writer.n_tokens();
            for (piece, ids) in group.iter().zip(encoded) {
                if let Some(bos) = bos.filter(|_| piece.is_first) {
                    writer.push_ids(&[bos])?;
                }
                writer.push_ids(&ids)?;
                if piece.is_last {
                    writer.push_ids(eos.as_slice())?;
                    writer.end_document(piece.origin.row_group, piece.origin.row)?;
                    self.done.documents += 1;
                }
                self.done.bytes += piece.text.len() as u64;
            }
            self.done.tokens += writer.n_tokens() - before;
            self.report();
        }
        Ok(())
    }

    fn pieces<'a>(&self, batch: &'a [Document]) -> Result<Vec<Piece<'a>>, Error> {
        let mut pieces = Vec::with_capacity(batch.len());
        for document in batch {
            let Content::Text(text) = &document.content else {
                unreachable!("a corpus of texts holds nothing else")
            };
            let mut texts = self
                .tokenizer
                .pieces(text)
                .map_err(|source| Error::Document { place: self.place(document.origin), source })?;
            // An empty document has an empty piece, so that it is not forgotten.
            if texts.is_empty() {
                texts.push("");
            }
            let last = texts.len() - 1;
            pieces.extend(texts.into_iter().enumerate().map(|(i, text)| Piece {
                text,
                origin: document.origin,
                is_first: i == 0,
                is_last: i == last,
            }));
        }
        Ok(pieces)
    }

    /// The error of a group, with the document that caused it.
    fn refused(&self, group: &[Piece<'_>], error: temper_tokens::Error) -> Error {
        // Encoded again one by one: the price of an error, not of every group.
        let cause = group.iter().find_map(|piece| {
            let source = self.tokenizer.encode_pieces(&[piece.text]).err()?;
            Some(Error::Document { place: self.place(piece.origin), source })
        });
        cause.unwrap_or(Error::Tokens(error))
    }
}
