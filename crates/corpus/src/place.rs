//! Where a row stands.

use std::fmt;
use std::path::PathBuf;

/// A row of a Parquet file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowPlace {
    /// The file.
    pub path: PathBuf,
    /// Index of the row group in the file.
    pub row_group: u32,
    /// Index of the row in the row group.
    pub row: u32,
}

impl fmt::Display for RowPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`, row group {}, row {}", self.path.display(), self.row_group, self.row)
    }
}

/// Where a row of an import stands in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowNumber {
    /// The line of text that it begins on, counted from 1.
    Line(u64),
    /// The row of Parquet, counted from 0 over all row groups.
    Row(u64),
}

impl fmt::Display for RowNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Row(row) => write!(f, "row {row}"),
        }
    }
}
