//! From a checkpoint to a folder with another type of weights.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use super::{
    Companion, Dtype, located::Located, partial::Partial, report::LoadReport, save::write_others,
    source::Source, tensor_file::PIECE, writer,
};
use crate::{Error, names::parameters};

/// Writes a checkpoint to a new folder in another type, tensor by tensor from file to file, with its
/// companions; an adapter is merged.
///
/// The folder has the bytes that loading and saving would give it, in a few mebibytes of memory. It
/// is written beside its place, as `OUT.partial`, and renamed when it is whole.
///
/// # Errors
///
/// [`Error::NotEmpty`] where `out` exists with something in it; [`Error::Overflow`] for a value that
/// the type cannot hold; those of [`load_located`](super::load_located) and
/// [`save_with`](super::save_with).
pub fn convert(
    from: &Located,
    out: &Path,
    dtype: Dtype,
    max_shard_bytes: u64,
) -> Result<LoadReport, Error> {
    let mut source = Source::open(from)?;
    source.check_complete()?;
    let companions = from.companions()?;
    let mut beside = out.file_name().map_or_else(OsString::new, ToOwned::to_owned);
    beside.push(".partial");
    let beside = out.with_file_name(beside);
    for folder in [out, &beside] {
        check_empty(folder)?;
    }
    fs::create_dir_all(&beside).map_err(|source| write_error(&beside, source))?;
    let written = write(&mut source, &beside, dtype, max_shard_bytes, &companions)
        .and_then(|()| fs::rename(&beside, out).map_err(|source| write_error(out, source)));
    if written.is_err() {
        // It holds nothing but what was written here; why it cannot be removed says nothing new.
        fs::remove_dir_all(&beside).ok();
    }
    written.map(|()| source.report)
}

fn write(
    source: &mut Source,
    folder: &Path,
    dtype: Dtype,
    max_shard_bytes: u64,
    companions: &[Companion],
) -> Result<(), Error> {
    let (config, tensors) = (source.config.clone(), source.tensors.clone());
    let parameters = parameters(&config);
    let weights = writer::write(folder, &parameters, dtype, max_shard_bytes, |at, sink| {
        let (n, width) =
            (parameters[at].n_values(), parameters[at].shape[1..].iter().product::<usize>());
        // Whole rows, since an adapter changes rows.
        let step = (PIECE / 4 / width).max(1) * width;
        (0..n).step_by(step).try_for_each(|start| {
            sink.push(&source.read(&tensors[at], start..n.min(start + step))?)
        })
    })?;
    let others = write_others(folder, &config, dtype, companions)?;
    weights.put(folder)?;
    others.into_iter().try_for_each(Partial::put)
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

#[cfg(test)]
mod tests;
