//! Documents of a source that are longer than a row, and lose something by it.

use rayon::prelude::*;
use temper_tokens::{Fit, RowLimit, TokenSource};

use crate::plan::Plan;
use crate::spec::PlanSpec;

/// Documents of a source that are longer than a row, and lose something by it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TooLong {
    /// How many are cut: their end is in no row.
    pub truncated: u64,
    /// The numbers of those that are in no row at all, increasing.
    pub left_out: Vec<u64>,
}

impl TooLong {
    /// Looks at the length of every document, and of long ones at what carries loss.
    pub fn of(source: &dyn TokenSource, limit: RowLimit) -> Self {
        if !limit.whole_documents && !source.has_silent_ids() {
            return Self::default();
        }
        let fit = |document: usize| match limit.of(source, document) {
            Fit::Whole => None,
            Fit::Truncated => Some((document as u64, false)),
            Fit::TooLong => Some((document as u64, true)),
        };
        let long: Vec<(u64, bool)> =
            (0..source.n_documents()).into_par_iter().filter_map(fit).collect();
        let left_out: Vec<u64> =
            long.iter().filter(|(_, is_out)| *is_out).map(|(document, _)| *document).collect();
        Self { truncated: (long.len() - left_out.len()) as u64, left_out }
    }
}

impl PlanSpec {
    /// The rows of source number `source`, those of what is replayed after the mix's own.
    pub fn row_limit(&self, source: usize) -> RowLimit {
        match (source.checked_sub(self.sources.len()), &self.replay) {
            (Some(source), Some(replay)) => replay.row_limit(source),
            (Some(_) | None, _) => {
                RowLimit { positions: self.sequence_length, whole_documents: self.whole_documents }
            }
        }
    }
}

impl Plan {
    /// The documents of `source` that are longer than a row, and lose something by it.
    pub fn too_long(&self, source: usize) -> TooLong {
        TooLong::of(self.tokens(source), self.spec.row_limit(source))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use temper_recipe::{Packing, Unit};

    use super::*;
    use crate::pack::Rows;
    use crate::packed::Packed;
    use crate::rows::RowSpec;
    use crate::testing::Telling;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn they_are_those_that_packing_cuts_or_leaves_out(
            lengths in prop::collection::vec(0..60usize, 1..80),
            turns in prop::option::of(1..40usize),
            positions in 1..40u32,
            whole_documents in any::<bool>(),
        ) {
            let source = Telling::new(0..100, &lengths).with_turns(turns);
            let spec = RowSpec {
                seed: 3,
                source: "a".to_owned(),
                packing: Packing::Pad,
                row_len: positions,
                window: 16,
                unit: Unit::Tokens,
                max_epochs: 1,
                whole_documents,
            };
            let account = Packed::new(&spec, &source).account();
            let limit = RowLimit { positions: positions as usize, whole_documents };
            let found = TooLong::of(&source, limit);
            prop_assert_eq!(found.truncated, account.truncated_documents);
            let rows: Vec<_> = (0..spec.n_windows(lengths.len())).map(|window| spec.pack(&source, window)).collect();
            let packed: BTreeSet<u64> =
                rows.iter().flat_map(Rows::iter).flatten().map(|segment| segment.document).collect();
            let is_out = |document: &u64| {
                lengths[*document as usize] > limit.positions + 1 && !packed.contains(document)
            };
            let expected: Vec<u64> = (0..lengths.len() as u64).filter(is_out).collect();
            prop_assert_eq!(found.left_out, expected);
        }
    }
}
