//! Documents that the runs behind a checkpoint have trained on.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{RecordBatch, StringArray, UInt64Array};
use serde::{Deserialize, Serialize};
use temper_recipe::{Digest, Hasher};

use crate::ancestors::Ancestor;
use crate::columns::Table;
use crate::error::Error;
use crate::lineage::{Import, Lineage, Parent};
use crate::merge::MergeInput;
use crate::parquet_file::{ParquetFile, encode};
use crate::parts::PartFile;
use crate::read::LedgerReader;
use crate::record::IdsDigest;
use crate::run_dir::RunDir;
use crate::whole::write_bytes;

/// What the runs behind a checkpoint have trained on, by what the documents hold.
#[derive(Debug, Default)]
pub struct SeenBefore {
    documents: HashSet<IdsDigest>,
    /// By name: steps that count.
    runs: HashMap<String, u64>,
    /// Runs that a checkpoint left behind.
    left: Vec<Ancestor>,
}

impl SeenBefore {
    /// Reads the ledgers of all runs in `lineage`, whose directories lie in `runs`.
    ///
    /// # Errors
    /// [`Error::MissingAncestor`] for a run that is not there any more or was replaced by another of its name, and
    /// the errors of [`LedgerReader`].
    pub fn load(lineage: &Lineage, runs: &Path) -> Result<Self, Error> {
        let mut seen = Self::default();
        seen.add_lineage(lineage, runs)?;
        Ok(seen)
    }

    /// Whether a document with these ids was trained on.
    pub fn contains(&self, ids: IdsDigest) -> bool {
        self.documents.contains(&ids)
    }

    /// `name@step` of each run, by name.
    pub fn runs(&self) -> Vec<String> {
        let mut runs: Vec<String> =
            self.runs.iter().map(|(run, step)| format!("{run}@{step}")).collect();
        runs.sort_unstable();
        runs
    }

    /// `name@step` of each run that a checkpoint left behind, by name. What they trained on is not asked for:
    /// their ledgers stayed where they were, and a run of the name may be another one here.
    pub fn left(&self) -> Vec<String> {
        let is_read = |left: &&Ancestor| self.runs.get(&left.run).is_some_and(|n| *n >= left.steps);
        let left = self.left.iter().filter(|left| !is_read(left));
        let mut left: Vec<String> =
            left.map(|left| format!("{}@{}", left.run, left.steps)).collect();
        left.sort_unstable();
        left.dedup();
        left
    }

    fn add_lineage(&mut self, lineage: &Lineage, runs: &Path) -> Result<(), Error> {
        let Lineage::Checkpoint { parent, import, .. } = lineage else { return Ok(()) };
        self.add_origin(parent.as_deref(), import.as_ref(), runs)
    }

    fn add_origin(
        &mut self,
        parent: Option<&Parent>,
        import: Option<&Import>,
        runs: &Path,
    ) -> Result<(), Error> {
        if let Some(parent) = parent {
            self.add_run(parent, runs)?;
            self.add_lineage(&parent.started_from, runs)?;
        }
        let merge = import.and_then(|import| import.merge.as_deref());
        let inputs = merge.into_iter().flat_map(|merge| merge.base.iter().chain(&merge.models));
        for MergeInput { parent, import, .. } in inputs {
            self.add_origin(parent.as_deref(), import.as_deref(), runs)?;
        }
        self.left.extend(import.into_iter().flat_map(|import| &import.runs).cloned());
        Ok(())
    }

    fn add_run(&mut self, parent: &Parent, runs: &Path) -> Result<(), Error> {
        // Two models of a merge may come from one run.
        let before = self.runs.insert(parent.run.clone(), parent.step).unwrap_or(0);
        if before >= parent.step {
            self.runs.insert(parent.run.clone(), before);
            return Ok(());
        }
        let path = runs.join(&parent.run);
        let missing = || Error::MissingAncestor { path: path.clone(), expected: parent.recipe };
        let run = RunDir::open(&path).map_err(|_| missing())?;
        if run.identity()?.recipe != parent.recipe {
            return Err(missing());
        }
        let ledger = LedgerReader::open(&run)?;
        for part in ledger.parts().iter().filter(|part| part.first < parent.step) {
            let segments = PartFile::open_path(part.file(Table::Segments))?.read()?;
            let segments = segments.until(part.last.min(parent.step - 1))?;
            self.documents.extend(segments.document_ids()?);
        }
        Ok(())
    }
}

/// The documents of one source that a run leaves out because they were seen before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenDocuments {
    /// The source, by name.
    pub source: String,
    /// Their numbers, increasing.
    pub documents: Vec<u64>,
}

/// What a plan says of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeenRecord {
    /// How many.
    pub documents: u64,
    /// Of their numbers, as little-endian 64-bit words.
    pub digest: Digest,
}

impl SeenDocuments {
    /// What a plan says of them.
    pub fn record(&self) -> SeenRecord {
        let mut hasher = Hasher::new();
        self.documents.iter().for_each(|document| hasher.update(&document.to_le_bytes()));
        SeenRecord { documents: self.documents.len() as u64, digest: hasher.finish() }
    }
}

impl RunDir {
    /// Writes `seen.parquet`: the run answers for what it left out when its ancestors are gone.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn write_seen(&self, seen: &[SeenDocuments]) -> Result<(), Error> {
        let lines: Vec<(&str, u64)> = seen
            .iter()
            .flat_map(|of| of.documents.iter().map(|document| (of.source.as_str(), *document)))
            .collect();
        let source = StringArray::from_iter_values(lines.iter().map(|(source, _)| source));
        let document = UInt64Array::from_iter_values(lines.iter().map(|(_, document)| *document));
        let batch = RecordBatch::try_from_iter([
            ("source", Arc::new(source) as _),
            ("document", Arc::new(document) as _),
        ]);
        let batch = batch.expect("two columns of one length");
        write_bytes(&self.seen_path(), &encode(&batch, &[("table", "seen".to_owned())]))
    }

    /// What [`RunDir::write_seen`] wrote of each of `sources`; `None` where it wrote nothing.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::Schema`] and [`Error::UnreadablePart`].
    pub fn seen<'a>(
        &self,
        sources: impl Iterator<Item = &'a str>,
    ) -> Result<Option<Vec<SeenDocuments>>, Error> {
        let path = self.seen_path();
        if !fs::exists(&path).map_err(|cause| Error::Read { path: path.clone(), cause })? {
            return Ok(None);
        }
        let table = ParquetFile::open(&path)?.read(&path)?;
        let source = table.column::<StringArray>("source")?;
        let document = table.column::<UInt64Array>("document")?;
        let mut by_source: HashMap<&str, Vec<u64>> = HashMap::new();
        for (source, document) in source.iter().zip(document.values()) {
            by_source.entry(source.unwrap_or_default()).or_default().push(*document);
        }
        let seen = sources.map(|source| SeenDocuments {
            source: source.to_owned(),
            documents: by_source.remove(source).unwrap_or_default(),
        });
        Ok(Some(seen.collect()))
    }

    fn seen_path(&self) -> PathBuf {
        self.path().join("seen.parquet")
    }
}

#[cfg(test)]
mod tests;
