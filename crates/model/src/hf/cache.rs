//! The local cache of the Hugging Face Hub.
//!
//! ```text
//! models--org--name/
//!   refs/main                     the commit that a branch or tag stands for
//!   snapshots/<commit>/config.json, …     links into blobs/
//! ```

use std::{
    fs,
    path::{Component, Path, PathBuf},
};

use super::{json::short, located::Snapshot};
use crate::Error;

/// A model's name on the Hub, with the revision that is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HubId {
    /// `org/name`.
    id: String,
    /// A branch, a tag or a commit; `None`: `main`.
    revision: Option<String>,
}

impl HubId {
    /// Understands `org/name` and `org/name@revision`.
    pub(super) fn parse(asked: &str) -> Option<Self> {
        let (id, revision) = match asked.split_once('@') {
            Some((id, revision)) => (id, Some(revision)),
            None => (asked, None),
        };
        let is_part = |part: &str| {
            let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
            !part.is_empty() && part.chars().all(plain) && !part.starts_with(['.', '-'])
        };
        let (org, name) = id.split_once('/')?;
        // A revision is a path below `refs`, and has to stay there.
        let stays = |revision: &str| {
            let mut parts = Path::new(revision).components();
            !revision.is_empty() && parts.all(|part| matches!(part, Component::Normal(_)))
        };
        (is_part(org) && is_part(name) && revision.is_none_or(stays))
            .then(|| Self { id: id.into(), revision: revision.map(Into::into) })
    }

    /// The same model at a revision.
    pub(super) fn at(self, revision: Option<&str>) -> Self {
        Self { revision: revision.map(Into::into).or(self.revision), ..self }
    }

    /// The folder of the snapshot.
    ///
    /// # Errors
    ///
    /// [`Error::NotCached`] with what is there and the command that fetches it.
    pub(super) fn find(&self, cache: Option<&Path>) -> Result<(PathBuf, Snapshot), Error> {
        let Some(cache) = cache else { return Err(self.not_cached("no cache is known".into())) };
        let repository = cache.join(format!("models--{}", self.id.replace('/', "--")));
        if !repository.is_dir() {
            return Err(
                self.not_cached(format!("the cache `{}` does not have it", cache.display()))
            );
        }
        let revision = self.revision.as_deref().unwrap_or("main");
        let snapshots = repository.join("snapshots");
        let reference = fs::read_to_string(repository.join("refs").join(revision)).ok();
        let commit = reference.as_deref().map_or(revision, str::trim);
        let folder = snapshots.join(commit);
        // What a reference says is a path, too.
        let stays = folder.parent() == Some(&snapshots) && !commit.contains("..");
        if !stays || !folder.is_dir() {
            let there = revisions(&repository.join("refs"));
            let found = format!("the cache has no revision `{}` of it{there}", short(revision));
            return Err(self.not_cached(found));
        }
        let (id, revision, commit) = (self.id.clone(), revision.into(), commit.into());
        Ok((folder, Snapshot { id, revision, commit }))
    }

    /// The command that fetches it.
    pub(super) fn download(&self) -> String {
        match &self.revision {
            Some(revision) => format!("hf download {} --revision {revision}", self.id),
            None => format!("hf download {}", self.id),
        }
    }

    fn not_cached(&self, found: String) -> Error {
        Error::NotCached { id: self.id.clone(), found, command: self.download() }
    }
}

/// The branches and tags that are there, for a message.
fn revisions(refs: &Path) -> String {
    let entries = fs::read_dir(refs).into_iter().flatten();
    let mut names: Vec<String> =
        entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    match names.is_empty() {
        true => String::new(),
        false => format!(", only {}", names.join(", ")),
    }
}
