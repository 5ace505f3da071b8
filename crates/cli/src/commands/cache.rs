//! `temper cache`: token shards, baselines and what starting models say to pairs and rows, which are customer data too.

use std::path::Path;

use anyhow::Context as _;
use serde_json::json;
use temper_corpus::{cache_entries, clean_cache};
use temper_recipe::Project;

use crate::args::CacheArguments;
use crate::contamination;
use crate::exit::Failure;
use crate::print::{self, Table, thousands};
use crate::session::REFERENCES;

/// Lists the token shards of the project around the current folder.
pub(crate) fn list(arguments: &CacheArguments) -> Result<(), Failure> {
    let cache = Project::find(Path::new("."))?.cache_dir();
    let entries = cache_entries(&cache)?;
    if arguments.json {
        let entries = entries.iter().map(|entry| {
            json!({
                "key": entry.key, "corpus": entry.corpus, "tokens": entry.tokens,
                "bytes": entry.bytes, "complete": entry.complete,
            })
        });
        print::json(&json!({ "folder": cache, "entries": entries.collect::<Vec<_>>() }))?;
        return Ok(());
    }
    let mut table = Table::new(&["corpus", "tokens", "on disk", "key"]);
    for entry in entries {
        let corpus = entry.corpus.unwrap_or("(unfinished)".to_owned());
        table.row(vec![
            corpus,
            thousands(entry.tokens),
            print::bytes(entry.bytes),
            entry.key.short(),
        ]);
    }
    print::data(&format!("{}\n{table}", cache.display()));
    Ok(())
}

/// Deletes what is not in use; runs tokenize again when they need it.
pub(crate) fn clean(arguments: &CacheArguments) -> Result<(), Failure> {
    let cache = Project::find(Path::new("."))?.cache_dir();
    let keys: Vec<_> = cache_entries(&cache)?.into_iter().map(|entry| entry.key).collect();
    let freed = clean_cache(&cache, &keys)?;
    for folder in [cache.join("baselines"), cache.join(REFERENCES), contamination::folder(&cache)] {
        if folder.exists() {
            std::fs::remove_dir_all(&folder)
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
