//! The folder a recipe belongs to, and the manifests, catalogs and suites in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf, absolute};

use serde::de::DeserializeOwned;

use crate::document::{Document, Format};
use crate::error::{Error, Kind};
use crate::manifest::{Catalog, Manifest, Suite, SuiteWithManifests};
use crate::problem::Findings;
use crate::read::read;
use crate::{data_limits, limits};

/// The folder that has `data-manifests`: paths in recipes are relative to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// Absolute.
    pub root: PathBuf,
}

impl Project {
    /// The nearest folder with `data-manifests`, from `start` (a file or a folder) upwards.
    ///
    /// # Errors
    /// [`Error::NoProject`] if there is none, [`Error::Read`] if `start` cannot be made absolute.
    pub fn find(start: &Path) -> Result<Self, Error> {
        let from =
            absolute(start).map_err(|source| Error::Read { path: start.to_owned(), source })?;
        from.ancestors()
            .find(|folder| folder.join(Kind::Manifest.folder()).is_dir())
            .map(|root| Self { root: root.to_owned() })
            .ok_or_else(|| Error::NoProject { start: start.to_owned() })
    }

    /// Where manifests lie; the paths of their files are relative to it.
    pub fn manifests_dir(&self) -> PathBuf {
        self.root.join(Kind::Manifest.folder())
    }

    /// Where runs go.
    pub fn runs_dir(&self) -> PathBuf {
        self.root.join("runs")
    }

    /// Where token shards and baselines are kept; they are customer data too.
    pub fn cache_dir(&self) -> PathBuf {
        self.root.join(".temper/cache")
    }

    /// `path` from the root, where it lies below; so that a project can be moved.
    pub fn relative(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.root).unwrap_or(path).to_owned()
    }

    /// `data-manifests/<id>.toml`.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Read`], or [`Error::Problems`] with all that is wrong in it.
    pub fn manifest(&self, id: &str) -> Result<Manifest, Error> {
        let required = ["id", "category", "licence", "source", "split", "columns", "files"];
        self.load(Kind::Manifest, id, &required, |manifest: &Manifest, findings| {
            data_limits::of_id(&manifest.id, id, findings);
            data_limits::of_manifest(manifest, findings);
        })
    }

    /// `data-manifests/catalogs/<id>.toml`.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Read`], or [`Error::Problems`] with all that is wrong in it.
    pub fn catalog(&self, id: &str) -> Result<Catalog, Error> {
        let required = ["id", "categories"];
        self.load(Kind::Catalog, id, &required, |catalog: &Catalog, findings| {
            data_limits::of_id(&catalog.id, id, findings);
            data_limits::of_catalog(catalog, findings);
        })
    }

    /// `data-manifests/suites/<id>.toml` and the manifests of its corpora.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::Read`], or [`Error::Problems`] with all that is wrong in them.
    pub fn suite(&self, id: &str) -> Result<SuiteWithManifests, Error> {
        let mut manifests = BTreeMap::new();
        let required = ["id", "sequence_length", "tasks"];
        let suite = self.load(Kind::Suite, id, &required, |suite: &Suite, findings| {
            data_limits::of_id(&suite.id, id, findings);
            if suite.tasks.is_empty() && !findings.refused(&["tasks"]) {
                let hint = "a suite is what a checkpoint is scored on".to_owned();
                findings.add(
                    &["tasks"],
                    "found none, expected at least one".to_owned(),
                    Some(hint),
                );
            }
            if suite.sequence_length == 0 && !findings.refused(&["sequence_length"]) {
                let hint = "documents are cut to this many positions, 512 say".to_owned();
                let message = "found 0, expected at least one position".to_owned();
                findings.add(&["sequence_length"], message, Some(hint));
            }
            let mut ids = BTreeSet::new();
            for (index, task) in suite.tasks.iter().enumerate() {
                let index = format!("[{index}]");
                if !ids.insert(&task.id) {
                    let message = format!("`{}` is the id of an earlier task", task.id);
                    let hint = "reports tell tasks apart by their ids".to_owned();
                    findings.add(&["tasks", &index, "id"], message, Some(hint));
                }
                let path = ["tasks", &index, "corpus"];
                match self.manifest(&task.corpus) {
                    Ok(manifest) => {
                        data_limits::of_task(task, &manifest, &path, findings);
                        manifests.insert(task.corpus.clone(), manifest);
                    }
                    Err(error) => findings.add_error(&path, error),
                }
            }
        })?;
        Ok(SuiteWithManifests { suite, manifests })
    }

    /// The ids of all manifests, catalogs or suites, sorted.
    ///
    /// # Errors
    /// [`Error::Read`] if the folder is there and cannot be read.
    pub fn ids(&self, kind: Kind) -> Result<Vec<String>, Error> {
        let folder = self.root.join(kind.folder());
        let failed = |source| Error::Read { path: folder.clone(), source };
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut ids = Vec::new();
        for entry in entries {
            let path = entry.map_err(failed)?.path();
            let is_toml = path.extension().is_some_and(|extension| extension == "toml");
            if let Some(id) = path.file_stem().and_then(|stem| stem.to_str()).filter(|_| is_toml) {
                ids.push(id.to_owned());
            }
        }
        ids.sort();
        Ok(ids)
    }

    fn load<T: DeserializeOwned>(
        &self,
        kind: Kind,
        id: &str,
        required: &[&'static str],
        check: impl FnOnce(&T, &mut Findings<'_>),
    ) -> Result<T, Error> {
        let relative = kind.folder().join(format!("{id}.toml"));
        let path = self.root.join(&relative);
        // An id is no path: `../x` would leave the folder.
        if !limits::is_name(id) || !path.exists() {
            return Err(Error::Missing { kind, id: id.to_owned(), known: self.ids(kind)? });
        }
        let text = fs::read_to_string(&path).map_err(|source| Error::Read { path, source })?;
        let name = relative.display().to_string();
        let refused = |problems| Error::Problems { name: name.clone(), problems };
        let mut document = Document::parse(&name, &text, Format::Toml).map_err(refused)?;
        let mut problems = Vec::new();
        let value = read(&mut document, required, &mut problems);
        let mut findings = Findings::new(&document, problems);
        if let Some(value) = &value {
            check(value, &mut findings);
        }
        let problems = findings.into_problems();
        match value {
            Some(value) if problems.is_empty() => Ok(value),
            Some(_) | None => Err(refused(problems)),
        }
    }
}

#[cfg(test)]
mod tests;
