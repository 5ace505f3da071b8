//! Checkpoints as the run directory sees them: which are whole, which may go.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use temper_recipe::{CheckpointPolicy, Digest};

use crate::error::Error;
use crate::run_dir::{RunDir, runs_in};
use crate::whole::{
    beside, create_folder, names, read_json, read_json_if_there, remove_folder, sync,
    sync_folder_of, write_json,
};

/// `temper/manifest.json` in a checkpoint: written last, so a folder that has it is whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CheckpointManifest {
    /// Steps done; the next step has this number.
    pub step: u64,
    /// Tokens that carried loss so far.
    pub tokens: u64,
    /// The run's recipe.
    pub recipe: Digest,
    /// The ledger's chain digest after the last step done.
    pub chain: Digest,
    /// The digest of the weights as trained (not as stored).
    pub weights: Digest,
    /// What decides the bits of the weights: backend, driver, model, instruction set.
    pub device_kind: String,
    /// Whatever the trainer needs besides its files, such as the cursor.
    pub training: Value,
    /// Every other file of the checkpoint, by path within it.
    #[serde(default)]
    pub files: BTreeMap<String, FileDigest>,
}

impl CheckpointManifest {
    /// The manifest of the checkpoint in `folder`; `None` for a folder that temper did not write.
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::Schema`] or [`Error::Read`].
    pub fn load(folder: &Path) -> Result<Option<Self>, Error> {
        read_json_if_there(&folder.join(MANIFEST))
    }
}

/// One file of a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileDigest {
    /// Of its bytes.
    pub sha256: Digest,
    /// Its length.
    pub bytes: u64,
}

/// A checkpoint being written, beside its final place; removed when it is dropped before that.
#[derive(Debug)]
pub struct CheckpointDraft {
    folder: PathBuf,
    target: PathBuf,
    step: u64,
}

const MANIFEST: &str = "temper/manifest.json";

impl CheckpointDraft {
    /// Where the files go; `temper/` in it is there for the training state.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Digests the files, writes the manifest and puts the checkpoint in its place.
    ///
    /// `manifest.files` is filled here. A checkpoint of the same step is replaced.
    ///
    /// # Errors
    /// [`Error::Write`]; the checkpoint is not there then.
    pub fn commit(self, mut manifest: CheckpointManifest) -> Result<PathBuf, Error> {
        assert_eq!(manifest.step, self.step, "the manifest is of this checkpoint");
        manifest.files = file_digests(&self.folder)?;
        for name in manifest.files.keys() {
            sync(&self.folder.join(name))?;
        }
        sync(&self.folder)?;
        write_json(&self.folder.join(MANIFEST), &manifest)?;
        if self.target.exists() {
            remove_folder(&self.target)?;
        }
        fs::rename(&self.folder, &self.target)
            .map_err(|cause| Error::Write { path: self.target.clone(), cause })?;
        sync_folder_of(&self.target)?;
        Ok(self.target.clone())
    }
}

impl Drop for CheckpointDraft {
    fn drop(&mut self) {
        // Committed, it is not there any more. A full disk needs the space; what cannot be removed
        // is swept by the next lock.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl RunDir {
    /// The folder of the checkpoint after `step` steps, there or not.
    pub fn checkpoint_folder(&self, step: u64) -> PathBuf {
        self.checkpoints_folder().join(format!("step-{step:06}"))
    }

    /// Starts a checkpoint. What a kill left of an earlier try is removed.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn draft_checkpoint(&self, step: u64) -> Result<CheckpointDraft, Error> {
        let target = self.checkpoint_folder(step);
        let folder = beside(&target, "new");
        if folder.exists() {
            fs::remove_dir_all(&folder)
                .map_err(|cause| Error::Write { path: folder.clone(), cause })?;
        }
        create_folder(&folder.join("temper"))?;
        Ok(CheckpointDraft { folder, target, step })
    }

    /// Steps with a complete checkpoint, in order.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn checkpoints(&self) -> Result<Vec<u64>, Error> {
        let mut steps: Vec<u64> = names(&self.checkpoints_folder())?
            .iter()
            .filter_map(|name| name.strip_prefix("step-")?.parse().ok())
            .filter(|step| self.checkpoint_folder(*step).join(MANIFEST).is_file())
            .collect();
        steps.sort_unstable();
        Ok(steps)
    }

    /// The step of the latest complete checkpoint.
    ///
    /// # Errors
    /// [`Error::Read`].
    pub fn latest_checkpoint(&self) -> Result<Option<u64>, Error> {
        Ok(self.checkpoints()?.last().copied())
    }

    /// The manifest of the checkpoint after `step` steps.
    ///
    /// # Errors
    /// [`Error::Read`] when there is none, [`Error::Malformed`], [`Error::Schema`].
    pub fn checkpoint(&self, step: u64) -> Result<CheckpointManifest, Error> {
        read_json(&self.checkpoint_folder(step).join(MANIFEST))
    }

    /// Steps that must stay: gates cite them, or a run in the same folder started from them.
    ///
    /// # Errors
    /// [`Error::Malformed`] when the decisions are damaged. Runs beside this one that cannot be read pin nothing.
    pub fn pinned_checkpoints(&self) -> Result<BTreeSet<u64>, Error> {
        let cited = self.decisions()?.into_iter().filter_map(|decision| decision.checkpoint);
        let mut pinned: BTreeSet<u64> = cited.collect();
        let (name, runs) = (self.name(), self.path().parent().unwrap_or(Path::new(".")).to_owned());
        for run in runs_in(&runs)?.iter().filter(|run| run.name() != name) {
            let Ok(identity) = run.identity() else { continue };
            let parent = identity.info.started_from.parent();
            pinned.extend(parent.filter(|parent| parent.run == name).map(|parent| parent.step));
        }
        Ok(pinned)
    }

    /// Deletes a checkpoint: a kill leaves it whole or gone.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn delete_checkpoint(&self, step: u64) -> Result<(), Error> {
        remove_folder(&self.checkpoint_folder(step))
    }
}

/// Which of `steps` the policy lets go: not the newest `keep_last` (at least one), not multiples of
/// `keep_every`, not `pinned`. Changes nothing.
pub fn retain(policy: &CheckpointPolicy, steps: &[u64], pinned: &BTreeSet<u64>) -> Vec<u64> {
    let mut steps = steps.to_vec();
    steps.sort_unstable();
    let older = steps.len().saturating_sub(policy.keep_last.max(1));
    let milestone = |step: u64| policy.keep_every > 0 && step.is_multiple_of(policy.keep_every);
    steps[..older]
        .iter()
        .copied()
        .filter(|step| !milestone(*step) && !pinned.contains(step))
        .collect()
}

/// Digests of all files under `folder` but the manifest, by path with `/`.
pub fn file_digests(folder: &Path) -> Result<BTreeMap<String, FileDigest>, Error> {
    let mut found = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(prefix) = folders.pop() {
        for name in names(&folder.join(&prefix))? {
            let name = format!("{prefix}{name}");
            if folder.join(&name).is_dir() {
                folders.push(format!("{name}/"));
            } else if name != MANIFEST {
                found.push(name);
            }
        }
    }
    // A digest is made by one thread: the largest file should be all that is waited for.
    let each = found.par_iter().with_max_len(1);
    let digests: Vec<_> = each.map(|name| file_digest(&folder.join(name))).collect();
    found
        .into_iter()
        .zip(digests)
        .map(|(name, digest)| digest.map(|digest| (name, digest)))
        .collect()
}

fn file_digest(path: &Path) -> Result<FileDigest, Error> {
    let failed = |cause| Error::Read { path: path.to_owned(), cause };
    let sha256 = Digest::of_file(path).map_err(failed)?;
    let bytes = fs::metadata(path).map_err(failed)?.len();
    Ok(FileDigest { sha256, bytes })
}

#[cfg(test)]
mod tests;
