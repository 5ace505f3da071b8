//! Weights into safetensors files, one or several.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write,
    ops::Range,
    path::Path,
};

use super::{
    Dtype,
    header::Header,
    index::{INDEX, Index},
    json::short,
    partial::Partial,
    tensor_file::{PIECE, coordinates},
    weights::SINGLE,
};
use crate::{Error, Parameter};

/// Written files of weights that are not in place yet.
#[derive(Debug)]
pub(super) struct Written {
    files: Vec<Partial>,
    index: Option<Partial>,
}

/// Takes the values of one tensor, in order.
#[derive(Debug)]
pub(super) struct Sink<'a> {
    tensor: &'a Parameter,
    dtype: Dtype,
    partial: &'a Partial,
    file: &'a File,
    bytes: Vec<u8>,
    n_written: usize,
}

/// Writes the tensors in this order beside their places in `dir`; `values` gives those of a tensor,
/// by its number, to the sink.
pub(super) fn write(
    dir: &Path,
    tensors: &[Parameter],
    dtype: Dtype,
    max_shard_bytes: u64,
    mut values: impl FnMut(usize, &mut Sink<'_>) -> Result<(), Error>,
) -> Result<Written, Error> {
    let n_bytes = |tensor: &Parameter| (tensor.n_values() * dtype.width()) as u64;
    let sizes: Vec<u64> = tensors.iter().map(n_bytes).collect();
    let shards = shards(&sizes, max_shard_bytes);
    let mut files = Vec::new();
    let mut weight_map = BTreeMap::new();
    for (number, shard) in shards.iter().enumerate() {
        let name = match shards.len() {
            1 => SINGLE.to_owned(),
            n => format!("model-{:05}-of-{n:05}.safetensors", number + 1),
        };
        let (partial, mut file) = Partial::create(&dir.join(&name))?;
        let header = Header::bytes(&tensors[shard.clone()], dtype);
        file.write_all(&header).map_err(|source| partial.failed(source))?;
        for at in shard.clone() {
            let mut sink = Sink {
                tensor: &tensors[at],
                dtype,
                partial: &partial,
                file: &file,
                bytes: Vec::new(),
                n_written: 0,
            };
            values(at, &mut sink)?;
            debug_assert_eq!(sink.n_written, tensors[at].n_values());
            weight_map.insert(tensors[at].name.clone(), name.clone());
        }
        partial.finish(&file)?;
        files.push(partial);
    }
    let index = match files.len() {
        1 => None,
        _ => {
            let n_parameters = tensors.iter().map(Parameter::n_values).sum();
            let text = Index { weight_map }.to_json(n_parameters, sizes.iter().sum());
            Some(Partial::of_bytes(&dir.join(INDEX), text.as_bytes())?)
        }
    };
    Ok(Written { files, index })
}

/// Cuts tensors of these sizes, in their order, into shards that are not larger than they have to be:
/// a tensor that is too large has a shard of its own.
fn shards(sizes: &[u64], most: u64) -> Vec<Range<usize>> {
    let mut shards: Vec<Range<usize>> = Vec::new();
    let mut filled = 0_u64;
    for (at, size) in sizes.iter().enumerate() {
        match shards.last_mut() {
            Some(shard) if filled.saturating_add(*size) <= most => {
                shard.end = at + 1;
                filled += size;
            }
            _ => {
                shards.push(at..at + 1);
                filled = *size;
            }
        }
    }
    shards
}

impl Sink<'_> {
    /// Writes the next values of the tensor.
    pub(super) fn push(&mut self, values: &[f32]) -> Result<(), Error> {
        for values in values.chunks(PIECE / 4) {
            if let Some(at) = values.iter().position(|value| !self.dtype.holds(*value)) {
                return Err(self.refuse(self.n_written + at, values[at]));
            }
            self.bytes.clear();
            self.dtype.narrow(values, &mut self.bytes);
            self.file.write_all(&self.bytes).map_err(|source| self.partial.failed(source))?;
            self.n_written += values.len();
        }
        Ok(())
    }

    fn refuse(&self, at: usize, found: f32) -> Error {
        let path = self.partial.path().into();
        let (tensor, index) = (short(&self.tensor.name), coordinates(at, &self.tensor.shape));
        match found.is_finite() {
            false => Error::NotFinite { path, tensor, index, found },
            true => Error::Overflow { path, tensor, index, found, dtype: self.dtype.name() },
        }
    }
}

impl Written {
    /// Puts the files in place, and removes what an earlier checkpoint there had beyond them.
    ///
    /// A reader sees the earlier weights or these, never a mixture of both.
    pub(super) fn put(self, dir: &Path) -> Result<(), Error> {
        let names: Vec<_> = (self.files.iter())
            .filter_map(|file| file.path().file_name().map(ToOwned::to_owned))
            .collect();
        let (single, index) = (dir.join(SINGLE), dir.join(INDEX));
        if self.index.is_some() && self.files.iter().any(|file| file.path().exists()) {
            // The old index would name a mixture of old and new shards.
            remove(&index)?;
        }
        self.files.into_iter().try_for_each(Partial::put)?;
        match self.index {
            Some(new) => {
                new.put()?;
                remove(&single)?;
            }
            None => remove(&index)?,
        }
        let failed = |source| Error::Write { path: dir.into(), source };
        for entry in fs::read_dir(dir).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            if name.to_str().is_some_and(is_numbered_shard) && !names.contains(&name) {
                remove(&dir.join(name))?;
            }
        }
        Ok(())
    }
}

/// Removes a file, where it is there.
fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::Write { path: path.into(), source })
        }
        _ => Ok(()),
    }
}

/// Whether transformers, too, would remove the file as a shard of an earlier checkpoint.
fn is_numbered_shard(name: &str) -> bool {
    let number = |text: &str| text.len() == 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    name.strip_prefix("model-")
        .and_then(|rest| rest.strip_suffix(".safetensors")?.split_once("-of-"))
        .is_some_and(|(at, n)| number(at) && number(n))
}

#[cfg(test)]
mod tests;
