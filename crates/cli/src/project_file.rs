//! Files that a recipe names, as they were when it was resolved.

use anyhow::{Context as _, Result, bail};
use temper_recipe::{Digest, Project, ProjectFile};

/// Reads what the recipe names under `key`, which must still be what it was resolved with.
pub(crate) fn read(project: &Project, key: &str, file: &ProjectFile) -> Result<String> {
    let path = project.root.join(&file.path);
    let bytes =
        std::fs::read(&path).with_context(|| format!("{key}: cannot read `{}`", path.display()))?;
    let found = Digest::of(&bytes);
    if found != file.digest {
        bail!(
            "{key}: `{}` has digest {}, expected {}\n\nhint: restore the file, or start a new run",
            path.display(),
            found.short(),
            file.digest.short()
        );
    }
    String::from_utf8(bytes).with_context(|| {
        format!("{key}: `{}` is no text\n\nhint: save it as UTF-8", path.display())
    })
}
