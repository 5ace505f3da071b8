//! Writing the ledger: steps gather in memory and leave as parts.

use std::fs;
use std::path::{Path, PathBuf};

use temper_recipe::Digest;

use crate::columns::Table;
use crate::error::Error;
use crate::parts::{PartFile, PartName, longest, part_names, read_steps, write_table};
use crate::record::{LedgerStep, RowRecord, StepRecord, StepReport, chain_start};
use crate::run_dir::RunDir;
use crate::whole::sync;

/// The ledger of a run while it is written.
///
/// It maintains:
///
/// * parts are cut by step number, after every `part_steps` steps, whatever interruptions there
///   were: the files of a resumed run are byte for byte those of an uninterrupted one;
/// * a step is on disk before a checkpoint that needs it, when the checkpoint is saved after
///   [`Ledger::append`] (at a cut) or [`Ledger::flush`] (elsewhere);
/// * at any moment the disk holds every step before the latest checkpoint.
///
/// Memory is one part's records: about 100 bytes per row and 40 per segment.
#[derive(Debug)]
pub struct Ledger {
    folder: PathBuf,
    part_steps: u64,
    /// Since the last cut.
    steps: Vec<LedgerStep>,
    next: u64,
    chain: Digest,
}

impl Ledger {
    /// An empty ledger for a run that has none.
    ///
    /// # Errors
    /// [`Error::LedgerExists`] when the run has parts already.
    pub fn create(run: &RunDir, part_steps: u64) -> Result<Self, Error> {
        let folder = run.ledger_folder();
        let n_parts = part_names(&folder)?.len();
        if n_parts > 0 {
            return Err(Error::LedgerExists { folder, n_parts });
        }
        let chain = chain_start(&run.identity()?.recipe);
        Ok(Self::empty(folder, part_steps, 0, chain))
    }

    /// The ledger as it stood before step `next`, the checkpoint's number of steps done.
    ///
    /// Steps from `next` on are discarded. The steps since the last cut are taken back into memory
    /// and stay on disk as a partial part until the next cut. `head` is the chain digest that the
    /// checkpoint stores. Reads one part, however long the run is.
    ///
    /// # Errors
    /// [`Error::MissingPart`] and [`Error::UnreadablePart`] when a step before `next` is not there;
    /// [`Error::ChainBroken`] when the measured values are not those of the checkpoint. Nothing is
    /// discarded then.
    pub fn resume(run: &RunDir, part_steps: u64, next: u64, head: &Digest) -> Result<Self, Error> {
        let folder = run.ledger_folder();
        let names = part_names(&folder)?;
        check_whole_parts(&folder, &names, part_steps, next)?;
        // The block with the step before `next`: re-chaining it from the end of the block before
        // ties the records to the checkpoint.
        let checked = next.saturating_sub(1) / part_steps * part_steps;
        let mut chain = match checked.checked_sub(1) {
            Some(last) => {
                let first = checked - part_steps;
                let name = PartName { table: Table::Steps, first, last: Some(last) };
                PartFile::open(&folder, name)?.last_chain()?
            }
            None => chain_start(&run.identity()?.recipe),
        };
        let steps = match next.checked_sub(1) {
            Some(last) => read_block(&folder, &names, checked, last)?,
            None => Vec::new(),
        };
        for step in &steps {
            chain = step.step.report.chain(&chain);
            if chain != step.step.chain {
                let (found, expected) = (chain, step.step.chain);
                let step = step.step.report.step + 1;
                return Err(Error::ChainBroken { folder, step, found, expected });
            }
        }
        if chain != *head {
            return Err(Error::ChainBroken { folder, step: next, found: chain, expected: *head });
        }
        let mut ledger = Self::empty(folder, part_steps, next, chain);
        if !next.is_multiple_of(part_steps) {
            ledger.steps = steps;
        }
        // The partial part first: until the rest is gone, the disk holds more than is needed.
        ledger.flush()?;
        ledger.remove_all_but(None)?;
        run.discard_decisions_after(next)?;
        Ok(ledger)
    }

    fn empty(folder: PathBuf, part_steps: u64, next: u64, chain: Digest) -> Self {
        assert!(part_steps > 0, "a part has at least one step");
        Self { folder, part_steps, steps: Vec::new(), next, chain }
    }

    /// The next step to be appended.
    pub fn next_step(&self) -> u64 {
        self.next
    }

    /// The chain digest of the last step; a checkpoint stores it.
    pub fn head(&self) -> Digest {
        self.chain
    }

    /// Records a step; writes a part when it is the last one of it.
    ///
    /// # Errors
    /// [`Error::Write`] when the part could not be written. The run has to end then.
    ///
    /// # Panics
    /// When steps or rows do not follow each other, or the counts contradict each other.
    pub fn append(&mut self, report: StepReport, rows: Vec<RowRecord>) -> Result<(), Error> {
        assert_eq!(report.step, self.next, "steps follow each other");
        let numbered = rows.iter().zip(0..).all(|(row, i)| row.step == report.step && row.row == i);
        assert!(numbered, "rows of step {} are numbered from 0", report.step);
        let supervised: u64 = rows.iter().map(|row| u64::from(row.supervised)).sum();
        assert_eq!(supervised, report.tokens, "tokens of step {} and of its rows", report.step);
        self.chain = report.chain(&self.chain);
        self.next += 1;
        self.steps.push(LedgerStep { step: StepRecord { report, chain: self.chain }, rows });
        if self.next.is_multiple_of(self.part_steps) { self.cut() } else { Ok(()) }
    }

    /// Puts the steps since the last cut on disk as a partial part, for a checkpoint between cuts.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn flush(&mut self) -> Result<(), Error> {
        self.write(None)
    }

    /// Ends the ledger: the last part may be shorter than the others.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn finish(mut self) -> Result<(), Error> {
        self.cut()
    }

    fn cut(&mut self) -> Result<(), Error> {
        if self.steps.is_empty() {
            return Ok(());
        }
        let last = self.next - 1;
        self.write(Some(last))?;
        self.remove_all_but(Some(last))?;
        self.steps.clear();
        Ok(())
    }

    fn write(&self, last: Option<u64>) -> Result<(), Error> {
        let Some(first) = self.steps.first() else { return Ok(()) };
        let first = first.step.report.step;
        Table::ALL.into_iter().try_for_each(|table| {
            write_table(&self.folder, PartName { table, first, last }, &self.steps)
        })
    }

    /// Keeps the whole parts before the steps in memory and their own part, which ends at `last`
    /// (`None`: the partial one).
    fn remove_all_but(&self, last: Option<u64>) -> Result<(), Error> {
        let first = self.next - self.steps.len() as u64;
        let keep = |name: &PartName| {
            if name.first < first {
                name.last == Some(name.first + self.part_steps - 1)
            } else {
                name.first == first && name.last == last && !self.steps.is_empty()
            }
        };
        // Late parts first: a kill in between leaves no hole.
        for name in part_names(&self.folder)?.iter().rev().filter(|name| !keep(name)) {
            let path = self.folder.join(name.file_name());
            fs::remove_file(&path).map_err(|cause| Error::Write { path, cause })?;
        }
        sync(&self.folder)
    }
}

/// Every block of `part_steps` steps that lies before `next` has its five files.
fn check_whole_parts(
    folder: &Path,
    names: &[PartName],
    part_steps: u64,
    next: u64,
) -> Result<(), Error> {
    for first in (0..next / part_steps).map(|block| block * part_steps) {
        let last = Some(first + part_steps - 1);
        for table in Table::ALL {
            if !names.contains(&PartName { table, first, last }) {
                let (folder, table) = (folder.to_owned(), table.name());
                return Err(Error::MissingPart { folder, table, step: first, until: next });
            }
        }
    }
    Ok(())
}

/// The steps `first..=last` from the files that start at `first`, the longest of each table.
fn read_block(
    folder: &Path,
    names: &[PartName],
    first: u64,
    last: u64,
) -> Result<Vec<LedgerStep>, Error> {
    let mut files = Vec::with_capacity(Table::ALL.len());
    for table in Table::ALL {
        let (name, _) = longest(folder, names, table, first, last)?;
        files.push(PartFile::open(folder, name)?);
    }
    let files: [PartFile; 5] = files.try_into().unwrap_or_else(|_| unreachable!("one per table"));
    read_steps(files, first, last)
}

#[cfg(test)]
mod tests;
