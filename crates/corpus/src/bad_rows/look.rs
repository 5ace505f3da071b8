//! A look at one row, as tokenizing would see it.

use temper_tokens::{DocumentOrigin, Fit, RowLimit, Tokenizer};

use crate::answers::Answer;
use crate::chat_format::{ChatFormat, Encoded};
use crate::corpus::Corpus;
use crate::documents::Document;
use crate::error::Error;

/// A document and the answer beside it, where answers are looked at.
pub(super) type Row = (Result<Document, Error>, Option<Result<Answer, Error>>);

/// How long a row is that can be learned from.
pub(super) struct Length {
    pub(super) origin: DocumentOrigin,
    pub(super) n_positions: u64,
    /// What becomes of it if some ids of the corpus carry no loss, as most conversations have them.
    pub(super) fit: Fit,
    /// Whether some ids of it do.
    pub(super) has_silent_ids: bool,
    /// Whether its answer was liked, where judgements are learned from.
    pub(super) label: Option<bool>,
}

/// Refuses a text that is not there or cannot be cut into what a tokenizer takes.
pub(super) fn check_text(
    corpus: &Corpus,
    tokenizer: &Tokenizer,
    document: Result<Document, Error>,
) -> Result<(), Error> {
    let document = document?;
    let refused = tokenizer.pieces(&document.text()).err();
    refused.map_or(Ok(()), |source| {
        Err(Error::Document { place: corpus.place(document.origin), source })
    })
}

/// Refuses a row that cannot be learned from; says of another one how long it is.
pub(super) fn look(
    corpus: &Corpus,
    tokenizer: &Tokenizer,
    chat: ChatFormat<'_>,
    limit: Option<RowLimit>,
    (document, answer): Row,
) -> Result<Length, Error> {
    let document = document?;
    let encoded = chat.encode(&document.content, tokenizer).map_err(|source| {
        let (place, source) = (corpus.place(document.origin), Box::new(source));
        Error::Row { place, source }
    })?;
    match (chat.references, answer) {
        (Some(references), Some(Ok(answer))) => references.check_answer(corpus, &answer)?,
        (_, Some(Err(error))) => return Err(error),
        (None, Some(Ok(_))) | (_, None) => {}
    }
    Ok(length(document.origin, &encoded, limit))
}

fn length(origin: DocumentOrigin, encoded: &Encoded, limit: Option<RowLimit>) -> Length {
    let Encoded { chat, rejected, label } = encoded;
    let halves = || std::iter::once(chat).chain(rejected);
    let n_ids: usize = halves().map(|chat| chat.ids.len()).sum();
    let n_supervised = |len: usize| {
        let after_first = halves().flat_map(|chat| &chat.assistant_mask).skip(1);
        after_first.take(len).filter(|carries| **carries).count()
    };
    Length {
        origin,
        n_positions: n_ids.saturating_sub(1) as u64,
        fit: limit.map_or(Fit::Whole, |limit| limit.fit(n_ids, true, n_supervised)),
        has_silent_ids: halves().any(|chat| chat.assistant_mask.contains(&false)),
        label: *label,
    }
}
