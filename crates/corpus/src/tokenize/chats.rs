//! Conversations into the shard being written, with what of them carries loss.

use std::sync::atomic::Ordering;

use rayon::prelude::*;
use temper_tokens::{DocumentOrigin, ShardWriter, TokenizedChat};

use super::Work;
use crate::chat_format::{ChatFormat, Encoded};
use crate::documents::Document;
use crate::error::Error;

/// Conversations are encoded in groups of so many.
const GROUP_CONVERSATIONS: usize = 256;

impl Work<'_> {
    /// Appends `batch`, in order.
    pub(super) fn encode_conversations(
        &mut self,
        writer: &mut ShardWriter,
        chat: ChatFormat<'_>,
        batch: &[Document],
    ) -> Result<(), Error> {
        let encode = |document: &Document| chat.encode(&document.content, self.tokenizer);
        for group in batch.chunks(GROUP_CONVERSATIONS) {
            if self.stop.load(Ordering::Relaxed) {
                return Err(self.stopped());
            }
            let encoded: Vec<_> = group.par_iter().map(encode).collect();
            let before = writer.n_tokens();
            for (document, encoded) in group.iter().zip(encoded) {
                let encoded = encoded.map_err(|source| Error::Row {
                    place: self.place(document.origin),
                    source: Box::new(source),
                })?;
                self.done.bytes += push(writer, document.origin, &encoded)?;
                self.done.documents += 1;
            }
            self.done.tokens += writer.n_tokens() - before;
            self.report();
        }
        Ok(())
    }
}

/// Appends a document; the bytes of text in it.
fn push(
    writer: &mut ShardWriter,
    origin: DocumentOrigin,
    document: &Encoded,
) -> Result<u64, Error> {
    let Encoded { chat, rejected, label } = document;
    push_chat(writer, chat)?;
    if let Some(rejected) = rejected {
        writer.begin_second_half();
        push_chat(writer, rejected)?;
    }
    if let Some(label) = label {
        writer.judge(*label);
    }
    writer.end_document(origin.row_group, origin.row)?;
    Ok(std::iter::once(chat).chain(rejected).map(|chat| chat.text.len() as u64).sum())
}

/// Appends the ids of a conversation to the document being written.
fn push_chat(writer: &mut ShardWriter, chat: &TokenizedChat) -> Result<(), Error> {
    let mut start = 0;
    for run in chat.assistant_mask.chunk_by(|a, b| a == b) {
        let ids = &chat.ids[start..start + run.len()];
        match run[0] {
            true => writer.push_ids(ids)?,
            false => writer.push_silent_ids(ids)?,
        }
        start += run.len();
    }
    Ok(())
}
