//! Packed rows: what a training or scoring step hands to the decoder.

/// Rows of token ids in which several documents lie one after the other.
///
/// A row starts with its segments in order; what they leave is padding. Positions restart at 0 in
/// each segment and attention does not cross from one into another. `inputs`, `targets` and
/// `loss_mask` are `[n_rows × length]`, row by row; padding has id 0 and mask `false`.
///
/// Example, `length` 5 with two documents `a b c` and `x y z`, each giving two positions:
///
/// ```text
/// inputs     a b x y 0
/// targets    b c y z 0
/// loss_mask  1 1 1 1 0
/// segments   [2, 2]
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedRows {
    /// How many rows there are.
    pub n_rows: usize,
    /// Positions in a row.
    pub length: usize,
    /// Input ids.
    pub inputs: Vec<u32>,
    /// The id that follows each input.
    pub targets: Vec<u32>,
    /// Whether a position carries loss.
    pub loss_mask: Vec<bool>,
    /// Per row the lengths of its segments.
    pub segments: Vec<Vec<usize>>,
}

/// One segment: where it starts in the flat order of positions, and its length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// Index into `inputs`.
    pub(crate) start: usize,
    /// Number of positions.
    pub(crate) len: usize,
}

impl PackedRows {
    /// One row holding one segment per document, each document's ids predicted from the ones before.
    ///
    /// A document of n ids gives n − 1 positions; one of fewer than two ids gives none.
    pub fn from_documents(documents: &[&[u32]], length: usize) -> Self {
        let mut rows = Self::empty(documents.len(), length);
        for (row, ids) in documents.iter().enumerate() {
            let n = ids.len().saturating_sub(1);
            assert!(
                n <= length,
                "document of {} ids does not fit a row of {length} positions",
                ids.len()
            );
            let at = row * length;
            rows.inputs[at..at + n].copy_from_slice(&ids[..n]);
            rows.targets[at..at + n].copy_from_slice(&ids[ids.len() - n..]);
            rows.loss_mask[at..at + n].fill(true);
            if n > 0 {
                rows.segments[row].push(n);
            }
        }
        rows
    }

    /// Rows of padding alone.
    pub fn empty(n_rows: usize, length: usize) -> Self {
        let n = n_rows * length;
        Self {
            n_rows,
            length,
            inputs: vec![0; n],
            targets: vec![0; n],
            loss_mask: vec![false; n],
            segments: vec![Vec::new(); n_rows],
        }
    }

    /// How many positions carry loss.
    pub fn n_supervised(&self) -> usize {
        self.loss_mask.iter().filter(|carries| **carries).count()
    }

    /// All segments in order.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let mut spans = Vec::new();
        for (row, lengths) in self.segments.iter().enumerate() {
            let mut start = row * self.length;
            for &len in lengths.iter().filter(|len| **len > 0) {
                spans.push(Span { start, len });
                start += len;
            }
        }
        spans
    }

    /// Guards what the decoder relies on; a violation is a defect of the caller, not of its data.
    pub(crate) fn assert_valid(&self, vocab_size: usize) {
        let n = self.n_rows * self.length;
        assert_eq!(
            (self.inputs.len(), self.targets.len(), self.loss_mask.len()),
            (n, n, n),
            "inputs, targets and loss mask have n_rows × length entries"
        );
        assert_eq!(self.segments.len(), self.n_rows, "each row has a list of segments");
        for (row, lengths) in self.segments.iter().enumerate() {
            let used: usize = lengths.iter().sum();
            assert!(
                used <= self.length,
                "segments of row {row} have {used} positions, the row {}",
                self.length
            );
            let padding = &self.loss_mask[row * self.length + used..(row + 1) * self.length];
            assert!(!padding.contains(&true), "padding of row {row} carries loss");
        }
        if let Some(id) =
            self.inputs.iter().chain(&self.targets).find(|id| **id as usize >= vocab_size)
        {
            panic!("token id {id} lies outside the model's vocabulary of {vocab_size}");
        }
    }
}
