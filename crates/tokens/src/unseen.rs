//! A source without the documents that were trained on before.

use std::sync::Arc;

use crate::source::{DocumentOrigin, TokenSource};

/// Documents keep their numbers; those that were seen have no ids, so that no row holds any of them.
pub struct Unseen {
    source: Arc<dyn TokenSource + Send>,
    /// By document.
    is_seen: Vec<bool>,
}

impl Unseen {
    /// `source` without the documents `seen`; numbers that no document has are passed over.
    pub fn new(source: Arc<dyn TokenSource + Send>, seen: &[u64]) -> Self {
        let mut is_seen = vec![false; source.n_documents()];
        for document in seen {
            if let Some(is_seen) = is_seen.get_mut(*document as usize) {
                *is_seen = true;
            }
        }
        Self { source, is_seen }
    }
}

impl TokenSource for Unseen {
    fn n_documents(&self) -> usize {
        self.source.n_documents()
    }

    fn document_len(&self, document: usize) -> usize {
        if self.is_seen[document] { 0 } else { self.source.document_len(document) }
    }

    fn has_silent_ids(&self) -> bool {
        self.source.has_silent_ids()
    }

    fn read_mask(&self, document: usize, start: usize, mask: &mut [bool]) {
        self.source.read_mask(document, start, mask);
    }

    fn n_supervised(&self, document: usize, start: usize, len: usize) -> usize {
        self.source.n_supervised(document, start, len)
    }

    fn second_half(&self, document: usize) -> usize {
        self.source.second_half(document)
    }

    fn label(&self, document: usize) -> Option<bool> {
        self.source.label(document)
    }

    fn read(&self, document: usize, start: usize, out: &mut [u32]) {
        self.source.read(document, start, out);
    }

    fn origin(&self, document: usize) -> DocumentOrigin {
        self.source.origin(document)
    }

    fn ids_digest(&self, document: usize) -> u64 {
        self.source.ids_digest(document)
    }
}

impl std::fmt::Debug for Unseen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let n_seen = self.is_seen.iter().filter(|is_seen| **is_seen).count();
        f.debug_struct("Unseen").field("n_seen", &n_seen).finish_non_exhaustive()
    }
}
