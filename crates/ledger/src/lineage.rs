//! Where weights came from, run by run.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use temper_recipe::Digest;

use crate::ancestors::Ancestor;
use crate::error::Error;
use crate::merge::Merge;
use crate::run_dir::RunDir;

/// The folder of a checkpoint that holds averages of the weights.
pub const AVERAGES_FOLDER: &str = "ema";

/// The folder of a checkpoint, or of its averages, that holds the adapter alone, as PEFT has it.
pub const ADAPTER_FOLDER: &str = "adapter";

/// Where a run's weights came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lineage {
    /// Drawn from the seed, in the shape of this folder's `config.json`.
    Init {
        /// As the recipe says it.
        folder: String,
    },
    /// Those of a checkpoint.
    Checkpoint {
        /// As the recipe says it: `checkpoints/nano`, `runs/x`, `runs/x@400`, `org/name`.
        asked: String,
        /// The folder this meant, relative to the project root where it lies within; an adapter's
        /// where there is one.
        folder: String,
        /// The digest of the weights that training began with.
        weights: Digest,
        /// The run that made it; `None` for a folder that no run made.
        parent: Option<Box<Parent>>,
        /// What else is known of a folder that no run made.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        import: Option<Import>,
    },
}

/// Where a folder that no run made came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Import {
    /// `trainer-checkpoint`, `hub-snapshot`, `adapter`, `merge` or, for one that left its run, `run-checkpoint`.
    pub kind: String,
    /// The model of the Hub whose weights these are, as `org/name@commit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hub: Option<String>,
    /// The folder of the weights that an adapter was merged into.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// Steps that a transformers Trainer had done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<u64>,
    /// What a merged checkpoint was made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merge: Option<Box<Merge>>,
    /// The runs behind a checkpoint that left its run, the first one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<Ancestor>,
}

/// A run that made a checkpoint others started from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// The run's name.
    pub run: String,
    /// Its steps done at the checkpoint.
    pub step: u64,
    /// The digest of its recipe.
    pub recipe: Digest,
    /// Where it started itself.
    pub started_from: Lineage,
}

/// A checkpoint found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// As the human wrote it.
    pub asked: String,
    /// The Hugging Face folder.
    pub folder: PathBuf,
    /// The run and the step, when a run made it.
    pub run: Option<(RunDir, u64)>,
    /// What else is known of it, when no run made it.
    pub import: Option<Import>,
}

impl Origin {
    /// Finds the run that `asked` names (its latest complete checkpoint), or the run's checkpoint
    /// (`runs/x@400`); `None` where it names no run. Relative paths start at `root`.
    ///
    /// # Errors
    /// [`Error::NoCheckpoint`] for a run without one; [`Error::UnknownCheckpoint`] with the steps
    /// the run has.
    pub fn find(root: &Path, asked: &str) -> Result<Option<Self>, Error> {
        let path = root.join(asked);
        if let Ok(run) = RunDir::open(&path) {
            let step = run.latest_checkpoint()?.ok_or_else(|| Error::NoCheckpoint {
                origin: asked.to_owned(),
                path: run.path().to_owned(),
            })?;
            return Ok(Some(Self::of_run(asked, run, step)));
        }
        let at_step = asked.rsplit_once('@').and_then(|(run, step)| {
            Some((RunDir::open(&root.join(run)).ok()?, step.parse::<u64>().ok()?))
        });
        let Some((run, step)) = at_step else { return Ok(None) };
        let found = run.checkpoints()?;
        if !found.contains(&step) {
            return Err(Error::UnknownCheckpoint { origin: asked.to_owned(), step, found });
        }
        Ok(Some(Self::of_run(asked, run, step)))
    }

    /// The origin that a folder is; a path into a run's `checkpoints/` is of that run.
    pub fn of_folder(asked: &str, folder: PathBuf, import: Option<Import>) -> Self {
        Self { asked: asked.to_owned(), run: made_by(&folder), folder, import }
    }

    fn of_run(asked: &str, run: RunDir, step: u64) -> Self {
        let folder = run.checkpoint_folder(step);
        Self { asked: asked.to_owned(), folder, run: Some((run, step)), import: None }
    }

    /// The run that made it or, of an adapter from elsewhere, its base; with where that run started from.
    ///
    /// # Errors
    /// [`Error::Malformed`] and the like when its `run.json` cannot be read.
    pub fn parent(&self) -> Result<Option<Box<Parent>>, Error> {
        let of_base = || made_by(Path::new(self.import.as_ref()?.base.as_deref()?));
        let Some((run, step)) = self.run.clone().or_else(of_base) else { return Ok(None) };
        let identity = run.identity()?;
        Ok(Some(Box::new(Parent {
            run: identity.name,
            step,
            recipe: identity.recipe,
            started_from: identity.info.started_from,
        })))
    }

    /// The record of this origin; `weights` is the digest of what was loaded from it.
    ///
    /// # Errors
    /// [`Error::Malformed`] and the like when the parent's `run.json` cannot be read.
    pub fn lineage(&self, root: &Path, weights: Digest) -> Result<Lineage, Error> {
        let parent = self.parent()?;
        let folder = self.folder.strip_prefix(root).unwrap_or(&self.folder);
        Ok(Lineage::Checkpoint {
            asked: self.asked.clone(),
            folder: folder.to_string_lossy().into_owned(),
            weights,
            parent,
            import: self.import.clone(),
        })
    }
}

/// The run and step of a path such as `runs/x/checkpoints/step-000400`, or of the averages or the adapter in it.
fn made_by(folder: &Path) -> Option<(RunDir, u64)> {
    let mut folder = folder;
    for part in [ADAPTER_FOLDER, AVERAGES_FOLDER] {
        if folder.file_name()? == part {
            folder = folder.parent()?;
        }
    }
    let run = RunDir::open(folder.parent()?.parent()?).ok()?;
    let step =
        run.checkpoints().ok()?.into_iter().find(|step| run.checkpoint_folder(*step) == folder)?;
    Some((run, step))
}

impl Lineage {
    /// The parent, when a run made the checkpoint.
    pub fn parent(&self) -> Option<&Parent> {
        match self {
            Self::Init { .. } => None,
            Self::Checkpoint { parent, .. } => parent.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests;
