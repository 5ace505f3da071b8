//! From a decoder to a folder.

use std::{fs, path::Path};

use super::{
    Dtype,
    companions::{self, Companion, GENERATION},
    partial::Partial,
    writer,
};
use crate::{Config, Decoder, Error, names::stored};

/// The size of the largest shard where nothing else is asked for, in bytes: 5 GB.
pub const MAX_SHARD_BYTES: u64 = 5_000_000_000;

/// What is saved beside the weights, and how.
#[derive(Clone, Copy, Debug)]
pub struct SaveOptions<'a> {
    /// The type of the weights in the files.
    pub dtype: Dtype,
    /// The largest shard in bytes; a tensor that is larger has a shard of its own.
    pub max_shard_bytes: u64,
    /// Files that travel with the weights; a `generation_config.json` is made where none is here.
    pub companions: &'a [Companion],
}

impl SaveOptions<'_> {
    /// Shards of [`MAX_SHARD_BYTES`] and no companions.
    pub fn new(dtype: Dtype) -> Self {
        Self { dtype, max_shard_bytes: MAX_SHARD_BYTES, companions: &[] }
    }
}

/// Saves a checkpoint folder that transformers loads: [`save_with`] without companions.
///
/// # Errors
///
/// As [`save_with`].
pub fn save(decoder: &Decoder, dir: &Path, dtype: Dtype) -> Result<(), Error> {
    save_with(decoder, dir, &SaveOptions::new(dtype))
}

/// Saves a checkpoint folder that transformers loads: weights, in shards where they are large,
/// `config.json`, `generation_config.json` and the companions.
///
/// The folder is made when it is not there. Equal weights give equal bytes: the tensors lie in the
/// fixed order and the only metadata is `{"format": "pt"}`. A tied output matrix is not written.
/// All files are written beside their places before the first one is renamed, the weights first;
/// shards of an earlier checkpoint in the folder are removed.
///
/// # Errors
///
/// [`Error::Write`] naming the file; [`Error::NotFinite`] and [`Error::Overflow`] naming the value
/// that the type cannot hold. What was in the folder before is then still there.
pub fn save_with(decoder: &Decoder, dir: &Path, options: &SaveOptions<'_>) -> Result<(), Error> {
    fs::create_dir_all(dir).map_err(|source| Error::Write { path: dir.into(), source })?;
    let tensors = stored(decoder.config());
    let SaveOptions { dtype, max_shard_bytes, companions } = *options;
    let weights = writer::write(dir, &decoder.parameters(), dtype, max_shard_bytes, |at, sink| {
        let mut pieces = tensors[at].fields.iter().flat_map(|field| decoder.pieces(*field));
        pieces.try_for_each(|values| sink.push(&values))
    })?;
    let others = write_others(dir, decoder.config(), dtype, companions)?;
    weights.put(dir)?;
    others.into_iter().try_for_each(Partial::put)
}

/// Writes everything but the weights beside its place.
pub(super) fn write_others(
    dir: &Path,
    config: &Config,
    dtype: Dtype,
    companions: &[Companion],
) -> Result<Vec<Partial>, Error> {
    let text = config.to_json(dtype.name());
    let mut others = vec![Partial::of_bytes(&dir.join("config.json"), text.as_bytes())?];
    if !companions.iter().any(|companion| companion.name == GENERATION) {
        let text = config.to_generation_json();
        others.push(Partial::of_bytes(&dir.join(GENERATION), text.as_bytes())?);
    }
    others.extend(companions::write(dir, companions)?);
    Ok(others)
}
