//! The header of a safetensors file: names, types, shapes and places of its tensors.
//!
//! ```text
//! 8 bytes        n bytes                                       the rest
//! n, u64 LE      {"a": {"dtype", "shape", "data_offsets"}, …}  values, row by row
//! ```

use std::{
    collections::BTreeMap,
    fmt,
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::Path,
};

use safetensors::Dtype as Stored;
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::StrDeserializer},
};

use super::{Dtype, json::short};
use crate::{Error, Parameter};

/// The largest header that the safetensors library reads, in bytes.
const MAX_BYTES: u64 = 100_000_000;
const METADATA: &str = "__metadata__";

/// A header that fits its file: the tensors lie one behind the other and fill it.
#[derive(Debug)]
pub(super) struct Header {
    /// The tensors by name.
    pub(super) tensors: BTreeMap<String, Entry>,
    /// Where the values begin in the file.
    pub(super) data_start: u64,
}

/// Where a tensor lies, and what it is.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) dtype: Stored,
    pub(super) shape: Vec<usize>,
    /// First byte, counted from the beginning of the data.
    pub(super) start: u64,
    /// The byte behind the last one.
    pub(super) end: u64,
}

impl Header {
    /// Reads and checks the header of a file.
    pub(super) fn read(file: &mut File, path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::Read { path: path.into(), source };
        let n_bytes = file.metadata().map_err(failed)?.len();
        if n_bytes < 8 {
            return Err(corrupt(path, format!("a file of {n_bytes} bytes"), "at least 8"));
        }
        let mut length = [0; 8];
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        file.read_exact(&mut length).map_err(failed)?;
        let n_header = u64::from_le_bytes(length);
        // Checked before anything is allocated: a wrong length can ask for any amount of memory.
        if n_header > MAX_BYTES {
            return Err(corrupt(path, format!("a length of {n_header} bytes"), "at most 100 MB"));
        }
        if n_header > n_bytes - 8 {
            let found = format!("a length of {n_header} bytes in a file of {n_bytes}");
            return Err(corrupt(path, found, "a length within the file"));
        }
        let mut json = vec![0; n_header as usize];
        file.read_exact(&mut json).map_err(failed)?;
        Self::parse(&json, n_bytes, path)
    }

    fn parse(json: &[u8], n_bytes: u64, path: &Path) -> Result<Self, Error> {
        let Tensors(described) = serde_json::from_slice(json).map_err(|error| {
            let found = short(&error.to_string());
            corrupt(path, found, "names with type, shape and offsets")
        })?;
        let mut tensors = BTreeMap::new();
        for (name, description) in described {
            let entry = description.check(path, &name)?;
            if tensors.contains_key(&name) {
                return Err(wrong(path, &name, "stands twice in the header".into(), "one entry"));
            }
            tensors.insert(name, entry);
        }
        let data_start = 8 + json.len() as u64;
        check_places(&tensors, data_start, n_bytes, path)?;
        Ok(Self { tensors, data_start })
    }

    /// The first bytes of a file of tensors in this order, padded so that the values begin at a
    /// multiple of 8 bytes.
    pub(super) fn bytes(tensors: &[Parameter], dtype: Dtype) -> Vec<u8> {
        // serde_json keeps insertion order here, so the text is a function of the tensors.
        let mut entries = serde_json::Map::new();
        entries.insert(METADATA.into(), serde_json::json!({ "format": "pt" }));
        let mut end = 0;
        for tensor in tensors {
            let start = end;
            end += tensor.n_values() * dtype.width();
            entries.insert(
                tensor.name.clone(),
                serde_json::json!({
                    "dtype": dtype.code(), "shape": tensor.shape, "data_offsets": [start, end],
                }),
            );
        }
        let mut json = serde_json::Value::Object(entries).to_string().into_bytes();
        json.resize(json.len().next_multiple_of(8), b' ');
        let mut header = (json.len() as u64).to_le_bytes().to_vec();
        header.append(&mut json);
        header
    }
}

/// Checks that the tensors fill the data without holes and without lying over one another.
fn check_places(
    tensors: &BTreeMap<String, Entry>,
    data_start: u64,
    n_bytes: u64,
    path: &Path,
) -> Result<(), Error> {
    let mut order: Vec<(&String, &Entry)> = tensors.iter().collect();
    order.sort_by_key(|(_, entry)| (entry.start, entry.end));
    let (mut behind, mut last) = (0, "");
    for (name, entry) in order {
        if entry.start != behind {
            let found = match entry.start > behind {
                true => format!("begins at byte {} behind a hole", entry.start),
                false => format!("begins at byte {}, within `{}`", entry.start, short(last)),
            };
            return Err(wrong(path, name, found, &format!("byte {behind}")));
        }
        (behind, last) = (entry.end, name);
    }
    if data_start.checked_add(behind) != Some(n_bytes) {
        return Err(Error::Length {
            path: path.into(),
            tensor: short(last),
            found: n_bytes,
            expected: data_start.saturating_add(behind),
        });
    }
    Ok(())
}

fn corrupt(path: &Path, found: String, expected: &str) -> Error {
    Error::Header { path: path.into(), found, expected: expected.into() }
}

fn wrong(path: &Path, tensor: &str, found: String, expected: &str) -> Error {
    Error::Place { path: path.into(), tensor: short(tensor), found, expected: expected.into() }
}

/// What the header says about one tensor.
#[derive(Deserialize)]
struct Description {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: (u64, u64),
}

impl Description {
    fn check(self, path: &Path, name: &str) -> Result<Entry, Error> {
        let by_name = StrDeserializer::<serde::de::value::Error>::new(&self.dtype);
        let dtype = Stored::deserialize(by_name).map_err(|_| Error::Dtype {
            path: path.into(),
            tensor: short(name),
            found: short(&self.dtype),
        })?;
        let (start, end) = self.data_offsets;
        let n_bits = (self.shape.iter())
            .try_fold(1_u64, |n, size| n.checked_mul(*size as u64))
            .and_then(|n| n.checked_mul(dtype.bitsize() as u64));
        let shown = || format!("{} {:?}", short(&self.dtype), Shape(&self.shape));
        let Some(n_bits) = n_bits else {
            return Err(wrong(path, name, format!("{} overflows", shown()), "a size within 2^64"));
        };
        if !n_bits.is_multiple_of(8) || end.checked_sub(start) != Some(n_bits / 8) {
            let found = format!("has offsets {start} to {end}");
            let expected = format!("{} bytes for {}", n_bits.div_ceil(8), shown());
            return Err(wrong(path, name, found, &expected));
        }
        Ok(Entry { dtype, shape: self.shape, start, end })
    }
}

/// A shape as messages show it; a corrupt one may have any number of dimensions.
struct Shape<'a>(&'a [usize]);

impl fmt::Debug for Shape<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [a, b, c, d, _, ..] => write!(f, "[{a}, {b}, {c}, {d}, …]"),
            whole => write!(f, "{whole:?}"),
        }
    }
}

/// The members of the header without its metadata.
struct Tensors(Vec<(String, Description)>);

impl<'de> Deserialize<'de> for Tensors {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Tensors;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tensors, A::Error> {
                let mut tensors = Vec::new();
                while let Some(name) = map.next_key::<String>()? {
                    if name == METADATA {
                        map.next_value::<BTreeMap<String, String>>()?;
                    } else {
                        tensors.push((name, map.next_value()?));
                    }
                }
                Ok(Tensors(tensors))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

#[cfg(test)]
mod tests;
