//! Rows of inputs that cannot be imported.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::place::RowNumber;

/// Rows that are kept by name; all are counted.
const MOST_NAMED: usize = 10_000;
/// Rows that an error shows.
const SHOWN: usize = 5;

/// A row that cannot be imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadInput {
    /// The file.
    pub path: PathBuf,
    /// Where in it.
    pub at: RowNumber,
    /// What was found and what was expected.
    pub problem: String,
}

/// Rows that cannot be imported.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BadInputs {
    /// All of them.
    pub n: u64,
    /// The first ten thousand.
    pub named: Vec<BadInput>,
}

impl BadInputs {
    pub(super) fn add(&mut self, input: &Path, at: RowNumber, problem: String) {
        self.n += 1;
        if self.named.len() < MOST_NAMED {
            self.named.push(BadInput { path: input.to_owned(), at, problem });
        }
    }
}

/// The first of them, a line each.
impl fmt::Display for BadInputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, BadInput { path, at, problem }) in self.named.iter().take(SHOWN).enumerate() {
            let separator = if i == 0 { "" } else { "\n" };
            write!(f, "{separator}`{}`, {at}: {problem}", path.display())?;
        }
        match self.n.saturating_sub(SHOWN as u64) {
            0 => Ok(()),
            1 => f.write_str("\nand one row more"),
            more => write!(f, "\nand {more} rows more"),
        }
    }
}
