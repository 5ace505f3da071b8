//! The Parquet files of a ledger: one per table and range of steps.

use std::path::{Path, PathBuf};

use temper_recipe::Digest;

use crate::columns::{Table, TablePart, decode, decode_steps};
use crate::error::Error;
use crate::parquet_file::{ParquetFile, encode};
use crate::record::LedgerStep;
use crate::whole::{is_beside, names, write_bytes};

/// One part of a ledger: a file per table, all over the same steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The first step in it.
    pub first: u64,
    /// The last step in it.
    pub last: u64,
    /// One file per table, in order of [`Table::ALL`].
    pub files: [PathBuf; 5],
}

impl Part {
    /// The file of `table`.
    pub fn file(&self, table: Table) -> &Path {
        let i = Table::ALL.iter().position(|other| *other == table).expect("ALL has every table");
        &self.files[i]
    }
}

/// What a file name says. A partial file's last step stands in its metadata, not in its name, so
/// that a longer one replaces it by one rename.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PartName {
    pub(crate) table: Table,
    pub(crate) first: u64,
    /// `None` for a partial file.
    pub(crate) last: Option<u64>,
}

impl PartName {
    pub(crate) fn file_name(self) -> String {
        let (table, first) = (self.table.name(), self.first);
        match self.last {
            Some(last) => format!("{table}-{first:06}-{last:06}.parquet"),
            None => format!("{table}-{first:06}.partial.parquet"),
        }
    }

    fn parse(name: &str) -> Option<Self> {
        let (table, rest) = name.strip_suffix(".parquet")?.split_once('-')?;
        let table = Table::ALL.into_iter().find(|candidate| candidate.name() == table)?;
        let (first, last) = match rest.strip_suffix(".partial") {
            Some(first) => (first, None),
            None => {
                let (first, last) = rest.split_once('-')?;
                (first, Some(last.parse().ok()?))
            }
        };
        let parsed = Self { table, first: first.parse().ok()?, last };
        (parsed.file_name() == name).then_some(parsed)
    }
}

/// The part files in `folder`, sorted by name; other names are an error, drafts are passed over.
pub(crate) fn part_names(folder: &Path) -> Result<Vec<PartName>, Error> {
    names(folder)?
        .iter()
        .filter(|name| name.ends_with(".parquet") && !is_beside(name))
        .map(|name| PartName::parse(name).ok_or_else(|| foreign_name(folder, name)))
        .collect()
}

fn foreign_name(folder: &Path, name: &str) -> Error {
    let reason =
        "found a name that no part has, expected `<table>-<first>-<last>.parquet`".to_owned();
    Error::UnreadablePart { path: folder.join(name), reason }
}

/// Writes one table of a part.
pub(crate) fn write_table(
    folder: &Path,
    name: PartName,
    steps: &[LedgerStep],
) -> Result<(), Error> {
    let last = name.first + steps.len() as u64 - 1;
    // In memory first, because the Parquet writer would hide what the disk said.
    let bytes = encode(
        &name.table.encode(steps),
        &[
            ("table", name.table.name().to_owned()),
            ("first", name.first.to_string()),
            ("last", last.to_string()),
        ],
    );
    write_bytes(&folder.join(name.file_name()), &bytes)
}

/// A part's file, opened: its metadata fit its name.
pub(crate) struct PartFile {
    path: PathBuf,
    file: ParquetFile,
    first: u64,
    pub(crate) last: u64,
}

impl PartFile {
    pub(crate) fn open(folder: &Path, name: PartName) -> Result<Self, Error> {
        let path = folder.join(name.file_name());
        let file = ParquetFile::open(&path)?;
        let last = file.entry("last").and_then(|last| last.parse().ok());
        let fits = file.entry("table").as_deref() == Some(name.table.name())
            && file.entry("first") == Some(name.first.to_string())
            && (name.last.is_none() || name.last == last);
        match last {
            Some(last) if fits && last >= name.first => {
                Ok(Self { path, file, first: name.first, last })
            }
            Some(_) | None => {
                let reason = "its metadata do not fit its name".to_owned();
                Err(Error::UnreadablePart { path, reason })
            }
        }
    }

    /// Opens a file by its path, which [`PartFile::open`] gave before.
    pub(crate) fn open_path(path: &Path) -> Result<Self, Error> {
        let folder = path.parent().unwrap_or(Path::new("."));
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Self::open(folder, PartName::parse(&name).ok_or_else(|| foreign_name(folder, &name))?)
    }

    /// The chain digest of the last step of a file of [`Table::Steps`].
    pub(crate) fn last_chain(self) -> Result<Digest, Error> {
        let (first, last) = (self.first, self.last);
        let steps = decode_steps(&self.read()?, first, last)?;
        Ok(steps.last().expect("a part has at least one step").step.chain)
    }

    pub(crate) fn read(self) -> Result<TablePart, Error> {
        self.file.read(&self.path)
    }
}

/// The file of `table` that starts at `first` and reaches furthest, at least to `last`, and how far
/// it reaches. Only a partial file is opened for that.
pub(crate) fn longest(
    folder: &Path,
    names: &[PartName],
    table: Table,
    first: u64,
    last: u64,
) -> Result<(PartName, u64), Error> {
    let mut longest: Option<(PartName, u64)> = None;
    for name in names.iter().filter(|name| name.table == table && name.first == first) {
        let reach = match name.last {
            Some(last) => last,
            None => PartFile::open(folder, *name)?.last,
        };
        if longest.is_none_or(|(_, furthest)| reach > furthest) {
            longest = Some((*name, reach));
        }
    }
    let next = longest.map_or(first, |(_, reach)| reach + 1);
    longest.filter(|(_, reach)| *reach >= last).ok_or_else(|| Error::MissingPart {
        folder: folder.to_owned(),
        table: table.name(),
        step: next,
        until: last + 1,
    })
}

/// Reads the steps `first..=last` from five opened files, one per table in order of [`Table::ALL`].
///
/// The files may go on after `last`: lines of later steps are left out.
pub(crate) fn read_steps(
    files: [PartFile; 5],
    first: u64,
    last: u64,
) -> Result<Vec<LedgerStep>, Error> {
    let mut tables = Vec::with_capacity(files.len());
    for file in files {
        let goes_on = file.last > last;
        let table = file.read()?;
        tables.push(if goes_on { table.until(last)? } else { table });
    }
    let tables: [TablePart; 5] = tables.try_into().unwrap_or_else(|_| unreachable!("five files"));
    decode(&tables, first, last)
}

#[cfg(test)]
mod tests;
