//! A file that is written beside its place, and renamed when it is whole.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use crate::Error;

/// A file beside its place. What is not put in place is removed again.
#[derive(Debug)]
pub(super) struct Partial {
    path: PathBuf,
    beside: PathBuf,
}

impl Partial {
    /// Writes a file of these bytes.
    pub(super) fn of_bytes(path: &Path, bytes: &[u8]) -> Result<Self, Error> {
        let (partial, mut file) = Self::create(path)?;
        file.write_all(bytes).map_err(|source| partial.failed(source))?;
        partial.finish(&file)?;
        Ok(partial)
    }

    /// Begins a file; [`Self::finish`] has to follow what is written into it.
    pub(super) fn create(path: &Path) -> Result<(Self, File), Error> {
        let mut name = path.file_name().map_or_else(OsString::new, ToOwned::to_owned);
        name.push(".partial");
        let partial = Self { path: path.into(), beside: path.with_file_name(name) };
        let file = File::create(&partial.beside).map_err(|source| partial.failed(source))?;
        Ok((partial, file))
    }

    /// Makes sure that all of it is on the disk.
    pub(super) fn finish(&self, file: &File) -> Result<(), Error> {
        file.sync_all().map_err(|source| self.failed(source))
    }

    /// Puts the file in its place, where it replaces another one.
    pub(super) fn put(self) -> Result<(), Error> {
        fs::rename(&self.beside, &self.path).map_err(|source| self.failed(source))
    }

    /// The error of a write into it.
    pub(super) fn failed(&self, source: io::Error) -> Error {
        Error::Write { path: self.path.clone(), source }
    }

    /// Where it goes.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // A full disk is not helped by a half-written file; after `put` there is none any more.
        fs::remove_file(&self.beside).ok();
    }
}
