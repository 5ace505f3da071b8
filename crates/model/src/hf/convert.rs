//! From a checkpoint to a folder with another type of weights.

use std::path::Path;

use super::{
    Companion, Dtype, folder::write_folder, located::Located, report::LoadReport, source::Source,
    tensor_file::PIECE,
};
use crate::{Error, names::parameters};

/// Writes a checkpoint to a new folder in another type, tensor by tensor from file to file, with its
/// companions and what else is to lie beside it; an adapter is merged.
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
    beside: &[Companion],
) -> Result<LoadReport, Error> {
    let mut source = Source::open(from)?;
    source.check_complete()?;
    source.check_base()?;
    let companions = [from.companions()?, beside.to_vec()].concat();
    let (config, tensors) = (source.config.clone(), source.tensors.clone());
    let parameters = parameters(&config);
    write_folder(out, &config, dtype, max_shard_bytes, &companions, |at, sink| {
        let (n, width) =
            (parameters[at].n_values(), parameters[at].shape[1..].iter().product::<usize>());
        // Whole rows, since an adapter changes rows.
        let step = (PIECE / 4 / width).max(1) * width;
        (0..n).step_by(step).try_for_each(|start| {
            sink.push(&source.read(&tensors[at], start..n.min(start + step))?)
        })
    })?;
    Ok(source.report)
}

#[cfg(test)]
mod tests;
