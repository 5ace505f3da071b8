//! Flat values as named tensors of a safetensors file.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use safetensors::{Dtype, SafeTensorError, SafeTensors};
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
    let mut tensors = BTreeMap::new();
    for (prefix, values) in groups {
        let mut rest = *values;
        for parameter in parameters {
            let (values, behind) = rest.split_at(parameter.n_values());
            rest = behind;
            tensors.insert(format!("{prefix}{}", parameter.name), Values { parameter, values });
        }
    }
    safetensors::serialize_to_file(tensors, None, path).map_err(|error| {
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
