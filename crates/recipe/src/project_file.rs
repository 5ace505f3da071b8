//! A file that a recipe names, and that must stay as it is.

use std::io;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::project::Project;

/// A file that a recipe names: what is in it changes a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProjectFile {
    /// Its path from the project's root.
    pub path: String,
    /// Of its bytes.
    pub digest: Digest,
}

impl ProjectFile {
    /// The file at `path`, as it is now.
    pub(crate) fn find(path: &str, project: &Project) -> io::Result<Self> {
        let digest = Digest::of_file(&project.root.join(path))?;
        Ok(Self { path: path.to_owned(), digest })
    }
}
