//! What becomes of a document that is longer than a row.

use crate::source::TokenSource;

/// The rows that documents are packed into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowLimit {
    /// Positions of a row; a document of `n` ids has `n - 1`.
    pub positions: usize,
    /// Longer documents are left out: pairs, judged answers and prompts.
    pub whole_documents: bool,
}

/// What becomes of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// All of it is trained on; a long text goes on in the next row.
    Whole,
    /// Its end is left out.
    Truncated,
    /// It is left out: it must not be cut, or nothing that carries loss stands before the cut.
    TooLong,
}

impl RowLimit {
    /// Of a document of `n_ids` ids. In a source that `has_silent_ids` documents are cut, and
    /// `n_supervised` says how many of so many ids after the first one carry loss.
    pub fn fit(
        self,
        n_ids: usize,
        has_silent_ids: bool,
        n_supervised: impl FnOnce(usize) -> usize,
    ) -> Fit {
        if n_ids.saturating_sub(1) <= self.positions {
            return Fit::Whole;
        }
        match (self.whole_documents, has_silent_ids) {
            (true, _) => Fit::TooLong,
            (false, false) => Fit::Whole,
            (false, true) if n_supervised(self.positions) > 0 => Fit::Truncated,
            (false, true) => Fit::TooLong,
        }
    }

    /// Of a document of `source`.
    pub fn of(self, source: &dyn TokenSource, document: usize) -> Fit {
        self.fit(source.document_len(document), source.has_silent_ids(), |len| {
            source.n_supervised(document, 1, len)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_documents_go_on_or_are_cut_or_left_out() {
        let check = |n_ids, whole_documents, silent: Option<usize>, expected| {
            let limit = RowLimit { positions: 8, whole_documents };
            // The first `silent` ids are read only.
            let n_supervised = |len: usize| (len + 1).saturating_sub(silent.unwrap_or(0));
            let found = limit.fit(n_ids, silent.is_some(), n_supervised);
            assert_eq!(found, expected, "{n_ids} ids, {whole_documents}, {silent:?}");
        };
        for whole in [false, true] {
            for n_ids in [0, 1, 2, 9] {
                check(n_ids, whole, None, Fit::Whole);
                check(n_ids, whole, Some(5), Fit::Whole);
            }
        }
        check(10, false, None, Fit::Whole);
        check(10, false, Some(8), Fit::Truncated);
        check(10, false, Some(9), Fit::TooLong);
        check(10, true, None, Fit::TooLong);
        check(10, true, Some(8), Fit::TooLong);
    }
}
