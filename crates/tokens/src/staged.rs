//! Files that become visible whole.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::error::Error;

/// The ending of a file that is being written; whatever carries it may be removed.
const PARTIAL: &str = "partial";

/// A file being written beside its place as `<name>.partial` and renamed once it is whole.
///
/// Dropping it without [`Staged::commit`] removes it. Two writers of one path at a time are the
/// caller's to prevent, by a lock, or by [`Staged::create_shared`].
#[derive(Debug)]
pub struct Staged {
    path: PathBuf,
    partial: PathBuf,
    file: Option<File>,
}

impl Staged {
    /// Starts writing; a leftover of a killed process is overwritten.
    ///
    /// # Errors
    /// [`Error::Write`] when the file cannot be created.
    pub fn create(path: &Path) -> Result<Self, Error> {
        Self::create_as(path, PARTIAL)
    }

    /// Starts writing what other processes may be writing as well: each has a draft of its own, and the last
    /// one that is whole stays.
    ///
    /// # Errors
    /// As [`Staged::create`].
    pub fn create_shared(path: &Path) -> Result<Self, Error> {
        Self::create_as(path, &format!("{}.{PARTIAL}", std::process::id()))
    }

    fn create_as(path: &Path, ending: &str) -> Result<Self, Error> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".");
        name.push(ending);
        let partial = path.with_file_name(name);
        let file = File::create(&partial)
            .map_err(|source| Error::Write { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), partial, file: Some(file) })
    }

    /// The path the file will have.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path it has until then, with what has been flushed.
    pub fn partial_path(&self) -> &Path {
        &self.partial
    }

    /// A second handle of the open file, for writers that keep theirs.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn handle(&mut self) -> Result<File, Error> {
        let handle = self.file().try_clone();
        handle.map_err(|source| Error::Write { path: self.path.clone(), source })
    }

    /// Makes the file durable and gives it its name.
    ///
    /// # Errors
    /// [`Error::Write`] when syncing or renaming fails; the partial file is removed.
    pub fn commit(mut self) -> Result<(), Error> {
        let committed = self.file().sync_all().and_then(|()| {
            fs::rename(&self.partial, &self.path)?;
            sync_folder(&self.path)
        });
        committed.map_err(|source| Error::Write { path: self.path.clone(), source })?;
        self.file = None;
        Ok(())
    }

    /// Writes `bytes` as a whole file.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
        Self::create(path)?.filled(bytes)
    }

    /// As [`Staged::write`] what [others may be writing](Staged::create_shared).
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn write_shared(path: &Path, bytes: &[u8]) -> Result<(), Error> {
        Self::create_shared(path)?.filled(bytes)
    }

    fn filled(mut self, bytes: &[u8]) -> Result<(), Error> {
        let written = self.write_all(bytes);
        written.map_err(|source| Error::Write { path: self.path.clone(), source })?;
        self.commit()
    }

    /// True for a name that only an unfinished file has.
    pub fn is_partial(path: &Path) -> bool {
        path.extension().is_some_and(|extension| extension == PARTIAL)
    }

    fn file(&mut self) -> &mut File {
        self.file.as_mut().expect("the file is there until commit, which consumes the value")
    }
}

impl Write for Staged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file().flush()
    }
}

impl Seek for Staged {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.file().seek(position)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            // A leftover is harmless: the next writer overwrites it.
            let _ = fs::remove_file(&self.partial);
        }
    }
}

/// A rename is durable once its folder is.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use super::Staged;

    #[test]
    fn only_a_committed_file_appears() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let mut staged = Staged::create(&path).unwrap();
        staged.write_all(b"half").unwrap();
        drop(staged);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);

        Staged::write(&path, b"whole").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn drafts_of_different_processes_are_different_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        // What another process has written so far.
        let mut other = Staged::create(&path).unwrap();
        other.write_all(b"half").unwrap();
        Staged::write_shared(&path, b"whole").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        other.write_all(b" and half").unwrap();
        other.commit().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"half and half");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_in_place_of_the_folder_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("cache"), b"").unwrap();
        let path = folder.path().join("cache/shard-00000.tok");
        let message = Staged::write(&path, b"").unwrap_err().to_string();
        assert!(message.contains("shard-00000.tok"), "{message}");
        assert!(message.contains("hint: a file lies where a folder is needed"), "{message}");
    }
}
