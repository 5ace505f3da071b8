//! What a pass over each source gives, found when a plan is made.

use std::sync::{Arc, OnceLock};

use temper_recipe::Unit;
use temper_tokens::{RowLimit, TokenSource};

use crate::cursor::Cursor;
use crate::error::Error;
use crate::packed::{Packed, PackingAccount};
use crate::resolve::Supply;
use crate::rows::RowSpec;
use crate::seam::units_before;
use crate::spec::{PlanSource, PlanSpec};
use crate::too_long::TooLong;

/// By source, where `row` is of all of them.
pub(super) struct Supplies {
    pub(super) supplies: Vec<Supply>,
    /// Units of the largest row.
    pub(super) row: u64,
    /// What passes hold; where shares count no tokens it has been found already.
    pub(super) packed: Vec<OnceLock<Arc<Packed>>>,
}

impl Supplies {
    /// What there is for a plan that begins at `start`. Packs nothing where shares count tokens.
    ///
    /// # Errors
    /// [`Error::NothingToPredict`] and [`Error::AllTooLong`] name the first source without a token to learn.
    pub(super) fn of(
        spec: &PlanSpec,
        tokens: &[Arc<dyn TokenSource + Send>],
        start: &Cursor,
    ) -> Result<Self, Error> {
        let mut found = Self {
            supplies: Vec::with_capacity(tokens.len()),
            row: match spec.unit {
                Unit::Tokens => spec.sequence_length as u64,
                Unit::Rows | Unit::Documents => 1,
            },
            packed: Vec::with_capacity(tokens.len()),
        };
        let sources = spec.sources.iter().zip(tokens).zip(&start.sources);
        for (at, ((source, tokens), cursor)) in sources.enumerate() {
            let of_pass = spec.tokens_of_pass(tokens.as_ref());
            if of_pass == 0 {
                return Err(nothing_of(source, tokens.as_ref(), spec.row_limit(at)));
            }
            let (units, used, packed) = match spec.unit {
                Unit::Tokens => (of_pass, cursor.tokens, OnceLock::new()),
                Unit::Rows | Unit::Documents => {
                    let row_spec = RowSpec::new(spec, source);
                    let packed = Arc::new(Packed::new(&row_spec, tokens.as_ref()));
                    let PackingAccount { rows, documents, largest_row, .. } = packed.account();
                    found.row = found.row.max(largest_row);
                    let used = units_before(row_spec, tokens, Some(packed.clone()), cursor);
                    let units = if spec.unit == Unit::Rows { rows } else { documents };
                    (units, used, OnceLock::from(packed))
                }
            };
            found.supplies.push(Supply { tokens: of_pass, units, used });
            found.packed.push(packed);
        }
        Ok(found)
    }
}

/// Why a pass over a source gives nothing.
fn nothing_of(source: &PlanSource, tokens: &dyn TokenSource, limit: RowLimit) -> Error {
    let (source_name, n_documents) = (source.name.clone(), tokens.n_documents());
    match TooLong::of(tokens, limit).left_out.len() {
        0 => Error::NothingToPredict { source_name, n_documents },
        n_too_long => {
            let positions = limit.positions;
            Error::AllTooLong { source_name, n_documents, n_too_long, positions }
        }
    }
}
