//! The rows of one source, in order.

use std::sync::Arc;

use temper_tokens::TokenSource;

use crate::cursor::SourceCursor;
use crate::order::Permutation;
use crate::pack::{Segment, best_fit};
use crate::stream::Stream;

/// What decides the rows of a source, besides its documents.
#[derive(Clone, Debug)]
pub(crate) struct RowSpec {
    pub(crate) seed: u64,
    pub(crate) source: String,
    pub(crate) row_len: u32,
    pub(crate) window: u64,
    pub(crate) max_epochs: u32,
}

/// A source being read: it holds the rows of one window.
pub(crate) struct SourceRows {
    spec: RowSpec,
    tokens: Arc<dyn TokenSource + Send>,
    cursor: SourceCursor,
    rows: Vec<Vec<Segment>>,
}

impl SourceRows {
    /// Reads on from `cursor`. Packs one window.
    pub(crate) fn at(
        spec: RowSpec,
        tokens: Arc<dyn TokenSource + Send>,
        cursor: SourceCursor,
    ) -> Self {
        let mut rows = Self { spec, tokens, cursor, rows: Vec::new() };
        rows.load();
        rows
    }

    /// Where the next row stands.
    pub(crate) fn cursor(&self) -> SourceCursor {
        self.cursor
    }

    /// Tokens in the next row; `None` after the last epoch.
    pub(crate) fn next_len(&self) -> Option<u64> {
        let row = self.rows.get(self.cursor.row as usize)?;
        Some(row.iter().map(|segment| u64::from(segment.len)).sum())
    }

    /// Takes the next row with its epoch.
    pub(crate) fn take(&mut self) -> Option<(u32, Vec<Segment>)> {
        let epoch = self.cursor.epoch;
        let tokens = self.next_len()?;
        let row = std::mem::take(&mut self.rows[self.cursor.row as usize]);
        self.cursor.drawn += tokens;
        self.cursor.row += 1;
        if self.cursor.row as usize == self.rows.len() {
            self.next_window();
            self.load();
        }
        Some((epoch, row))
    }

    fn n_windows(&self) -> u64 {
        (self.tokens.n_documents() as u64).div_ceil(self.spec.window)
    }

    fn next_window(&mut self) {
        self.cursor.row = 0;
        self.cursor.window += 1;
        if self.cursor.window >= self.n_windows() {
            self.cursor.window = 0;
            self.cursor.epoch += 1;
        }
    }

    /// Packs the window under the cursor, passing over windows without a single position.
    fn load(&mut self) {
        self.rows.clear();
        while self.cursor.epoch < self.spec.max_epochs {
            self.rows = self.pack_window();
            if !self.rows.is_empty() {
                return;
            }
            self.next_window();
        }
    }

    fn pack_window(&self) -> Vec<Vec<Segment>> {
        let SourceCursor { epoch, window, .. } = self.cursor;
        let RowSpec { seed, source, row_len, window: window_len, .. } = &self.spec;
        let n_documents = self.tokens.n_documents() as u64;
        let mut stream = Stream::new(*seed, &["order", source], u64::from(epoch));
        let order = Permutation::new(n_documents, &mut stream);
        let first = window * window_len;
        let documents = (first..(first + window_len).min(n_documents)).map(|at| order.at(at));
        let mut rows = best_fit(self.tokens.as_ref(), documents, *row_len);
        // Packing sorts by length; without this a window would run from long to short documents.
        let epoch = epoch.to_string();
        Stream::new(*seed, &["rows", source, &epoch], window).shuffle(&mut rows);
        rows
    }
}
