//! Rows that are longer than a row of tokens: cut or left out, and not bad.

use temper_tokens::{Fit, RowLimit};

use super::MOST_NAMED;
use super::look::Length;
use crate::corpus::Corpus;
use crate::place::RowPlace;

/// Rows that can be learned from, are longer than a row of tokens, and lose something by it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LongRows {
    /// How many are cut at their end.
    pub truncated: u64,
    /// How many are left out.
    pub left_out: u64,
    /// The first ten thousand that are left out, in corpus order.
    pub named: Vec<LongRow>,
}

/// A row that is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LongRow {
    /// Where it stands.
    pub place: RowPlace,
    /// Positions that it would take.
    pub n_positions: u64,
}

/// Lengths as they come in.
pub(super) struct Lengths<'a> {
    corpus: &'a Corpus,
    limit: Option<RowLimit>,
    has_silent_ids: bool,
    found: LongRows,
}

impl<'a> Lengths<'a> {
    pub(super) fn new(corpus: &'a Corpus, limit: Option<RowLimit>) -> Self {
        Self { corpus, limit, has_silent_ids: false, found: LongRows::default() }
    }

    pub(super) fn limit(&self) -> Option<RowLimit> {
        self.limit
    }

    pub(super) fn add(&mut self, length: Length) {
        let Length { origin, n_positions, fit, has_silent_ids, .. } = length;
        self.has_silent_ids |= has_silent_ids;
        match fit {
            Fit::Whole => {}
            Fit::Truncated => self.found.truncated += 1,
            Fit::TooLong => {
                self.found.left_out += 1;
                if self.found.named.len() < MOST_NAMED {
                    let place = self.corpus.place(origin);
                    self.found.named.push(LongRow { place, n_positions });
                }
            }
        }
    }

    /// What all of them come to: where every id carries loss, rows go on as texts do.
    pub(super) fn finish(self) -> LongRows {
        let is_cut = self.limit.is_some_and(|limit| limit.whole_documents || self.has_silent_ids);
        if is_cut { self.found } else { LongRows::default() }
    }
}
