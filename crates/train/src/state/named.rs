//! Flat values as named tensors of a safetensors file.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use safetensors::{Dtype, SafeTensorError, SafeTensors};
use serde_json::{Map, Value};
use temper_model::Parameter;

use crate::error::Error;

/// Values of one parameter, turned into bytes when they are written.
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
        Cow::Owned(self.values.iter().flat_map(|value| value.to_le_bytes()).collect())
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
    let file = fs::read(path).map_err(Error::io("read", path))?;
    let tensors = SafeTensors::deserialize(&file)
        .map_err(|error| Error::state(path, error.to_string(), "a safetensors file"))?;
    let mut values = Vec::new();
    for parameter in parameters {
        let name = format!("{prefix}{}", parameter.name);
        let view = tensors.tensor(&name).map_err(|_| {
            Error::state(path, format!("no tensor `{name}`"), "one for every parameter")
        })?;
        if view.dtype() != Dtype::F32 || view.shape() != parameter.shape {
            let found = format!("`{name}` is {:?} {:?}", view.dtype(), view.shape());
            return Err(Error::state(path, found, &format!("F32 {:?}", parameter.shape)));
        }
        let floats = view.data().chunks_exact(4);
        values.extend(
            floats.map(|bytes| f32::from_le_bytes(bytes.try_into().expect("chunks of four"))),
        );
    }
    Ok(values)
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
    let mut length = [0; 8];
    file.read_exact(&mut length).ok()?;
    let length = u64::from_le_bytes(length);
    let mut header = Vec::new();
    file.take(length).read_to_end(&mut header).ok()?;
    let tensors: Map<String, Value> = serde_json::from_slice(&header).ok()?;
    let end = |tensor: &Value| tensor.get("data_offsets")?.get(1)?.as_u64();
    let n_data = tensors.values().filter_map(end).max().unwrap_or(0);
    Some(Header { n_bytes: n_data.saturating_add(length).saturating_add(8), tensors })
}

#[cfg(test)]
mod tests {
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
}
