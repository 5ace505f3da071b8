//! The tensors of a folder, in one file or in shards.

use std::{
    collections::BTreeMap,
    ops::Range,
    path::{Path, PathBuf},
};

use super::{
    Dtype, foreign,
    index::{self, INDEX, Index},
    json::short,
    tensor_file::TensorFile,
};
use crate::Error;

/// The name of weights in one file.
pub(super) const SINGLE: &str = "model.safetensors";

/// The weights of a checkpoint, whose headers have been checked.
#[derive(Debug)]
pub(super) struct Weights {
    path: PathBuf,
    files: Vec<TensorFile>,
    /// For each tensor the number of its file.
    places: BTreeMap<String, usize>,
}

impl Weights {
    /// Opens the weights of a folder: the one file, or the shards that the index names.
    ///
    /// Where there are both, the one file counts, as for transformers.
    pub(super) fn open(dir: &Path) -> Result<Self, Error> {
        let (single, index) = (dir.join(SINGLE), dir.join(INDEX));
        if single.exists() {
            return Self::of_file(&single);
        }
        if index.exists() {
            return Self::of_index(dir, &index);
        }
        Err(foreign::refusal(dir).unwrap_or_else(|| Error::NoWeights { path: dir.into() }))
    }

    /// Opens the weights in one file, whatever it is called.
    pub(super) fn of_file(path: &Path) -> Result<Self, Error> {
        Self::of_files(path, vec![TensorFile::open(path)?])
    }

    fn of_index(dir: &Path, path: &Path) -> Result<Self, Error> {
        let index = Index::read(path)?;
        let mut files = Vec::new();
        for shard in index.shards() {
            let file = dir.join(shard);
            if !file.is_file() {
                let found = format!("shard `{shard}`, which is not there");
                return Err(index::wrong(path, found, "all shards beside it"));
            }
            files.push(TensorFile::open(&file)?);
        }
        let weights = Self::of_files(path, files)?;
        for (tensor, shard) in &index.weight_map {
            let place = weights.places.get(tensor).map(|place| weights.files[*place].path());
            if place == Some(&dir.join(shard)) {
                continue;
            }
            let found = format!("tensor `{}` in `{shard}`", short(tensor));
            let expected = match place.and_then(Path::file_name) {
                Some(other) => format!("`{}`, where it lies", other.to_string_lossy()),
                None => "a shard that holds it; none does".into(),
            };
            return Err(index::wrong(path, found, &expected));
        }
        Ok(weights)
    }

    fn of_files(path: &Path, files: Vec<TensorFile>) -> Result<Self, Error> {
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        for (number, file) in files.iter().enumerate() {
            for name in file.names() {
                if let Some(first) = places.insert(name.into(), number) {
                    return Err(Error::Duplicate {
                        tensor: short(name),
                        first: files[first].path().into(),
                        second: file.path().into(),
                    });
                }
            }
        }
        Ok(Self { path: path.into(), files, places })
    }

    /// The file, or the index of the shards.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// All names, sorted.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.places.keys().map(String::as_str)
    }

    /// The shape of a tensor, where it is there.
    pub(super) fn shape(&self, name: &str) -> Option<&[usize]> {
        self.files[*self.places.get(name)?].shape(name)
    }

    /// The type of a tensor, where it is there.
    pub(super) fn dtype(&self, name: &str) -> Option<safetensors::Dtype> {
        self.files[*self.places.get(name)?].dtype(name)
    }

    /// Reads values of a tensor that is there; all of them have to be finite.
    pub(super) fn read(&mut self, name: &str, values: Range<usize>) -> Result<Vec<f32>, Error> {
        self.file(name).read(name, values)
    }

    /// Whether two tensors that are there hold the same numbers.
    pub(super) fn is_equal(&mut self, name: &str, other: &str) -> Result<bool, Error> {
        let readable = |name| self.dtype(name).is_some_and(|dtype| Dtype::of(dtype).is_some());
        let shape = self.shape(name).unwrap_or_default();
        if self.shape(other) != Some(shape) || !readable(name) || !readable(other) {
            return Ok(false);
        }
        let n = shape.iter().product();
        for range in ranges(n) {
            let values = self.file(name).read_any(name, range.clone())?;
            let others = self.file(other).read_any(other, range)?;
            if values.iter().zip(&others).any(|(a, b)| a.to_bits() != b.to_bits()) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn file(&mut self, name: &str) -> &mut TensorFile {
        &mut self.files[*self.places.get(name).expect("asked only for tensors that are there")]
    }
}

/// The values of a tensor in stretches that are cheap to hold.
pub(super) fn ranges(n: usize) -> impl Iterator<Item = Range<usize>> {
    const STRETCH: usize = super::tensor_file::PIECE / 4;
    (0..n).step_by(STRETCH).map(move |start| start..n.min(start + STRETCH))
}
