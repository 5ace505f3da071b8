//! Files of a checkpoint as its manifest says they are.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rayon::prelude::*;
use temper_ledger::CheckpointManifest;
use temper_model::Parameter;
use temper_recipe::{Digest, Hasher};

use super::named::Tensors;
use crate::error::Error;

/// Tensors of a checkpoint whose files are all what its manifest says.
#[derive(Debug)]
pub(super) struct Verified(BTreeMap<String, Tensors>);

impl Verified {
    /// Digests all files, several at a time, and keeps the tensors of those named in `kept`: what was digested is
    /// what is used, and nothing is read twice for it.
    ///
    /// # Errors
    /// [`Error::State`] for a file with another digest, and [`Error::Io`].
    pub(super) fn read(
        folder: &Path,
        manifest: &CheckpointManifest,
        kept: &[&str],
    ) -> Result<Self, Error> {
        let files: Vec<_> = manifest.files.iter().collect();
        let each = files.par_iter().with_max_len(1);
        let found: Vec<_> = each
            .map(|(name, file)| {
                let path = folder.join(name);
                match kept.contains(&name.as_str()) {
                    true => read_digested(&path, file.sha256).map(Some),
                    false => digest(&path, file.sha256).map(|()| None),
                }
            })
            .collect();
        let mut tensors = BTreeMap::new();
        for ((name, _), found) in files.into_iter().zip(found) {
            tensors.extend(found?.map(|found| (name.clone(), found)));
        }
        Ok(Self(tensors))
    }

    /// Whether the manifest has a file of this name, which was to be kept.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Takes values out of the file of this name in `folder`, as [`Tensors::take`] does.
    ///
    /// # Errors
    /// [`Error::State`] for a manifest without the file, and those of [`Tensors::take`].
    pub(super) fn take(
        &mut self,
        folder: &Path,
        name: &str,
        parameters: &[Parameter],
        prefix: &str,
    ) -> Result<Vec<f32>, Error> {
        let tensors = self.0.get_mut(name).ok_or_else(|| {
            Error::state(folder, format!("no `{name}` in its manifest"), "the training state")
        })?;
        tensors.take(parameters, prefix)
    }
}

fn digest(path: &Path, expected: Digest) -> Result<(), Error> {
    compare(path, Digest::of_file(path).map_err(Error::io("read", path))?, expected)
}

/// The tensors of a file, digested as they are read.
fn read_digested(path: &Path, expected: Digest) -> Result<Tensors, Error> {
    let failed = || Error::io("read", path);
    let file = File::open(path).map_err(failed())?;
    let n_bytes = file.metadata().map_err(failed())?.len();
    let mut file = Digesting { file, hasher: Hasher::new() };
    let tensors = Tensors::read(path, n_bytes, &mut file);
    // A damaged file may be given up before its end; that it is not the manifest's says more.
    io::copy(&mut file, &mut io::sink()).map_err(failed())?;
    compare(path, file.hasher.finish(), expected)?;
    tensors
}

fn compare(path: &Path, found: Digest, expected: Digest) -> Result<(), Error> {
    if found == expected {
        return Ok(());
    }
    let (found, expected) = (found.short(), expected.short());
    Err(Error::state(path, format!("digest {found}"), &format!("{expected} as in its manifest")))
}

/// A file, and the digest of what was read of it.
struct Digesting {
    file: File,
    hasher: Hasher,
}

impl Read for Digesting {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read(buffer)?;
        self.hasher.update(&buffer[..n]);
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::Value;
    use temper_ledger::file_digests;
    use tempfile::TempDir;

    use super::*;
    use crate::state::write;

    const KEPT: &str = "temper/kept.safetensors";
    const OTHER: &str = "other.safetensors";

    fn parameters() -> [Parameter; 1] {
        [Parameter { name: "norm".to_owned(), shape: vec![3] }]
    }

    /// A checkpoint of two files, and what its manifest says of them.
    fn checkpoint() -> (TempDir, CheckpointManifest) {
        let folder = TempDir::new().unwrap();
        fs::create_dir(folder.path().join("temper")).unwrap();
        for name in [KEPT, OTHER] {
            write(&folder.path().join(name), &parameters(), &[("", &[1.0, 2.0, 3.0])]).unwrap();
        }
        let manifest = CheckpointManifest {
            step: 1,
            tokens: 1,
            recipe: Digest::of(b""),
            chain: Digest::of(b""),
            weights: Digest::of(b""),
            device_kind: String::new(),
            training: Value::Null,
            files: file_digests(folder.path()).unwrap(),
        };
        (folder, manifest)
    }

    #[test]
    fn tensors_are_kept_of_files_that_are_asked_for() {
        let (folder, manifest) = checkpoint();
        let mut verified = Verified::read(folder.path(), &manifest, &[KEPT, "missing"]).unwrap();
        assert_eq!([KEPT, OTHER, "missing"].map(|name| verified.has(name)), [true, false, false]);
        let values = verified.take(folder.path(), KEPT, &parameters(), "").unwrap();
        assert_eq!(values, [1.0, 2.0, 3.0]);
        let error = verified.take(folder.path(), OTHER, &parameters(), "").unwrap_err();
        assert!(error.to_string().contains("no `other.safetensors` in its manifest"), "{error}");
    }

    #[test]
    fn a_file_that_is_not_the_manifests_is_refused() {
        #[track_caller]
        fn check(name: &str, change: impl Fn(&mut Vec<u8>)) {
            let (folder, manifest) = checkpoint();
            let path = folder.path().join(name);
            let mut bytes = fs::read(&path).unwrap();
            change(&mut bytes);
            fs::write(&path, bytes).unwrap();
            let error = Verified::read(folder.path(), &manifest, &[KEPT]).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains("as in its manifest"), "{error}");
        }
        for name in [KEPT, OTHER] {
            check(name, |bytes| *bytes.last_mut().unwrap() ^= 1);
            check(name, |bytes| bytes[0] ^= 1);
            check(name, |bytes| bytes[9] = b'!');
            check(name, |bytes| bytes.truncate(4));
            check(name, |bytes| bytes.push(0));
            check(name, Vec::clear);
        }
    }
}
