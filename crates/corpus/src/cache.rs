//! Where tokenized corpora are kept: one folder per key, mode 0700, since shards are the customer's text.
//!
//! ```text
//! <cache>/<key>/shard-00000.tok …    in corpus order
//! <cache>/<key>/tokens.json          written last: with it the entry is complete
//! <cache>/<key>/bad-rows.json        where bad rows are dropped: which
//! <cache>/.locks/<key>               empty; locked while the entry is written
//! ```
//!
//! Lock files stay when entries go: removing one that another process waits for would let two in.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use temper_recipe::{Digest, Hasher, Tokenization};
use temper_tokens::{SHARD_SET_FILE, ShardSet, Staged, Tokenizer};

use crate::chat_format::ChatFormat;
use crate::corpus::Corpus;
use crate::error::Error;

const LOCKS: &str = ".locks";

/// Names what the shards depend on beside the inputs; a change of their making changes it.
const VERSION: &[u8] = b"temper token cache 2";

/// How often a process that waits for another looks again.
const POLL: Duration = Duration::from_millis(100);

/// One tokenized corpus in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheEntry {
    /// The name of its folder.
    pub key: Digest,
    /// The corpus's id; `None` until the entry is complete.
    pub corpus: Option<String>,
    /// Ids in it; 0 until the entry is complete.
    pub tokens: u64,
    /// Bytes on disk.
    pub bytes: u64,
    /// False while it is being written, and after an interruption.
    pub complete: bool,
}

/// Lists the cache, by key. A cache that is not there is empty.
///
/// # Errors
/// [`Error::Cache`].
pub fn cache_entries(cache: &Path) -> Result<Vec<CacheEntry>, Error> {
    let failed = |source| Error::Cache { path: cache.to_owned(), source };
    let folders = match fs::read_dir(cache) {
        Ok(folders) => folders,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut entries = Vec::new();
    for folder in folders {
        let folder = folder.map_err(failed)?;
        // Anything else in there is not ours to list or clean.
        let Ok(key) = folder.file_name().to_string_lossy().parse::<Digest>() else { continue };
        let set = ShardSet::load(&folder.path()).ok().map(|(set, _)| set);
        entries.push(CacheEntry {
            key,
            tokens: set.iter().flat_map(|set| &set.shards).map(|shard| shard.n_tokens).sum(),
            bytes: folder_bytes(&folder.path()).map_err(failed)?,
            complete: set.is_some(),
            corpus: set.map(|set| set.corpus),
        });
    }
    entries.sort_by_key(|entry| entry.key);
    Ok(entries)
}

/// Removes entries; gives the bytes freed. A run that has one open goes on reading it.
///
/// # Errors
/// [`Error::CacheInUse`] for an entry being written, [`Error::Cache`]; entries before it are gone.
pub fn clean_cache(cache: &Path, keys: &[Digest]) -> Result<u64, Error> {
    let mut freed = 0;
    for key in keys {
        let path = cache.join(key.to_string());
        let failed = |source| Error::Cache { path: path.clone(), source };
        let bytes = folder_bytes(&path).map_err(failed)?;
        let lock = lock_file(cache, *key)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::CacheInUse { path }),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        // The set goes first: without it the entry is incomplete, whenever this is interrupted.
        let set = path.join(SHARD_SET_FILE);
        if set.exists() {
            fs::remove_file(&set).map_err(failed)?;
        }
        fs::remove_dir_all(&path).map_err(failed)?;
        freed += bytes;
    }
    Ok(freed)
}

/// The entry of one corpus under one tokenizer and policy.
pub(crate) struct Entry {
    pub(crate) key: Digest,
    pub(crate) folder: PathBuf,
}

impl Entry {
    pub(crate) fn new(
        cache: &Path,
        corpus: &Corpus,
        tokenizer: &Tokenizer,
        policy: Tokenization,
        chat: Option<ChatFormat<'_>>,
    ) -> Self {
        let mut hasher = Hasher::new();
        let mut add = |part: &[u8]| {
            // The length keeps ("ab", "c") apart from ("a", "bc").
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        };
        add(VERSION);
        add(corpus.id().as_bytes());
        for column in corpus.columns() {
            add(column.as_bytes());
        }
        add(tokenizer.digest().bytes());
        add(&[u8::from(policy.bos), u8::from(policy.eos)]);
        for sha256 in corpus.sha256s() {
            add(sha256.bytes());
        }
        // Where every row is a document, the name is what it was before there were filters.
        if let Some(filter) = corpus.filter_key() {
            add(filter.as_bytes());
        }
        match (chat, corpus.dropped_digest()) {
            (Some(chat), _) => add(&chat.key()),
            // Texts without a bad row are the same, whatever would become of one.
            (None, Some(dropped)) => add(dropped.bytes()),
            (None, None) => {}
        }
        let key = hasher.finish();
        Self { key, folder: cache.join(key.to_string()) }
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.folder.join(SHARD_SET_FILE).exists()
    }

    /// Makes the folder and takes the lock, which lasts as long as the value; waits for another
    /// process that has it. `None` when stopped meanwhile.
    pub(crate) fn lock(&self, cache: &Path, stop: &AtomicBool) -> Result<Option<File>, Error> {
        let lock = lock_file(cache, self.key)?;
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if stop.load(Ordering::Relaxed) => return Ok(None),
                Err(TryLockError::WouldBlock) => thread::sleep(POLL),
                Err(TryLockError::Error(source)) => {
                    return Err(Error::Cache { path: self.folder.clone(), source });
                }
            }
        }
        create_private(&self.folder)?;
        Ok(Some(lock))
    }

    /// Removes what a killed process was writing. The lock is held.
    pub(crate) fn remove_partial(&self) -> Result<(), Error> {
        let failed = |source| Error::Cache { path: self.folder.clone(), source };
        for file in fs::read_dir(&self.folder).map_err(failed)? {
            let path = file.map_err(failed)?.path();
            if Staged::is_partial(&path) {
                fs::remove_file(&path).map_err(failed)?;
            }
        }
        Ok(())
    }
}

fn lock_file(cache: &Path, key: Digest) -> Result<File, Error> {
    let folder = cache.join(LOCKS);
    create_private(&folder)?;
    let path = folder.join(key.to_string());
    let file = File::options().write(true).create(true).truncate(false).open(&path);
    file.map_err(|source| write_error(path, source))
}

/// A folder, and those above it, that only its owner can look into.
fn create_private(folder: &Path) -> Result<(), Error> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder).map_err(|source| write_error(folder.to_owned(), source))
}

/// The tokens crate knows the ways out of a failed write.
fn write_error(path: PathBuf, source: io::Error) -> Error {
    temper_tokens::Error::Write { path, source }.into()
}

fn folder_bytes(folder: &Path) -> io::Result<u64> {
    fs::read_dir(folder)?.try_fold(0, |bytes, file| Ok(bytes + file?.metadata()?.len()))
}

#[cfg(test)]
mod tests;
