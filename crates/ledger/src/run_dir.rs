//! The directory of one run.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use temper_recipe::Recipe;

use crate::error::Error;
use crate::run_info::{Identity, Outcome, PlanRecord, RunInfo};
use crate::whole::{
    beside, create_folder, names, read, read_json, read_json_if_there, remove_folder, sweep,
    sync_folder_of, write_bytes, write_json,
};

/// The directory of one run: where everything lies.
///
/// ```text
/// run.json                 how and on what it was started        plan.json     what it will do
/// recipe.source            as the human wrote it                 outcome.json  how it ended
/// recipe.resolved.toml     with every default                    lock          who is writing
/// ledger/                  parts, decisions.jsonl                evals/        step-000400.json
/// checkpoints/             step-000400/                          private/      0700
/// ```
///
/// Every file is written beside and renamed, and says its schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunDir {
    path: PathBuf,
}

/// The right to write in a run directory, until it is dropped or the process ends.
#[derive(Debug)]
pub struct RunLock {
    _file: File,
}

impl RunDir {
    /// Creates `runs/<recipe.name>` and locks it. It appears whole or not at all.
    ///
    /// `source_text` is the recipe as the human wrote it.
    ///
    /// # Errors
    /// [`Error::RunExists`]; [`Error::InUse`] when another process is creating it right now;
    /// [`Error::Write`] on a full disk or in a folder that cannot be written.
    pub fn create(
        runs: &Path,
        recipe: &Recipe,
        source_text: &str,
        info: &RunInfo,
    ) -> Result<(Self, RunLock), Error> {
        let path = runs.join(&recipe.name);
        if path.exists() {
            return Err(Error::RunExists { path });
        }
        create_folder(runs)?;
        let draft = Self { path: beside(&path, "new") };
        create_folder(&draft.path)?;
        let appeared = draft.hold_lock().and_then(|lock| {
            draft.fill(recipe, source_text, info)?;
            // On an empty folder a rename would succeed, and the loser of a race would not notice;
            // a run directory is never empty.
            fs::rename(&draft.path, &path)
                .map_err(|cause| Error::Write { path: path.clone(), cause })?;
            Ok(lock)
        });
        if matches!(appeared, Err(Error::Write { .. })) {
            // What cannot be removed either is taken over by the next run of this name.
            let _ = fs::remove_dir_all(&draft.path);
        }
        let lock = appeared?;
        sync_folder_of(&path)?;
        Ok((Self { path }, lock))
    }

    /// Removes a run that has no plan yet, so that its name is free again; says whether it did.
    ///
    /// Nothing was scored or trained in such a run. The caller holds its lock.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn remove_unplanned(&self) -> Result<bool, Error> {
        let is_unplanned = !self.plan_path().exists();
        if is_unplanned {
            remove_folder(&self.path)?;
        }
        Ok(is_unplanned)
    }

    fn fill(&self, recipe: &Recipe, source_text: &str, info: &RunInfo) -> Result<(), Error> {
        for folder in [self.ledger_folder(), self.checkpoints_folder(), self.evals_folder()] {
            create_folder(&folder)?;
        }
        let private = self.private_folder();
        create_private(&private).map_err(|cause| Error::Write { path: private, cause })?;
        write_bytes(&self.path.join("recipe.source"), source_text.as_bytes())?;
        write_bytes(&self.path.join("recipe.resolved.toml"), recipe.to_toml().as_bytes())?;
        write_json(&self.path.join("run.json"), &Identity::new(recipe, info))
    }

    /// An existing run, to be read.
    ///
    /// # Errors
    /// [`Error::NotARun`] without a `run.json`.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let path = path.to_owned();
        if path.join("run.json").is_file() {
            Ok(Self { path })
        } else {
            Err(Error::NotARun { path })
        }
    }

    /// Takes the run for writing, and removes what a killed process left half-written.
    ///
    /// # Errors
    /// [`Error::InUse`] with the other process's id.
    pub fn lock(&self) -> Result<RunLock, Error> {
        let lock = self.hold_lock()?;
        for folder in [
            self.path.clone(),
            self.ledger_folder(),
            self.checkpoints_folder(),
            self.evals_folder(),
        ] {
            sweep(&folder)?;
        }
        Ok(lock)
    }

    fn hold_lock(&self) -> Result<RunLock, Error> {
        let path = self.lock_path();
        let failed = |cause| Error::Write { path: path.clone(), cause };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // The id is a help, not a need: without it the message still stands.
                let pid =
                    file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
                return Err(Error::InUse { path: self.path.clone(), pid });
            }
            Err(TryLockError::Error(cause)) => return Err(failed(cause)),
        }
        let id = format!("{}\n", std::process::id());
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(id.as_bytes()))
            .map_err(failed)?;
        Ok(RunLock { _file: file })
    }

    /// True while a process holds the lock.
    pub fn is_running(&self) -> bool {
        let Ok(file) = File::open(self.lock_path()) else { return false };
        // Shared, so that two listings do not see each other.
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The last part of the path.
    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Parts and decisions.
    pub fn ledger_folder(&self) -> PathBuf {
        self.path.join("ledger")
    }

    /// One folder per checkpoint.
    pub fn checkpoints_folder(&self) -> PathBuf {
        self.path.join("checkpoints")
    }

    /// One file per scored step.
    pub fn evals_folder(&self) -> PathBuf {
        self.path.join("evals")
    }

    /// For whatever holds text of the customer: rollouts, answers, samples. Mode 0700.
    pub fn private_folder(&self) -> PathBuf {
        self.path.join("private")
    }

    fn lock_path(&self) -> PathBuf {
        self.path.join("lock")
    }

    fn plan_path(&self) -> PathBuf {
        self.path.join("plan.json")
    }

    fn outcome_path(&self) -> PathBuf {
        self.path.join("outcome.json")
    }

    /// What `run.json` says.
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::Schema`] or [`Error::Read`].
    pub fn identity(&self) -> Result<Identity, Error> {
        read_json(&self.path.join("run.json"))
    }

    /// The text of `recipe.resolved.toml`.
    ///
    /// # Errors
    /// [`Error::Read`], or [`Error::Malformed`] when it is no UTF-8.
    pub fn resolved_recipe(&self) -> Result<String, Error> {
        let path = self.path.join("recipe.resolved.toml");
        String::from_utf8(read(&path)?)
            .map_err(|error| Error::Malformed { path, reason: error.to_string() })
    }

    /// Writes `plan.json`.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn write_plan(&self, plan: &PlanRecord) -> Result<(), Error> {
        write_json(&self.plan_path(), plan)
    }

    /// What `plan.json` says; `None` before the plan was made.
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::Schema`] or [`Error::Read`].
    pub fn plan(&self) -> Result<Option<PlanRecord>, Error> {
        read_json_if_there(&self.plan_path())
    }

    /// Writes `outcome.json`, when the run ends.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn write_outcome(&self, outcome: &Outcome) -> Result<(), Error> {
        write_json(&self.outcome_path(), outcome)
    }

    /// How the run ended; `None` for one that is going on or was killed.
    ///
    /// # Errors
    /// [`Error::Malformed`], [`Error::Schema`] or [`Error::Read`].
    pub fn outcome(&self) -> Result<Option<Outcome>, Error> {
        read_json_if_there(&self.outcome_path())
    }

    /// Removes `outcome.json`, when the run goes on.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn clear_outcome(&self) -> Result<(), Error> {
        let path = self.outcome_path();
        if !path.exists() {
            return Ok(());
        }
        fs::remove_file(&path).map_err(|cause| Error::Write { path: path.clone(), cause })?;
        sync_folder_of(&path)
    }
}

/// The runs in a folder of runs, by name; none when the folder is not there.
///
/// # Errors
/// [`Error::Read`] when the folder cannot be read.
pub fn runs_in(runs: &Path) -> Result<Vec<RunDir>, Error> {
    let folders = names(runs)?.into_iter().filter(|name| !name.starts_with('.'));
    Ok(folders.filter_map(|name| RunDir::open(&runs.join(name)).ok()).collect())
}

fn create_private(folder: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

#[cfg(test)]
mod tests;
