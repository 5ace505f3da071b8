//! Files that are whole or not there: written beside, synced, renamed.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::Error;

/// The version of everything this crate writes.
pub(crate) const SCHEMA: u32 = 1;

/// Where the bytes of `path` gather before the rename. A killed process leaves it behind.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{suffix}"))
}

/// True for a name that [`beside`] gives.
pub(crate) fn is_beside(name: &str) -> bool {
    name.starts_with('.') && (name.ends_with(".new") || name.ends_with(".old"))
}

/// Puts `bytes` at `path`: after a crash the old file is there or the new one.
pub(crate) fn write_bytes(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let draft = beside(path, "new");
    let written = write_synced(&draft, bytes).and_then(|()| fs::rename(&draft, path));
    if let Err(cause) = written {
        // The draft is of no use to anybody; should this fail too, the next lock sweeps it.
        let _ = fs::remove_file(&draft);
        return Err(Error::Write { path: path.to_owned(), cause });
    }
    sync_folder_of(path)
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes renames in the folder of `path` last.
pub(crate) fn sync_folder_of(path: &Path) -> Result<(), Error> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    sync(folder.unwrap_or(Path::new(".")))
}

/// Makes what was written to a file or folder last.
pub(crate) fn sync(path: &Path) -> Result<(), Error> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(|cause| Error::Write { path: path.to_owned(), cause })
}

/// Creates `folder` and its parents.
pub(crate) fn create_folder(folder: &Path) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(|cause| Error::Write { path: folder.to_owned(), cause })
}

/// Removes `folder` in such a way that a kill never leaves half of it under its name.
pub(crate) fn remove_folder(folder: &Path) -> Result<(), Error> {
    let failed = |cause| Error::Write { path: folder.to_owned(), cause };
    let away = beside(folder, "old");
    if away.exists() {
        fs::remove_dir_all(&away).map_err(failed)?;
    }
    fs::rename(folder, &away).map_err(failed)?;
    sync_folder_of(folder)?;
    fs::remove_dir_all(&away).map_err(failed)
}

/// Removes what a killed process left beside the files of `folder`; a missing folder is clean.
pub(crate) fn sweep(folder: &Path) -> Result<(), Error> {
    for name in names(folder)?.iter().filter(|name| is_beside(name)) {
        let path = folder.join(name);
        let removed =
            if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.map_err(|cause| Error::Write { path, cause })?;
    }
    Ok(())
}

/// The names in `folder`, sorted; none when it is not there.
pub(crate) fn names(folder: &Path) -> Result<Vec<String>, Error> {
    let failed = |cause| Error::Read { path: folder.to_owned(), cause };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(cause) => return Err(failed(cause)),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry.map_err(failed)?.file_name().to_string_lossy().into_owned());
    }
    names.sort_unstable();
    Ok(names)
}

/// The bytes of `path`.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|cause| Error::Read { path: path.to_owned(), cause })
}

/// Writes `value` as indented JSON with the field `schema` in front.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), Error> {
    let mut text = serde_json::to_string_pretty(&versioned(value)).expect("a map with string keys");
    text.push('\n');
    write_bytes(path, text.as_bytes())
}

/// `value` with the field `schema` in front.
pub(crate) fn versioned(value: &impl Serialize) -> Value {
    let mut object = serde_json::Map::new();
    object.insert("schema".to_owned(), SCHEMA.into());
    match serde_json::to_value(value).expect("records serialize to JSON objects") {
        Value::Object(fields) => object.extend(fields),
        other @ (Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)) => {
            unreachable!("records serialize to JSON objects, not {other}")
        }
    }
    Value::Object(object)
}

/// Reads what [`write_json`] wrote.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    from_json(path, &read(path)?)
}

/// [`read_json`], where a missing file is `None`.
pub(crate) fn read_json_if_there<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Error> {
    match fs::read(path) {
        Ok(bytes) => from_json(path, &bytes).map(Some),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(Error::Read { path: path.to_owned(), cause }),
    }
}

/// Reads one versioned JSON object; `path` is for the error.
pub(crate) fn from_json<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, Error> {
    let malformed = |error: serde_json::Error| Error::Malformed {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    let mut value: Value = serde_json::from_slice(bytes).map_err(malformed)?;
    let schema = value.as_object_mut().and_then(|object| object.shift_remove("schema"));
    if schema != Some(SCHEMA.into()) {
        let found = schema.map_or_else(|| "none".to_owned(), |schema| schema.to_string());
        return Err(Error::Schema { path: path.to_owned(), found, expected: SCHEMA });
    }
    serde_json::from_value(value).map_err(malformed)
}

#[cfg(test)]
mod tests;
