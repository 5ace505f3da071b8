//! Baselines that were scored before.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use temper_recipe::{Digest, Hasher};

use crate::error::Error;
use crate::suite_score::{Provenance, SuiteScore};

/// Changes with the meaning of a score, so that entries of an older temper are not found.
const FORMAT: &str = "temper eval score 1";

/// Scores by what they depend on, one JSON file each.
///
/// The folder is readable by its owner alone: names of items may be customer data.
#[derive(Clone, Debug)]
pub struct BaselineCache {
    folder: PathBuf,
}

impl BaselineCache {
    /// A cache in `folder`, which need not be there yet.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Where the score with this provenance lies.
    pub fn path(&self, provenance: &Provenance) -> PathBuf {
        self.folder.join(format!("{}.json", key(provenance)))
    }

    /// The score with this provenance; `None` where there is none, or where the file is not whole:
    /// a score can always be made again.
    ///
    /// # Errors
    /// [`Error::Read`] for a file that is there and cannot be read.
    pub fn load(&self, provenance: &Provenance) -> Result<Option<SuiteScore>, Error> {
        let path = self.path(provenance);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(Error::Read { path, source }),
        };
        let score =
            std::str::from_utf8(&bytes).ok().and_then(|text| SuiteScore::from_json(text).ok());
        Ok(score.filter(|score| score.provenance == *provenance))
    }

    /// Stores `score`; the file is there whole or not at all.
    ///
    /// # Errors
    /// [`Error::Write`], and as [`SuiteScore::check`].
    pub fn save(&self, score: &SuiteScore) -> Result<(), Error> {
        let json = score.to_json()?;
        let path = self.path(&score.provenance);
        create_private_folder(&self.folder)
            .map_err(|source| Error::Write { path: self.folder.clone(), source })?;
        // Two runs may score the same baseline at a time: each has its own draft.
        let draft =
            self.folder.join(format!(".{}.{}.new", key(&score.provenance), std::process::id()));
        let written =
            write_private(&draft, json.as_bytes()).and_then(|()| fs::rename(&draft, &path));
        written.map_err(|source| {
            // What is left of a draft is of no use to anybody.
            let _ = fs::remove_file(&draft);
            Error::Write { path, source }
        })
    }
}

fn key(provenance: &Provenance) -> Digest {
    let mut hasher = Hasher::new();
    hasher.update(FORMAT.as_bytes());
    hasher.update(&serde_json::to_vec(provenance).expect("plain data serializes"));
    hasher.finish()
}

fn create_private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests;
