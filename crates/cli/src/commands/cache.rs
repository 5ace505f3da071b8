//! `temper cache`: token shards and what else runs share, which is customer data too.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::json;
use temper_corpus::{cache_entries, clean_cache};
use temper_recipe::Project;

use crate::args::CacheArguments;
use crate::contamination::CONTAMINATION;
use crate::exit::Failure;
use crate::print::{self, Table, thousands};
use crate::scoring::BASELINES;
use crate::session::REFERENCES;

/// What lies beside token shards, by the name of its folder.
const OTHERS: [&str; 3] = [BASELINES, REFERENCES, CONTAMINATION];

/// Lists what is cached in the project around the current folder.
pub(crate) fn list(arguments: &CacheArguments) -> Result<(), Failure> {
    let cache = Project::find(Path::new("."))?.cache_dir();
    let entries = cache_entries(&cache)?;
    let others = others(&cache)?;
    if arguments.json {
        let entries = entries.iter().map(|entry| {
            json!({
                "key": entry.key, "corpus": entry.corpus, "tokens": entry.tokens,
                "bytes": entry.bytes, "complete": entry.complete,
            })
        });
        let others = others.iter().map(|Other { kind, entries, bytes }| {
            json!({ "kind": kind, "entries": entries, "bytes": bytes })
        });
        print::json(&json!({
            "folder": cache,
            "entries": entries.collect::<Vec<_>>(),
            "others": others.collect::<Vec<_>>(),
        }))?;
        return Ok(());
    }
    let mut shards = Table::new(&["corpus", "tokens", "on disk", "key"]);
    for entry in entries {
        let corpus = entry.corpus.unwrap_or("(unfinished)".to_owned());
        shards.row(vec![
            corpus,
            thousands(entry.tokens),
            print::bytes(entry.bytes),
            entry.key.short(),
        ]);
    }
    let mut text = format!("{}\n{shards}", cache.display());
    if !others.is_empty() {
        let mut table = Table::new(&["kind", "entries", "on disk"]);
        for Other { kind, entries, bytes } in others {
            table.row(vec![kind.to_owned(), thousands(entries), print::bytes(bytes)]);
        }
        text.push_str(&format!("\n{table}"));
    }
    print::data(&text);
    Ok(())
}

/// Deletes what is not in use; runs make again what they need.
pub(crate) fn clean(arguments: &CacheArguments) -> Result<(), Failure> {
    let cache = Project::find(Path::new("."))?.cache_dir();
    let keys: Vec<_> = cache_entries(&cache)?.into_iter().map(|entry| entry.key).collect();
    let beside: u64 = others(&cache)?.iter().map(|other| other.bytes).sum();
    let freed = clean_cache(&cache, &keys)? + beside;
    for folder in OTHERS.map(|kind| cache.join(kind)) {
        if folder.exists() {
            fs::remove_dir_all(&folder)
                .with_context(|| format!("cannot remove `{}`", folder.display()))?;
        }
    }
    if arguments.json {
        print::json(&json!({ "folder": cache, "freed_bytes": freed }))?;
    } else {
        print::data(&format!("{}: {} freed", cache.display(), print::bytes(freed)));
    }
    Ok(())
}

/// What there is of one kind beside token shards.
struct Other {
    kind: &'static str,
    /// Files.
    entries: u64,
    bytes: u64,
}

/// Those of which there is something, in the order of [`OTHERS`].
fn others(cache: &Path) -> Result<Vec<Other>> {
    let mut others = Vec::new();
    for kind in OTHERS {
        let folder = cache.join(kind);
        let failed = || format!("cannot read `{}`", folder.display());
        let files = match fs::read_dir(&folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            files => files.with_context(failed)?,
        };
        let mut other = Other { kind, entries: 0, bytes: 0 };
        for file in files {
            let metadata = file.and_then(|file| file.metadata()).with_context(failed)?;
            other.entries += 1;
            other.bytes += metadata.len();
        }
        if other.entries > 0 {
            others.push(other);
        }
    }
    Ok(others)
}
