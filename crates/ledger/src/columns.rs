//! Steps as columns and back: five flat tables, so that any reader of Parquet can ask them.

mod decode;
mod encode;

use std::path::PathBuf;

use arrow::array::{Array, RecordBatch, StringArray, UInt64Array};

pub(crate) use self::decode::{decode, decode_steps};
use crate::error::Error;
use crate::record::IdsDigest;

/// The tables of a ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// One line per row: step, row, lane, source, epoch, tokens, supervised, ids, refills.
    Rows,
    /// One line per segment: step, row, segment, source, document, document_ids, file, row_group, group_row, start, length.
    Segments,
    /// One line per step: step, tokens, learning_rate, loss, gradient_norm, chain.
    Steps,
    /// One line per step and source: step, source, tokens, loss_sum.
    Losses,
    /// One line per step, source and quantity: step, source, measure, value.
    Measures,
}

impl Table {
    /// All of them, in the order they are written.
    pub const ALL: [Self; 5] =
        [Self::Rows, Self::Segments, Self::Losses, Self::Measures, Self::Steps];

    /// The first word of its file names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::Segments => "segments",
            Self::Steps => "steps",
            Self::Losses => "losses",
            Self::Measures => "measures",
        }
    }
}

/// One table of a part, with the file it came from.
pub(crate) struct TablePart {
    pub(crate) path: PathBuf,
    pub(crate) batch: RecordBatch,
}

impl TablePart {
    /// Without the lines of steps after `last`; lines are in order of the step.
    pub(crate) fn until(self, last: u64) -> Result<Self, Error> {
        let steps = self.column::<UInt64Array>("step")?.values();
        let n_lines = steps.iter().take_while(|step| **step <= last).count();
        Ok(Self { batch: self.batch.slice(0, n_lines), path: self.path })
    }

    /// Which ids the documents of a table of segments hold.
    pub(crate) fn document_ids(&self) -> Result<Vec<IdsDigest>, Error> {
        let ids = self.column::<StringArray>("document_ids")?;
        ids.iter().map(|ids| self.parse(ids.unwrap_or_default())).collect()
    }

    pub(crate) fn column<T: Array + 'static>(&self, name: &str) -> Result<&T, Error> {
        let column = self
            .batch
            .column_by_name(name)
            .ok_or_else(|| self.unreadable(format!("found no column `{name}`")))?;
        let typed = column.as_any().downcast_ref::<T>().ok_or_else(|| {
            self.unreadable(format!("column `{name}` has type {}", column.data_type()))
        })?;
        if typed.null_count() > 0 {
            return Err(self.unreadable(format!("column `{name}` has empty cells, expected none")));
        }
        Ok(typed)
    }

    fn parse<T: std::str::FromStr<Err = String>>(&self, text: &str) -> Result<T, Error> {
        text.parse().map_err(|reason| self.unreadable(reason))
    }

    fn unreadable(&self, reason: String) -> Error {
        Error::UnreadablePart { path: self.path.clone(), reason }
    }
}
