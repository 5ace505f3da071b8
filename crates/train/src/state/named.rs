//! Flat values as named tensors of a safetensors file.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use safetensors::tensor::Metadata;
use safetensors::{Dtype, SafeTensorError};
use serde_json::{Map, Value};
use temper_model::Parameter;

use crate::error::Error;

/// Values of one parameter.
struct Values<'a> {
    parameter: &'a Parameter,
    values: &'a [f32],
}

impl safetensors::View for Values<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.parameter.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        match cfg!(target_endian = "little") {
            true => Cow::Borrowed(bytemuck::cast_slice(self.values)),
            false => Cow::Owned(self.values.iter().flat_map(|value| value.to_le_bytes()).collect()),
        }
    }

    fn data_len(&self) -> usize {
        4 * self.values.len()
    }
}

/// Writes flat values as one tensor per parameter and prefix; the bytes depend on them alone.
pub(crate) fn write(
    path: &Path,
    parameters: &[Parameter],
    groups: &[(&str, &[f32])],
) -> Result<(), Error> {
    serialize(path, parameters, groups, None)
}

/// As [`write`], with one entry of metadata: of several the order would not be the same twice.
pub(crate) fn write_with(
    path: &Path,
    parameters: &[Parameter],
    values: &[f32],
    (key, text): (&str, String),
) -> Result<(), Error> {
    let metadata = HashMap::from([(key.to_owned(), text)]);
    serialize(path, parameters, &[("", values)], Some(metadata))
}

fn serialize(
    path: &Path,
    parameters: &[Parameter],
    groups: &[(&str, &[f32])],
    metadata: Option<HashMap<String, String>>,
) -> Result<(), Error> {
    let mut tensors = BTreeMap::new();
    for (prefix, values) in groups {
        let mut rest = *values;
        for parameter in parameters {
            let (values, behind) = rest.split_at(parameter.n_values());
            rest = behind;
            tensors.insert(format!("{prefix}{}", parameter.name), Values { parameter, values });
        }
    }
    safetensors::serialize_to_file(tensors, metadata, path).map_err(|error| {
        if let SafeTensorError::IoError(error) = error {
            return Error::io("write", path)(error);
        }
        Error::state(path, error.to_string(), "names that are unique and sizes that fit")
    })
}

/// Reads the values that [`write`] wrote under a prefix.
///
/// # Errors
/// [`Error::State`] where a tensor is missing or is another one.
pub(crate) fn read(path: &Path, parameters: &[Parameter], prefix: &str) -> Result<Vec<f32>, Error> {
    let mut file = File::open(path).map_err(Error::io("read", path))?;
    let n_bytes = file.metadata().map_err(Error::io("read", path))?.len();
    Tensors::read(path, n_bytes, &mut file)?.take(parameters, prefix)
}

/// The tensors of a file, by name: read from front to back, once.
#[derive(Debug)]
pub(super) struct Tensors {
    path: PathBuf,
    by_name: HashMap<String, Named>,
}

/// One of them.
#[derive(Debug)]
struct Named {
    dtype: Dtype,
    shape: Vec<usize>,
    /// Nothing where the type is another one.
    values: Vec<f32>,
}

/// Bytes that are read before they become values; a multiple of four.
const PIECE: usize = 1 << 20;

impl Tensors {
    /// Reads the file at `path`, of `n_bytes`, through `file`.
    ///
    /// # Errors
    /// [`Error::State`] for what is no safetensors file.
    pub(super) fn read(path: &Path, n_bytes: u64, file: &mut impl Read) -> Result<Self, Error> {
        let no_file = |found: String| Error::state(path, found, "a safetensors file");
        if n_bytes < 8 {
            return Err(no_file(format!("{n_bytes} bytes")));
        }
        let header = header_bytes(file).map_err(Error::io("read", path))?;
        let metadata: Metadata =
            serde_json::from_slice(&header).map_err(|error| no_file(error.to_string()))?;
        let behind = n_bytes - 8 - header.len() as u64;
        if metadata.data_len() as u64 != behind {
            let found =
                format!("{behind} bytes of tensors where {} are named", metadata.data_len());
            return Err(no_file(found));
        }
        let mut piece = vec![0; PIECE];
        let mut by_name = HashMap::new();
        for name in metadata.offset_keys() {
            let info = metadata.info(&name).expect("the name is the metadata's own");
            let mut rest = info.data_offsets.1 - info.data_offsets.0;
            let is_float = info.dtype == Dtype::F32;
            let mut values = Vec::with_capacity(if is_float { rest / 4 } else { 0 });
            while rest > 0 {
                let bytes = &mut piece[..rest.min(PIECE)];
                file.read_exact(bytes).map_err(Error::io("read", path))?;
                rest -= bytes.len();
                if is_float {
                    let floats = bytes.chunks_exact(4);
                    values.extend(floats.map(|bytes| {
                        f32::from_le_bytes(bytes.try_into().expect("chunks of four"))
                    }));
                }
            }
            by_name.insert(name, Named { dtype: info.dtype, shape: info.shape.clone(), values });
        }
        Ok(Self { path: path.to_owned(), by_name })
    }

    /// Takes out the values of parameters under a prefix. The memory of each tensor is free once it is taken, so that
    /// all of them do not exist twice.
    ///
    /// # Errors
    /// [`Error::State`] where a tensor is missing or is another one.
    pub(super) fn take(
        &mut self,
        parameters: &[Parameter],
        prefix: &str,
    ) -> Result<Vec<f32>, Error> {
        let path = &self.path;
        let mut values = Vec::with_capacity(parameters.iter().map(Parameter::n_values).sum());
        for parameter in parameters {
            let name = format!("{prefix}{}", parameter.name);
            let tensor = self.by_name.remove(&name).ok_or_else(|| {
                Error::state(path, format!("no tensor `{name}`"), "one for every parameter")
            })?;
            if tensor.dtype != Dtype::F32 || tensor.shape != parameter.shape {
                let found = format!("`{name}` is {:?} {:?}", tensor.dtype, tensor.shape);
                return Err(Error::state(path, found, &format!("F32 {:?}", parameter.shape)));
            }
            values.extend_from_slice(&tensor.values);
        }
        Ok(values)
    }
}

/// Whether the file has a tensor of each parameter under a prefix, of its shape; values are not read.
pub(crate) fn has(path: &Path, parameters: &[Parameter], prefix: &str) -> bool {
    let Some(Header { tensors, .. }) = header(path) else { return false };
    parameters.iter().all(|parameter| {
        let tensor = tensors.get(&format!("{prefix}{}", parameter.name));
        tensor.is_some_and(|tensor| tensor["shape"] == Value::from(parameter.shape.as_slice()))
    })
}

/// What a safetensors file begins with.
#[derive(Debug)]
pub(crate) struct Header {
    /// What it says of its tensors, by name, and under `__metadata__` of itself.
    pub(crate) tensors: Map<String, Value>,
    /// Bytes of the file, if all of these are in it.
    pub(crate) n_bytes: u64,
}

/// The header of a safetensors file, whether its tensors are there or not; `None` for a file that is none.
pub(crate) fn header(path: &Path) -> Option<Header> {
    let mut file = File::open(path).ok()?;
    let header = header_bytes(&mut file).ok()?;
    let tensors: Map<String, Value> = serde_json::from_slice(&header).ok()?;
    let end = |tensor: &Value| tensor.get("data_offsets")?.get(1)?.as_u64();
    let n_data = tensors.values().filter_map(end).max().unwrap_or(0);
    let n_bytes = n_data.saturating_add(header.len() as u64).saturating_add(8);
    Some(Header { tensors, n_bytes })
}

/// The header of a safetensors file, whose length stands before it.
fn header_bytes(file: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 8];
    file.read_exact(&mut length)?;
    let mut header = Vec::new();
    file.take(u64::from_le_bytes(length)).read_to_end(&mut header)?;
    Ok(header)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn what_was_written_is_known_by_name_and_shape() {
        #[track_caller]
        fn check(name: &str, shape: &[usize], prefix: &str, expected: bool) {
            let folder = TempDir::new().unwrap();
            let path = folder.path().join("moments.safetensors");
            let parameter = |name: &str, shape: &[usize]| Parameter {
                name: name.to_owned(),
                shape: shape.to_vec(),
            };
            write(&path, &[parameter("norm", &[2, 3])], &[("first.", &[0.0; 6])]).unwrap();
            assert_eq!(has(&path, &[parameter(name, shape)], prefix), expected);
            fs::write(&path, "no tensors").unwrap();
            assert!(!has(&path, &[parameter(name, shape)], prefix));
        }
        check("norm", &[2, 3], "first.", true);
        check("norm", &[3, 2], "first.", false);
        check("norm", &[2, 3], "second.", false);
        check("bias", &[2, 3], "first.", false);
    }

    fn parameters() -> Vec<Parameter> {
        // In another order than by name, which is that of the file.
        let named = |name: &str, shape: Vec<usize>| Parameter { name: name.to_owned(), shape };
        vec![named("table", vec![300_000, 1]), named("bias", vec![3]), named("norm", vec![2, 2])]
    }

    #[test]
    fn groups_come_out_of_one_reading() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("moments.safetensors");
        let first: Vec<f32> = (0..300_007).map(|at| at as f32).collect();
        let second: Vec<f32> = first.iter().map(|value| -value).collect();
        write(&path, &parameters(), &[("first.", &first), ("second.", &second)]).unwrap();
        let n_bytes = fs::metadata(&path).unwrap().len();
        let mut tensors = Tensors::read(&path, n_bytes, &mut File::open(&path).unwrap()).unwrap();
        assert!(tensors.take(&parameters(), "second.").unwrap() == second);
        assert!(tensors.take(&parameters(), "first.").unwrap() == first);
        assert!(read(&path, &parameters(), "first.").unwrap() == first);
        // What is taken is gone.
        assert!(tensors.take(&parameters(), "first.").is_err());
    }

    #[test]
    fn what_is_no_file_of_tensors_is_refused() {
        #[track_caller]
        fn check(change: impl Fn(Vec<u8>) -> Vec<u8>, expected: &str) {
            let folder = TempDir::new().unwrap();
            let path = folder.path().join("moments.safetensors");
            write(&path, &parameters()[1..], &[("", &[1.0; 7])]).unwrap();
            fs::write(&path, change(fs::read(&path).unwrap())).unwrap();
            let error = read(&path, &parameters()[1..], "").unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            assert!(error.contains("expected a safetensors file"), "{error}");
        }
        check(|_| Vec::new(), "0 bytes");
        check(|whole| whole[..5].to_vec(), "5 bytes");
        check(|whole| whole[..20].to_vec(), "EOF");
        check(|whole| whole[..whole.len() - 3].to_vec(), "25 bytes of tensors where 28 are named");
        check(|whole| [&whole[..], &[0]].concat(), "29 bytes of tensors where 28 are named");
        check(|whole| [&[255; 8][..], &whole[8..]].concat(), "trailing characters");
    }
}
