//! A checkpoint that has been found, and what lies in its folders.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use super::{Companion, companions, companions::GENERATION, source};
use crate::{Config, Error};

/// A checkpoint that has been found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// As it was asked for.
    pub asked: String,
    /// The folder of the whole weights, with their `config.json`; an adapter's base.
    pub folder: PathBuf,
    /// Where in the Hub's cache `folder` lies.
    pub snapshot: Option<Snapshot>,
    /// The adapter that is merged into the weights.
    pub adapter: Option<Adapter>,
    /// Steps that a transformers Trainer had done, where it wrote what was asked for.
    pub step: Option<u64>,
}

/// A model of the Hub at a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// `org/name`.
    pub id: String,
    /// The revision that was asked for.
    pub revision: String,
    /// The commit that it stands for here.
    pub commit: String,
}

/// A LoRA adapter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adapter {
    /// Its folder.
    pub folder: PathBuf,
    /// Where in the Hub's cache it lies.
    pub snapshot: Option<Snapshot>,
    /// Its base, as its configuration names it.
    pub base: String,
}

/// What was found under the name that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A folder with weights.
    Folder,
    /// A checkpoint that a transformers Trainer wrote.
    TrainerCheckpoint,
    /// A model of the Hub, in its local cache.
    HubSnapshot,
    /// A LoRA adapter on one of these.
    Adapter,
}

impl Located {
    /// What was found.
    pub fn kind(&self) -> Kind {
        match self {
            Self { adapter: Some(_), .. } => Kind::Adapter,
            Self { snapshot: Some(_), .. } => Kind::HubSnapshot,
            Self { step: Some(_), .. } => Kind::TrainerCheckpoint,
            Self { .. } => Kind::Folder,
        }
    }

    /// The configuration of the weights.
    ///
    /// # Errors
    ///
    /// Those of [`Config::load`], and [`Error::Quantized`].
    pub fn config(&self) -> Result<Config, Error> {
        source::config(&self.folder)
    }

    /// The folder of the tokenizer: the adapter's where it brings one, else that of the weights.
    pub fn tokenizer_folder(&self) -> &Path {
        match &self.adapter {
            Some(adapter) if adapter.folder.join("tokenizer.json").is_file() => &adapter.folder,
            _ => &self.folder,
        }
    }

    /// The files that travel with the weights; those of an adapter count before its base's.
    ///
    /// # Errors
    ///
    /// [`Error::Read`].
    pub fn companions(&self) -> Result<Vec<Companion>, Error> {
        let mut all = match &self.adapter {
            Some(adapter) => companions(&adapter.folder)?,
            None => Vec::new(),
        };
        // A tokenizer is one thing in several files, of which each belongs to the others.
        let brings_tokenizer = self.tokenizer_folder() != self.folder;
        for companion in companions(&self.folder)? {
            let is_known = all.iter().any(|known| known.name == companion.name);
            let is_tokenizer = companion.name != GENERATION;
            if !(is_known || brings_tokenizer && is_tokenizer) {
                all.push(companion);
            }
        }
        Ok(all)
    }
}

/// One line for a person: what it is, and where it lies.
impl fmt::Display for Located {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(adapter) = &self.adapter {
            write!(f, "LoRA adapter `{}` on ", adapter.folder.display())?;
        }
        match &self.snapshot {
            Some(snapshot) => write!(f, "{} at {} of the Hub", snapshot.id, snapshot.commit)?,
            None => write!(f, "`{}`", self.folder.display())?,
        }
        match self.step {
            Some(step) => write!(f, ", a Trainer's checkpoint after {step} steps"),
            None => Ok(()),
        }
    }
}
