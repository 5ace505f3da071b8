//! What a pass over a source holds, once all its windows are packed.

use rayon::prelude::*;
use temper_tokens::TokenSource;

use crate::pack::Rows;
use crate::rows::{RowSize, RowSpec};

/// The sizes of all rows of a pass, window by window, and what packing did to the documents.
///
/// Takes 8 bytes a row, so that a plan can be walked without packing again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packed {
    /// The number of each window's first row, then the number of all rows.
    firsts: Vec<u64>,
    sizes: Vec<(u32, u32)>,
    account: PackingAccount,
}

/// What packing did to the documents of a source, in one pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PackingAccount {
    /// Rows.
    pub rows: u64,
    /// Positions that hold a token rather than padding.
    pub positions: u64,
    /// Those of them that carry loss.
    pub tokens: u64,
    /// Documents that begin in a row; those without a position to train on are in none.
    pub documents: u64,
    /// Documents that stand in more than one row.
    pub split_documents: u64,
    /// Those of them that would fit one row.
    pub avoidable_splits: u64,
    /// Documents whose end is left out because they are longer than a row.
    pub truncated_documents: u64,
    /// The most units in a row.
    pub largest_row: u64,
}

impl Packed {
    /// Packs all windows, on all cores; the result does not depend on their number.
    pub(crate) fn new(spec: &RowSpec, tokens: &(dyn TokenSource + Send)) -> Self {
        let n_windows = spec.n_windows(tokens.n_documents());
        let windows: Vec<_> = (0..n_windows)
            .into_par_iter()
            .map(|window| {
                let rows = spec.pack(tokens, window);
                let sizes: Vec<(u32, u32)> = rows
                    .iter()
                    .map(|row| spec.size(tokens, row))
                    .map(|RowSize { tokens, units }| (tokens, units))
                    .collect();
                (sizes, account(spec, tokens, &rows))
            })
            .collect();
        let mut firsts = vec![0];
        let mut sizes = Vec::with_capacity(windows.iter().map(|(sizes, _)| sizes.len()).sum());
        let mut account = PackingAccount::default();
        for (of_window, part) in windows {
            sizes.extend(of_window);
            firsts.push(sizes.len() as u64);
            account.add(part);
        }
        Self { firsts, sizes, account }
    }

    /// The sizes of a window's rows as they were packed.
    pub(crate) fn window(&self, window: u64) -> impl Iterator<Item = RowSize> {
        let range =
            self.firsts[window as usize] as usize..self.firsts[window as usize + 1] as usize;
        self.sizes[range].iter().map(|(tokens, units)| RowSize { tokens: *tokens, units: *units })
    }

    pub(crate) fn account(&self) -> PackingAccount {
        self.account
    }
}

impl PackingAccount {
    fn add(&mut self, other: Self) {
        self.rows += other.rows;
        self.positions += other.positions;
        self.tokens += other.tokens;
        self.truncated_documents += other.truncated_documents;
        self.split_documents += other.split_documents;
        self.avoidable_splits += other.avoidable_splits;
        self.documents += other.documents;
        self.largest_row = self.largest_row.max(other.largest_row);
    }
}

fn account(spec: &RowSpec, tokens: &dyn TokenSource, rows: &Rows) -> PackingAccount {
    let mut account = PackingAccount { rows: rows.n_rows() as u64, ..PackingAccount::default() };
    for row in rows.iter() {
        let size = spec.size(tokens, row);
        account.positions += row.iter().map(|segment| u64::from(segment.len)).sum::<u64>();
        account.tokens += u64::from(size.tokens);
        account.largest_row = account.largest_row.max(u64::from(size.units));
        for segment in row.iter().filter(|segment| segment.start == 0) {
            let positions = tokens.document_len(segment.document as usize) as u64 - 1;
            account.documents += 1;
            let row_len = u64::from(spec.row_len);
            let kept = if tokens.has_silent_ids() { positions.min(row_len) } else { positions };
            account.truncated_documents += u64::from(kept < positions);
            if kept > u64::from(segment.len) {
                account.split_documents += 1;
                account.avoidable_splits += u64::from(kept <= row_len);
            }
        }
    }
    account
}
