//! Which ids of a shard carry no loss: the parts of conversations that are there to be read.

use std::ops::Range;

use super::header::{u32_at, u64_at};
use super::{END_BYTES, SPAN_BYTES};

/// The last two tables of a shard that has such ids.
#[derive(Clone, Copy)]
pub(super) struct Silence<'a> {
    ends: &'a [u8],
    spans: &'a [u8],
}

impl<'a> Silence<'a> {
    /// `tables` is what follows the origins of so many documents, as long as the header implies.
    pub(super) fn new(tables: &'a [u8], n_documents: usize, n_spans: usize) -> Self {
        let (ends, spans) = tables.split_at(n_documents * END_BYTES);
        Self { ends, spans: &spans[..n_spans * SPAN_BYTES] }
    }

    /// The spans of one document, in order.
    pub(super) fn spans(self, document: usize) -> impl Iterator<Item = Range<usize>> + use<'a> {
        let first = document.checked_sub(1).map_or(0, |before| self.end(before));
        (first..self.end(document)).map(move |span| self.span(span))
    }

    /// That spans are in order within their documents.
    pub(super) fn check(self, document_len: impl Fn(usize) -> usize) -> Result<(), String> {
        let (n_documents, n_spans) = (self.ends.len() / END_BYTES, self.spans.len() / SPAN_BYTES);
        let mut first = 0;
        for document in 0..n_documents {
            let end = self.end(document);
            if end < first || end > n_spans {
                return Err(format!("the spans of document {document} end before they start"));
            }
            let mut last = 0;
            for Range { start, end } in (first..end).map(|span| self.span(span)) {
                if start < last || end <= start {
                    return Err(format!("the spans of document {document} come out of order"));
                }
                last = end;
            }
            if last > document_len(document) {
                return Err(format!("a span of document {document} ends behind it"));
            }
            first = end;
        }
        if first == n_spans {
            Ok(())
        } else {
            Err(format!("its documents have {first} spans, its header says {n_spans}"))
        }
    }

    fn end(self, document: usize) -> usize {
        u64_at(self.ends, document * END_BYTES) as usize
    }

    fn span(self, span: usize) -> Range<usize> {
        let at = span * SPAN_BYTES;
        u32_at(self.spans, at) as usize..u32_at(self.spans, at + 4) as usize
    }
}
