//! What a step under way was told, a line of JSON each, as soon as it is known.
//!
//! What is told costs time or money and need not be the same twice, so it is on disk before the next thing is
//! waited for. Once a step is over its journal has all of it, and this file goes.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;

use serde::Serialize;
use serde::de::DeserializeOwned;
use temper_tokens::Staged;

use crate::error::Error;

/// A file of lines, open for more.
#[derive(Debug)]
pub(crate) struct Lines {
    path: PathBuf,
    /// From the first new line on.
    file: Option<File>,
}

impl Lines {
    /// Reads what is at `path`. A line that a kill cut short ends it, and is taken off the file.
    pub(crate) fn open<T: DeserializeOwned>(path: PathBuf) -> Result<(Vec<T>, Self), Error> {
        let text = match fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            read => read.map_err(Error::io("read", &path))?,
        };
        let (mut lines, mut n_whole) = (Vec::new(), 0);
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            let read = line.strip_suffix(b"\n").map(serde_json::from_slice::<T>);
            let Some(Ok(read)) = read else { break };
            n_whole += line.len();
            lines.push(read);
        }
        if n_whole < text.len() {
            Staged::write(&path, &text[..n_whole])?;
        }
        Ok((lines, Self { path, file: None }))
    }

    /// Writes one down.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn push(&mut self, line: &impl Serialize) -> Result<(), Error> {
        let line = serde_json::to_string(line).expect("numbers and texts are JSON") + "\n";
        let failed = || Error::io("write", &self.path);
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                if let Some(folder) = self.path.parent() {
                    fs::create_dir_all(folder).map_err(failed())?;
                }
                let opened = File::options().create(true).append(true).open(&self.path);
                none.insert(opened.map_err(failed())?)
            }
        };
        file.write_all(line.as_bytes()).map_err(failed())
    }

    /// Forgets them, once the journal has them.
    pub(crate) fn remove(self) -> Result<(), Error> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(Error::io("remove", &self.path)(error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }
}
