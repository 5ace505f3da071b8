//! A file mapped into memory.

use std::fs::File;
use std::io;
use std::ops::Deref;
use std::path::Path;

use memmap2::Mmap;

/// A read-only view of a whole file.
#[derive(Debug)]
pub(crate) struct Mapped(Mmap);

impl Mapped {
    /// Maps `path`; an empty file is a view of nothing.
    #[allow(unsafe_code)]
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        // SAFETY: the view is undefined if the file changes under it. Shards are written beside
        // their place and renamed, never written in place, and removing one keeps the mapped
        // pages alive. The folder has mode 0700, so that only its owner could break this.
        let view = unsafe { Mmap::map(&file) }?;
        Ok(Self(view))
    }
}

impl Deref for Mapped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}
