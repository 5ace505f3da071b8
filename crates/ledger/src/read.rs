//! Reading the ledger, part by part.

use std::path::PathBuf;

use crate::columns::Table;
use crate::error::Error;
use crate::parts::{Part, PartFile, longest, part_names, read_steps};
use crate::record::LedgerStep;
use crate::run_dir::RunDir;

/// The recorded steps of a run, finished or not.
///
/// The table of steps says how far the ledger goes; it is written last, so what the other tables
/// hold beyond it is left out. Memory is one part.
#[derive(Clone, Debug)]
pub struct LedgerReader {
    folder: PathBuf,
    parts: Vec<Part>,
}

impl LedgerReader {
    /// Finds the parts and checks that they follow each other without a gap.
    ///
    /// # Errors
    /// [`Error::MissingPart`] names the table and step of a gap; [`Error::UnreadablePart`] a file
    /// whose name or metadata do not fit.
    pub fn open(run: &RunDir) -> Result<Self, Error> {
        let folder = run.ledger_folder();
        let names = part_names(&folder)?;
        let mut firsts: Vec<u64> =
            names.iter().filter(|name| name.table == Table::Steps).map(|name| name.first).collect();
        firsts.sort_unstable();
        firsts.dedup();
        let mut parts: Vec<Part> = Vec::with_capacity(firsts.len());
        for first in firsts {
            let next = parts.last().map_or(0, |part| part.last + 1);
            if first < next {
                continue; // What an interruption left of a part that is whole by now.
            }
            if first > next {
                let table = Table::Steps.name();
                return Err(Error::MissingPart { folder, table, step: next, until: first });
            }
            let (_, last) = longest(&folder, &names, Table::Steps, first, first)?;
            let mut files = Vec::with_capacity(Table::ALL.len());
            for table in Table::ALL {
                let (name, _) = longest(&folder, &names, table, first, last)?;
                files.push(folder.join(name.file_name()));
            }
            let files = files.try_into().unwrap_or_else(|_| unreachable!("one per table"));
            parts.push(Part { first, last, files });
        }
        Ok(Self { folder, parts })
    }

    /// Recorded steps: they are numbered from 0 to one below this.
    pub fn n_steps(&self) -> u64 {
        self.parts.last().map_or(0, |part| part.last + 1)
    }

    /// The parts in order. Their files may hold lines after [`Part::last`]; those do not count.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// All steps in order; after an error nothing follows.
    pub fn steps(&self) -> impl Iterator<Item = Result<LedgerStep, Error>> + '_ {
        let mut failed = false;
        self.parts
            .iter()
            .flat_map(|part| match self.read(part) {
                Ok(steps) => steps.into_iter().map(Ok).collect(),
                Err(error) => vec![Err(error)],
            })
            .take_while(move |step| !std::mem::replace(&mut failed, step.is_err()))
    }

    /// One step; `None` when the ledger does not go that far.
    ///
    /// # Errors
    /// [`Error::UnreadablePart`] when its part cannot be read.
    pub fn step(&self, step: u64) -> Result<Option<LedgerStep>, Error> {
        let Some(part) = self.parts.iter().find(|part| (part.first..=part.last).contains(&step))
        else {
            return Ok(None);
        };
        Ok(self.read(part)?.into_iter().nth((step - part.first) as usize))
    }

    /// The steps of one part.
    ///
    /// # Errors
    /// [`Error::UnreadablePart`] names the file.
    pub fn read(&self, part: &Part) -> Result<Vec<LedgerStep>, Error> {
        let mut files = Vec::with_capacity(part.files.len());
        for path in &part.files {
            files.push(PartFile::open_path(path)?);
        }
        let files = files.try_into().unwrap_or_else(|_| unreachable!("one per table"));
        read_steps(files, part.first, part.last)
    }

    /// Where the parts lie.
    pub fn folder(&self) -> &std::path::Path {
        &self.folder
    }
}

#[cfg(test)]
mod tests;
