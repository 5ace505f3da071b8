//! Where one document was trained on, and what contains it since.

use std::path::Path;

use polars::prelude::{DataType, IntoLazy as _, PolarsResult, col, lit};
use serde::Serialize;
use temper_ledger::{LedgerReader, Lineage, RunDir, Table, runs_in};
use temper_recipe::Project;
use temper_tokens::{DocumentOrigin, TokenCorpus, TokenSource as _};

use crate::error::Error;
use crate::finding::Findings;
use crate::inputs::{Bytes, Inputs};
use crate::tables::scan;

/// Where a run was trained on a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sightings {
    /// The source.
    pub source: String,
    /// The Parquet file, relative to `data-manifests/`.
    pub file: String,
    /// The row group of that file, from 0.
    pub row_group: u32,
    /// The row in the row group, from 0.
    pub row: u32,
    /// The number of the document in its source.
    pub document: u64,
    /// In order of the ledger; none when the run never met it.
    pub seen: Vec<Sighting>,
    /// Checkpoints that contain it: of this run, and of every run that descends from one of them.
    pub checkpoints: Vec<Containing>,
}

/// A part of a document in a row of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sighting {
    /// The step, from 0.
    pub step: u64,
    /// The row within the step.
    pub row: u32,
    /// The first position.
    pub start: u32,
    /// How many positions.
    pub length: u32,
}

/// A checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Containing {
    /// The run.
    pub run: String,
    /// Its steps done.
    pub step: u64,
}

/// Finds a document, `CORPUS:FILE:ROW`, in the ledger of a run: the file by its path in the manifest,
/// the end of it or its number there, the row from 0, or `GROUP.ROW` in a file of several row groups.
/// Then looks through the project's runs for those that descend from a checkpoint that contains it.
///
/// # Errors
/// [`Error::NoDocument`] for one that the run's sources do not have; [`Error::NoShards`] when
/// shards cannot be opened; [`Error::NothingRecorded`].
pub fn sightings(run: &Path, project: &Project, document: &str) -> Result<Sightings, Error> {
    let run = RunDir::open(run)?;
    let inputs = Inputs::load(&run, project, Bytes::Trust, &mut Findings::default())?;
    let no_document = |problem: String| Error::NoDocument { asked: document.to_owned(), problem };
    let mut parts = document.rsplitn(3, ':');
    let (row, file, corpus) = (parts.next(), parts.next(), parts.next());
    let (Some(row), Some(file), Some(corpus)) = (row, file, corpus) else {
        return Err(no_document("expected `CORPUS:FILE:ROW`".to_owned()));
    };
    let (group, row) = row.split_once('.').map_or((None, row), |(group, row)| (Some(group), row));
    let number = |text: &str| text.parse().map_err(|_| no_document(format!("`{text}` is no row")));
    let (group, row): (Option<u32>, u32) = (group.map(number).transpose()?, number(row)?);
    let Some(source) = inputs.source(corpus) else {
        let known: Vec<&str> = inputs.sources.iter().map(|source| source.corpus.as_str()).collect();
        return Err(no_document(format!("the run's sources are {}", known.join(", "))));
    };
    let missing =
        || Error::NoShards { path: run.path().to_owned(), missing: format!("`{corpus}`") };
    let tokens = source.tokens.as_ref().ok_or_else(missing)?;
    let files: Vec<String> = match &source.manifest {
        Some(manifest) => manifest.files.iter().map(|file| file.path.clone()).collect(),
        None => Vec::new(),
    };
    let index = file.parse().ok().filter(|number| *number < files.len());
    let named = files.iter().position(|path| path == file || path.ends_with(&format!("/{file}")));
    let Some(file) = named.or(index) else {
        return Err(no_document(format!("the files of `{corpus}` are {}", files.join(", "))));
    };
    let row_group = match group {
        Some(group) => group,
        None if has_one_group(tokens, file as u32) => 0,
        None => {
            let problem =
                format!("`{}` has several row groups, expected `GROUP.{row}`", files[file]);
            return Err(no_document(problem));
        }
    };
    let origin = DocumentOrigin { file: file as u32, row_group, row };
    let Some(found) = at(tokens, origin) else {
        let path = &files[file];
        return Err(no_document(format!("`{path}` has no document in row {row_group}.{row}")));
    };
    let ledger = LedgerReader::open(&run)?;
    if ledger.n_steps() == 0 {
        return Err(Error::NothingRecorded { path: ledger.folder().to_owned() });
    }
    let seen = lines(&ledger, corpus, found)
        .map_err(|cause| Error::Query { sql: format!("segments of document {found}"), cause })?;
    let checkpoints = match seen.first() {
        Some(first) => containing(&run, first.step, project)?,
        None => Vec::new(),
    };
    let (source, file) = (corpus.to_owned(), files[file].clone());
    Ok(Sightings { source, file, row_group, row, document: found, seen, checkpoints })
}

/// True where all documents of a file are of its first row group.
fn has_one_group(tokens: &TokenCorpus, file: u32) -> bool {
    let after = partition(tokens.n_documents(), |document| tokens.origin(document).file <= file);
    after.checked_sub(1).is_some_and(|last| {
        let DocumentOrigin { file: of_last, row_group, .. } = tokens.origin(last);
        of_last == file && row_group == 0
    })
}

/// The document that comes from there; documents are in order of their origins.
fn at(tokens: &TokenCorpus, origin: DocumentOrigin) -> Option<u64> {
    let n = tokens.n_documents();
    let document = partition(n, |document| tokens.origin(document) < origin);
    (document < n && tokens.origin(document) == origin).then_some(document as u64)
}

/// The first number below `n` of which `is_before` is false.
fn partition(n: usize, is_before: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, n);
    while low < high {
        let middle = low + (high - low) / 2;
        if is_before(middle) { low = middle + 1 } else { high = middle }
    }
    low
}

/// The ledger's lines of a document.
fn lines(ledger: &LedgerReader, source: &str, document: u64) -> PolarsResult<Vec<Sighting>> {
    let found = scan(ledger, Table::Segments)?
        .filter(col("source").eq(lit(source)).and(col("document").eq(lit(document as i64))))
        .select(["step", "row", "start", "length"].map(|name| col(name).cast(DataType::Int64)))
        .collect()?
        .lazy()
        .sort(["step", "row", "start"], polars::prelude::SortMultipleOptions::default())
        .collect()?;
    let column = |name: &str| found.column(name)?.i64();
    let (steps, rows) = (column("step")?, column("row")?);
    let (starts, lengths) = (column("start")?, column("length")?);
    let line = |i: usize| Sighting {
        step: steps.get(i).unwrap_or_default() as u64,
        row: rows.get(i).unwrap_or_default() as u32,
        start: starts.get(i).unwrap_or_default() as u32,
        length: lengths.get(i).unwrap_or_default() as u32,
    };
    Ok((0..found.height()).map(line).collect())
}

/// The checkpoints after `step` of `run`, and all of the runs that descend from one of them.
fn containing(run: &RunDir, step: u64, project: &Project) -> Result<Vec<Containing>, Error> {
    let mut found = Vec::new();
    let mut add = |run: &RunDir, after: Option<u64>| -> Result<(), Error> {
        let steps = run.checkpoints()?.into_iter();
        // A checkpoint counts steps done: the one with this step in it comes after.
        let steps = steps.filter(|done| after.is_none_or(|step| *done > step));
        found.extend(steps.map(|step| Containing { run: run.name(), step }));
        Ok(())
    };
    add(run, Some(step))?;
    for other in runs_in(&project.root.join("runs"))? {
        let Ok(identity) = other.identity() else { continue };
        if descends(&identity.info.started_from, &run.name(), step) {
            add(&other, None)?;
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// True if a run that started there started from `run` after `step`, itself or through others.
fn descends(lineage: &Lineage, run: &str, step: u64) -> bool {
    lineage.parent().is_some_and(|parent| {
        parent.run == run && parent.step > step || descends(&parent.started_from, run, step)
    })
}

#[cfg(test)]
mod tests;
