//! The rows of one source, in order.

use std::sync::Arc;

use temper_recipe::{Exhausted, Packing, Unit};
use temper_tokens::TokenSource;

use crate::cursor::SourceCursor;
use crate::order::Permutation;
use crate::pack::{Rows, Segment, pack};
use crate::packed::Packed;
use crate::spec::{PlanSource, PlanSpec};
use crate::stream::Stream;

/// What decides the rows of a source, besides its documents.
#[derive(Clone, Debug)]
pub(crate) struct RowSpec {
    pub(crate) seed: u64,
    pub(crate) source: String,
    pub(crate) packing: Packing,
    pub(crate) row_len: u32,
    pub(crate) window: u64,
    pub(crate) unit: Unit,
    pub(crate) max_epochs: u32,
    pub(crate) whole_documents: bool,
}

impl RowSpec {
    /// What decides the rows of `source` in a plan of `spec`.
    pub(crate) fn new(spec: &PlanSpec, source: &PlanSource) -> Self {
        Self {
            seed: spec.seed,
            source: source.name.clone(),
            packing: spec.packing,
            row_len: u32::try_from(spec.sequence_length).expect("the recipe allows 2^20"),
            window: spec.packing_window as u64,
            unit: spec.unit,
            whole_documents: spec.whole_documents,
            max_epochs: match spec.on_exhausted {
                Exhausted::Repeat => u32::MAX,
                Exhausted::Refuse | Exhausted::Stop | Exhausted::Redistribute => source.max_epochs,
            },
        }
    }

    /// Windows in a pass over so many documents.
    pub(crate) fn n_windows(&self, n_documents: usize) -> u64 {
        (n_documents as u64).div_ceil(self.window)
    }

    /// Packs a window. The documents of a window are the same in every pass, so that what a pass
    /// holds is known after packing once.
    pub(crate) fn pack(&self, tokens: &dyn TokenSource, window: u64) -> Rows {
        let n_documents = tokens.n_documents() as u64;
        let mut stream = Stream::new(self.seed, &["order", &self.source], 0);
        let order = Permutation::new(n_documents, &mut stream);
        let first = window * self.window;
        let documents = (first..(first + self.window).min(n_documents)).map(|at| order.at(at));
        let mut rows = pack(self.packing, tokens, documents, self.row_len, self.whole_documents);
        if tokens.has_silent_ids() {
            // End to end, documents are split wherever a row ends; a row may have nothing to learn.
            rows.retain(|row| self.size(tokens, row).tokens > 0);
        }
        rows
    }

    /// What a row holds.
    pub(crate) fn size(&self, source: &dyn TokenSource, row: &[Segment]) -> RowSize {
        let tokens = match source.has_silent_ids() {
            false => row.iter().map(|segment| segment.len).sum(),
            true => row.iter().map(|segment| n_supervised(source, segment)).sum(),
        };
        let units = match self.unit {
            Unit::Tokens => tokens,
            Unit::Rows => 1,
            // A document counts where it begins.
            Unit::Documents => row.iter().filter(|segment| segment.start == 0).count() as u32,
        };
        RowSize { tokens, units }
    }
}

/// Positions of a segment that carry loss: position p predicts the id after it.
pub(crate) fn n_supervised(source: &dyn TokenSource, segment: &Segment) -> u32 {
    let Segment { document, start, len } = *segment;
    source.n_supervised(document as usize, start as usize + 1, len as usize) as u32
}

/// What a row holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RowSize {
    /// Tokens that carry loss.
    pub(crate) tokens: u32,
    /// What a share counts.
    pub(crate) units: u32,
}

/// A source being read: it holds one window.
pub(crate) struct SourceRows {
    spec: RowSpec,
    tokens: Arc<dyn TokenSource + Send>,
    /// The sizes of all rows of a pass, where they are known.
    packed: Option<Arc<Packed>>,
    cursor: SourceCursor,
    /// The window under the cursor, as documents are numbered.
    window: u64,
    /// By position in the window: the packed row that stands there, and what it holds.
    order: Vec<(u32, RowSize)>,
    /// The packed rows of the window, once one is asked for.
    rows: Option<Rows>,
}

impl SourceRows {
    /// Reads on from `cursor`.
    pub(crate) fn at(
        spec: RowSpec,
        tokens: Arc<dyn TokenSource + Send>,
        packed: Option<Arc<Packed>>,
        cursor: SourceCursor,
    ) -> Self {
        let mut rows =
            Self { spec, tokens, packed, cursor, window: 0, order: Vec::new(), rows: None };
        rows.load();
        rows
    }

    /// Where the next row stands.
    pub(crate) fn cursor(&self) -> SourceCursor {
        self.cursor
    }

    /// What the next row holds; `None` after the last pass.
    #[inline]
    pub(crate) fn next_size(&self) -> Option<RowSize> {
        self.order.get(self.cursor.row as usize).map(|(_, size)| *size)
    }

    /// The next row's pass and segments.
    pub(crate) fn read(&mut self) -> Option<(u32, Vec<Segment>)> {
        let (row, _) = *self.order.get(self.cursor.row as usize)?;
        let (spec, tokens, window) = (&self.spec, self.tokens.as_ref(), self.window);
        let rows = self.rows.get_or_insert_with(|| spec.pack(tokens, window));
        Some((self.cursor.epoch, rows.row(row as usize).to_vec()))
    }

    /// Goes on to the row after the next one.
    #[inline]
    pub(crate) fn advance(&mut self) {
        let Some(size) = self.next_size() else { return };
        self.cursor.tokens += u64::from(size.tokens);
        self.cursor.units += u64::from(size.units);
        self.cursor.row += 1;
        if self.cursor.row as usize == self.order.len() {
            self.next_window();
            self.load();
        }
    }

    fn next_window(&mut self) {
        self.cursor.row = 0;
        self.cursor.window += 1;
        if self.cursor.window >= self.spec.n_windows(self.tokens.n_documents()) {
            self.cursor.window = 0;
            self.cursor.epoch += 1;
        }
    }

    /// Loads the window under the cursor, passing over windows without a single position.
    fn load(&mut self) {
        (self.order, self.rows) = (Vec::new(), None);
        let n_windows = self.spec.n_windows(self.tokens.n_documents());
        while self.cursor.epoch < self.spec.max_epochs {
            // No cursor of this source stands there, but one may be read from an edited file.
            if self.cursor.window >= n_windows {
                self.next_window();
            }
            self.load_window();
            if !self.order.is_empty() {
                return;
            }
            self.next_window();
        }
    }

    fn load_window(&mut self) {
        let SourceCursor { epoch, window, .. } = self.cursor;
        let RowSpec { seed, source, .. } = &self.spec;
        self.window = match epoch {
            // Documents were drawn into windows at random.
            0 => window,
            _ => {
                let mut stream = Stream::new(*seed, &["windows", source], u64::from(epoch));
                let n_windows = self.spec.n_windows(self.tokens.n_documents());
                Permutation::new(n_windows, &mut stream).at(window)
            }
        };
        self.order = match &self.packed {
            Some(packed) => (0..).zip(packed.window(self.window)).collect(),
            None => {
                let rows = self.spec.pack(self.tokens.as_ref(), self.window);
                let sizes = (0..)
                    .zip(rows.iter().map(|row| self.spec.size(self.tokens.as_ref(), row)))
                    .collect();
                self.rows = Some(rows);
                sizes
            }
        };
        // Packing sorts by length; without this a window would run from long to short documents.
        let epoch = epoch.to_string();
        Stream::new(*seed, &["rows", source, &epoch], window).shuffle(&mut self.order);
    }
}
