//! One safetensors file, read piece by piece.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    ops::Range,
    path::{Path, PathBuf},
};

use super::{Dtype, header::Header, json::short};
use crate::Error;

/// Bytes of a file that are in memory at once, in either direction.
pub(super) const PIECE: usize = 1 << 20;

/// An open file whose header is right.
#[derive(Debug)]
pub(super) struct TensorFile {
    path: PathBuf,
    file: File,
    header: Header,
}

impl TensorFile {
    /// Opens a file and checks its header; no tensor is read yet.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let mut file =
            File::open(path).map_err(|source| Error::Read { path: path.into(), source })?;
        let header = Header::read(&mut file, path)?;
        Ok(Self { path: path.into(), file, header })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The names of its tensors, sorted.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.header.tensors.keys().map(String::as_str)
    }

    /// The shape of a tensor that is there.
    pub(super) fn shape(&self, name: &str) -> Option<&[usize]> {
        self.header.tensors.get(name).map(|entry| entry.shape.as_slice())
    }

    /// The type of a tensor that is there.
    pub(super) fn dtype(&self, name: &str) -> Option<safetensors::Dtype> {
        self.header.tensors.get(name).map(|entry| entry.dtype)
    }

    /// Reads values of a tensor that is there, counted from its first one, into one vector without
    /// another copy of them.
    ///
    /// # Errors
    ///
    /// [`Error::NotFinite`] with the place of the first value that is not a number.
    pub(super) fn read(&mut self, name: &str, values: Range<usize>) -> Result<Vec<f32>, Error> {
        let first = values.start;
        let read = self.read_any(name, values)?;
        match read.iter().position(|value| !value.is_finite()) {
            None => Ok(read),
            Some(at) => Err(Error::NotFinite {
                path: self.path.clone(),
                tensor: short(name),
                index: coordinates(first + at, self.shape(name).unwrap_or_default()),
                found: read[at],
            }),
        }
    }

    /// [`Self::read`] for values that may be anything.
    pub(super) fn read_any(&mut self, name: &str, values: Range<usize>) -> Result<Vec<f32>, Error> {
        let entry = self.header.tensors.get(name).expect("asked only for tensors that are there");
        let Some(dtype) = Dtype::of(entry.dtype) else {
            return Err(Error::Dtype {
                path: self.path.clone(),
                tensor: short(name),
                found: format!("{:?}", entry.dtype),
            });
        };
        let failed = |source| Error::Read { path: self.path.clone(), source };
        let start = entry.start + (values.start * dtype.width()) as u64;
        let mut left = values.len() * dtype.width();
        debug_assert!(start + left as u64 <= entry.end, "values lie within their tensor");
        self.file.seek(SeekFrom::Start(self.header.data_start + start)).map_err(failed)?;
        let mut read = Vec::with_capacity(values.len());
        let mut piece = vec![0; PIECE.min(left)];
        while left > 0 {
            let n = PIECE.min(left);
            self.file.read_exact(&mut piece[..n]).map_err(failed)?;
            dtype.widen(&piece[..n], &mut read);
            left -= n;
        }
        Ok(read)
    }
}

/// Where a value stands in a tensor of this shape.
pub(super) fn coordinates(index: usize, shape: &[usize]) -> Vec<usize> {
    let mut rest = index;
    let mut coordinates: Vec<usize> = (shape.iter().rev())
        .map(|size| {
            let coordinate = rest % size;
            rest /= size;
            coordinate
        })
        .collect();
    coordinates.reverse();
    coordinates
}

#[cfg(test)]
mod tests;
