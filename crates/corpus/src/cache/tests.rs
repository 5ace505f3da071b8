use std::fs;
use std::sync::atomic::AtomicBool;

use temper_recipe::{Digest, Tokenization};

use super::{Entry, cache_entries, clean_cache};
use crate::corpus::Corpus;
use crate::error::Error;
use crate::testing::{text_corpus, tokenizer};
use crate::tokenize::tokenize;

#[test]
fn entries_are_listed_and_cleaned() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("deep/cache");
    assert_eq!(cache_entries(&cache).unwrap(), []);
    let manifest = text_corpus(folder.path(), 2, &[vec!["a b".into(), "c".into()]]);
    let corpus = Corpus::open(&manifest, folder.path()).unwrap();
    let tokenizer = tokenizer(folder.path());
    let go = AtomicBool::new(false);
    let mut keys = Vec::new();
    for bos in [true, false] {
        let policy = Tokenization { bos, eos: true };
        tokenize(&corpus, &tokenizer, policy, None, &cache, &go, &mut |_| {}).unwrap();
        keys.push(Entry::new(&cache, &corpus, &tokenizer, policy, None).key);
    }
    fs::remove_file(cache.join(keys[1].to_string()).join("tokens.json")).unwrap();
    fs::create_dir(cache.join("not-ours")).unwrap();

    let entries = cache_entries(&cache).unwrap();
    assert_eq!(entries.len(), 2);
    let of = |key: Digest| entries.iter().find(|entry| entry.key == key).unwrap();
    let complete = of(keys[0]);
    assert_eq!((complete.corpus.as_deref(), complete.complete), (Some("toy"), true));
    assert_eq!((complete.tokens > 0, complete.bytes > 64), (true, true));
    let partial = of(keys[1]);
    assert_eq!((&partial.corpus, partial.tokens, partial.complete), (&None, 0, false));

    let entry =
        Entry::new(&cache, &corpus, &tokenizer, Tokenization { bos: true, eos: true }, None);
    let lock = entry.lock(&cache, &go).unwrap();
    assert!(matches!(clean_cache(&cache, &keys[..1]), Err(Error::CacheInUse { .. })));
    drop(lock);
    let bytes = complete.bytes + partial.bytes;
    assert_eq!(clean_cache(&cache, &keys).unwrap(), bytes);
    assert_eq!(cache_entries(&cache).unwrap(), []);
    assert!(cache.join("not-ours").exists());
    assert!(matches!(clean_cache(&cache, &keys), Err(Error::Cache { .. })));
}

#[cfg(unix)]
#[test]
fn only_the_owner_looks_into_the_cache() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    let manifest = text_corpus(folder.path(), 2, &[vec!["a".into()]]);
    let corpus = Corpus::open(&manifest, folder.path()).unwrap();
    let entry = Entry::new(
        &cache,
        &corpus,
        &tokenizer(folder.path()),
        Tokenization { bos: true, eos: true },
        None,
    );
    let _lock = entry.lock(&cache, &AtomicBool::new(false)).unwrap().unwrap();
    for path in [&cache, &entry.folder] {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o700);
    }
}

#[test]
fn every_input_has_its_own_key() {
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let tokenizer = tokenizer(folders[0].path());
    let open = |folder: &tempfile::TempDir, text: &str| {
        Corpus::open(&text_corpus(folder.path(), 2, &[vec![text.into()]]), folder.path()).unwrap()
    };
    let corpora = [open(&folders[0], "a"), open(&folders[1], "b")];
    let mut keys = Vec::new();
    for corpus in &corpora {
        for (bos, eos) in [(false, false), (false, true), (true, false), (true, true)] {
            keys.push(
                Entry::new("cache".as_ref(), corpus, &tokenizer, Tokenization { bos, eos }, None)
                    .key,
            );
        }
    }
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 8);
}
