//! A new checkpoint folder, written beside its place and renamed when it is whole.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use super::{
    Companion, Dtype,
    partial::Partial,
    save::write_others,
    writer::{self, Sink},
};
use crate::{Config, Error, names::parameters};

/// Writes weights, configuration and companions; `values` gives those of a tensor, by its number, to the
/// sink.
///
/// # Errors
///
/// [`Error::NotEmpty`] where `out` exists with something in it; [`Error::Write`], and those of `values`.
/// Nothing is left then.
pub(super) fn write_folder(
    out: &Path,
    config: &Config,
    dtype: Dtype,
    max_shard_bytes: u64,
    companions: &[Companion],
    values: impl FnMut(usize, &mut Sink<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut beside = out.file_name().map_or_else(OsString::new, ToOwned::to_owned);
    beside.push(".partial");
    let beside = out.with_file_name(beside);
    for folder in [out, &beside] {
        check_empty(folder)?;
    }
    fs::create_dir_all(&beside).map_err(|source| write_error(&beside, source))?;
    let write = || {
        let weights = writer::write(&beside, &parameters(config), dtype, max_shard_bytes, values)?;
        let others = write_others(&beside, config, dtype, companions)?;
        weights.put(&beside)?;
        others.into_iter().try_for_each(Partial::put)?;
        fs::rename(&beside, out).map_err(|source| write_error(out, source))
    };
    let written = write();
    if written.is_err() {
        // It holds nothing but what was written here; why it cannot be removed says nothing new.
        fs::remove_dir_all(&beside).ok();
    }
    written
}

/// Refuses to write over anything.
fn check_empty(folder: &Path) -> Result<(), Error> {
    let is_empty = match fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(_) => !folder.exists(),
    };
    if is_empty { Ok(()) } else { Err(Error::NotEmpty { path: folder.into() }) }
}

fn write_error(path: &Path, source: std::io::Error) -> Error {
    Error::Write { path: PathBuf::from(path), source }
}
