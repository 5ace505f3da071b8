//! Reading tensors out of safetensors files, one at a time.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use half::{bf16, f16};
use safetensors::{Dtype, tensor::Metadata};

use crate::Error;

/// The largest header the format allows, in bytes.
const MAX_HEADER: u64 = 100_000_000;

/// The weights of a checkpoint folder: one file, or the shards its index names.
pub(crate) struct Weights {
    files: Vec<WeightsFile>,
}

/// One open safetensors file whose header has been checked against its length.
struct WeightsFile {
    path: PathBuf,
    file: File,
    /// Where the data begins.
    data_start: u64,
    metadata: Metadata,
}

impl Weights {
    /// Opens the files and checks their headers; no tensor is read yet.
    pub(crate) fn open(dir: &Path) -> Result<Self, Error> {
        let single = dir.join("model.safetensors");
        let index = dir.join("model.safetensors.index.json");
        let paths = if single.exists() {
            vec![single]
        } else if index.exists() {
            shard_paths(dir, &index)?
        } else {
            return Err(Error::NoWeights { path: dir.into() });
        };
        let files = paths.into_iter().map(WeightsFile::open).collect::<Result<_, _>>()?;
        Ok(Self { files })
    }

    /// All tensor names, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<_> =
            self.files.iter().flat_map(|file| file.metadata.offset_keys()).collect();
        names.sort();
        names
    }

    /// Whether there is a tensor of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.files.iter().any(|file| file.metadata.info(name).is_some())
    }

    /// Reads one tensor and widens it to f32.
    pub(crate) fn read(&mut self, name: &str, expected: &[usize]) -> Result<Vec<f32>, Error> {
        let file = self
            .files
            .iter_mut()
            .find(|file| file.metadata.info(name).is_some())
            .expect("asked only for tensors that are there");
        file.read(name, expected)
    }
}

impl WeightsFile {
    fn open(path: PathBuf) -> Result<Self, Error> {
        let read = |source| Error::Read { path: path.clone(), source };
        let header = |found: String, expected: &str| Error::Header {
            path: path.clone(),
            found,
            expected: expected.into(),
        };
        let mut file = File::open(&path).map_err(read)?;
        let n_bytes = file.metadata().map_err(read)?.len();
        if n_bytes < 8 {
            return Err(header(format!("a file of {n_bytes} bytes"), "at least 8"));
        }
        let mut length = [0; 8];
        file.read_exact(&mut length).map_err(read)?;
        let n_header = u64::from_le_bytes(length);
        // Checked before anything is allocated: a wrong length can ask for any amount of memory.
        if n_header > MAX_HEADER || n_header > n_bytes - 8 {
            return Err(header(
                format!("a length of {n_header} bytes in a file of {n_bytes}"),
                "a length within the file, at most 100 MB",
            ));
        }
        let mut json = vec![0; n_header as usize];
        file.read_exact(&mut json).map_err(read)?;
        let metadata: Metadata = serde_json::from_slice(&json)
            .map_err(|error| header(error.to_string(), "names with type, shape and offsets"))?;
        let data_start = 8 + n_header;
        let expected = data_start + metadata.data_len() as u64;
        if n_bytes != expected {
            let tensor = metadata.offset_keys().pop().unwrap_or_default();
            return Err(Error::Length { path, tensor, found: n_bytes, expected });
        }
        Ok(Self { path, file, data_start, metadata })
    }

    fn read(&mut self, name: &str, expected: &[usize]) -> Result<Vec<f32>, Error> {
        let info = self.metadata.info(name).expect("the caller found it here");
        if info.shape != expected {
            let (path, tensor) = (self.path.clone(), name.into());
            return Err(Error::Shape {
                path,
                tensor,
                found: info.shape.clone(),
                expected: expected.into(),
            });
        }
        let (start, end) = info.data_offsets;
        let mut bytes = vec![0; end - start];
        let read = |source| Error::Read { path: self.path.clone(), source };
        self.file.seek(SeekFrom::Start(self.data_start + start as u64)).map_err(read)?;
        self.file.read_exact(&mut bytes).map_err(read)?;
        if info.dtype == Dtype::F32 {
            Ok(bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
        } else if info.dtype == Dtype::BF16 {
            Ok(bytes
                .as_chunks()
                .0
                .iter()
                .map(|bytes| bf16::from_le_bytes(*bytes).to_f32())
                .collect())
        } else if info.dtype == Dtype::F16 {
            Ok(bytes
                .as_chunks()
                .0
                .iter()
                .map(|bytes| f16::from_le_bytes(*bytes).to_f32())
                .collect())
        } else {
            Err(Error::Dtype {
                path: self.path.clone(),
                tensor: name.into(),
                found: format!("{:?}", info.dtype),
            })
        }
    }
}

/// The distinct files an index names, in alphabetical order.
fn shard_paths(dir: &Path, index: &Path) -> Result<Vec<PathBuf>, Error> {
    #[derive(serde::Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let text =
        fs::read_to_string(index).map_err(|source| Error::Read { path: index.into(), source })?;
    let index: Index = serde_json::from_str(&text)
        .map_err(|source| Error::ConfigSyntax { path: index.into(), source })?;
    let mut names: Vec<String> = index.weight_map.into_values().collect();
    names.sort();
    names.dedup();
    // Only the last component: an index must not lead out of its folder.
    Ok(names
        .iter()
        .filter_map(|name| Path::new(name).file_name())
        .map(|name| dir.join(name))
        .collect())
}
