use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use expect_test::expect;
use proptest::prelude::*;
use temper_recipe::Tokenization;
use temper_tokens::{DocumentOrigin, LONGEST_PIECE_BYTES, TokenCorpus, TokenSource, Tokenizer};

use super::{spans, tokenize};
use crate::corpus::{Corpus, RowGroup};
use crate::error::Error;
use crate::testing::{text_corpus, tokenizer, told};

const POLICY: Tokenization = Tokenization { bos: true, eos: true };

fn run(corpus: &Corpus, tokenizer: &Tokenizer, cache: &Path) -> Result<TokenCorpus, Error> {
    tokenize(corpus, tokenizer, POLICY, None, cache, &AtomicBool::new(false), &mut |_| {})
}

fn ids(tokens: &TokenCorpus, document: usize) -> Vec<u32> {
    let mut ids = vec![0; tokens.document_len(document)];
    tokens.read(document, 0, &mut ids);
    ids
}

/// Every file below the only entry of a cache.
fn files(cache: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries: Vec<_> = crate::cache::cache_entries(cache).unwrap();
    assert_eq!(entries.len(), 1);
    let folder = fs::read_dir(cache.join(entries[0].key.to_string())).unwrap();
    folder
        .map(|file| file.unwrap().path())
        .map(|path| {
            (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap())
        })
        .collect()
}

fn texts() -> Vec<Vec<String>> {
    let text = |i: usize| match i % 5 {
        0 => String::new(),
        // Several pieces.
        1 => format!("The molecules melt at {i}.\n").repeat(800),
        2 => "<|eos|> melts".to_owned(),
        _ => format!("{i} molecules."),
    };
    vec![(0..13).map(text).collect(), Vec::new(), (13..20).map(text).collect()]
}

#[test]
fn documents_are_the_rows_with_their_specials() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = tokenizer(folder.path());
    let corpus = Corpus::open(&text_corpus(folder.path(), 3, &texts()), folder.path()).unwrap();
    for (bos, eos) in [(false, false), (false, true), (true, false), (true, true)] {
        let policy = Tokenization { bos, eos };
        let cache = folder.path().join("cache");
        let go = AtomicBool::new(false);
        let mut last = None;
        let tokens = tokenize(&corpus, &tokenizer, policy, None, &cache, &go, &mut |progress| {
            last = Some(progress)
        })
        .unwrap();
        let rows = texts().concat();
        assert_eq!(tokens.n_documents(), rows.len());
        for (document, row) in rows.iter().enumerate() {
            let expected = tokenizer.add_specials(tokenizer.encode(row).unwrap(), policy).unwrap();
            assert_eq!(ids(&tokens, document), expected);
        }
        assert_eq!(tokens.origin(12), DocumentOrigin { file: 0, row_group: 4, row: 0 });
        assert_eq!(tokens.origin(13), DocumentOrigin { file: 2, row_group: 0, row: 0 });
        assert_eq!(tokens.shards().len(), 5 + 3);
        let last = last.unwrap();
        assert_eq!((last.documents, last.n_documents, last.tokens), (20, 20, tokens.n_tokens()));
        assert_eq!(last.bytes, rows.iter().map(|row| row.len() as u64).sum::<u64>());
    }
}

#[test]
fn a_second_run_tokenizes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = tokenizer(folder.path());
    let corpus = Corpus::open(&text_corpus(folder.path(), 3, &texts()), folder.path()).unwrap();
    let cache = folder.path().join("cache");
    let first = run(&corpus, &tokenizer, &cache).unwrap();
    let stop = AtomicBool::new(true);
    let mut progressed = false;
    let second =
        tokenize(&corpus, &tokenizer, POLICY, None, &cache, &stop, &mut |_| progressed = true)
            .unwrap();
    assert!(!progressed);
    assert_eq!(first.digest(), second.digest());
    assert_eq!(second.set().tokenizer, tokenizer.digest());
    TokenCorpus::open(&cache.join(second.set().key.to_string()), true).unwrap();
}

#[test]
fn an_interrupted_run_continues_to_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = tokenizer(folder.path());
    let corpus = Corpus::open(&text_corpus(folder.path(), 3, &texts()), folder.path()).unwrap();
    let whole = folder.path().join("whole");
    run(&corpus, &tokenizer, &whole).unwrap();
    let expected = files(&whole);
    let n_reports = 16;
    proptest!(ProptestConfig::with_cases(64), |(stops in prop::collection::vec(1..n_reports, 1..4), cut in any::<prop::sample::Index>())| {
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().join("cache");
        for after in stops {
            let stop = AtomicBool::new(false);
            let mut n = 0;
            let stopped = tokenize(&corpus, &tokenizer, POLICY, None, &cache, &stop, &mut |_| {
                n += 1;
                stop.store(n >= after, Ordering::Relaxed);
            });
            if let Err(error) = stopped {
                prop_assert!(matches!(error, Error::Stopped { .. }), "{}", error);
            }
        }
        // A kill leaves a partial file, and may leave a whole one that the disk lost part of.
        let key = crate::cache::cache_entries(&cache).unwrap()[0].key;
        let entry = cache.join(key.to_string());
        if !entry.join("tokens.json").exists() {
            fs::write(entry.join("shard-00004.tok.partial"), "half").unwrap();
            let path = entry.join("shard-00000.tok");
            if let Ok(bytes) = fs::read(&path) {
                fs::write(&path, &bytes[..cut.index(bytes.len())]).unwrap();
            }
        }
        run(&corpus, &tokenizer, &cache).unwrap();
        prop_assert!(files(&cache) == expected);
    });
}

#[test]
fn processes_at_one_entry_write_it_once() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = tokenizer(folder.path());
    let corpus = Corpus::open(&text_corpus(folder.path(), 3, &texts()), folder.path()).unwrap();
    let cache = folder.path().join("cache");
    let digests = std::thread::scope(|scope| {
        let run = || run(&corpus, &tokenizer, &cache).unwrap().digest();
        let runs = [(); 4].map(|()| scope.spawn(run));
        runs.map(|run| run.join().unwrap())
    });
    assert!(digests.iter().all(|digest| *digest == digests[0]));
    // A lock is not waited for once the run is stopped.
    let entry =
        crate::cache::Entry::new(&folder.path().join("other"), &corpus, &tokenizer, POLICY, None);
    let stop = AtomicBool::new(true);
    let _lock = entry.lock(&folder.path().join("other"), &stop).unwrap();
    let other = folder.path().join("other");
    let stopped =
        tokenize(&corpus, &tokenizer, POLICY, None, &other, &stop, &mut |_| {}).unwrap_err();
    expect!["tokenizing `toy` was stopped after 0 of 20 documents; the next run continues there"]
        .assert_eq(&stopped.to_string());
}

#[test]
fn a_document_that_cannot_be_encoded_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = tokenizer(folder.path());
    let long = "x".repeat(LONGEST_PIECE_BYTES + 1);
    let manifest = text_corpus(folder.path(), 2, &[vec!["a".into(), "b".into(), "c".into(), long]]);
    let corpus = Corpus::open(&manifest, folder.path()).unwrap();
    let cache = folder.path().join("cache");
    let error = run(&corpus, &tokenizer, &cache).unwrap_err();
    expect![[r#"
        `x/0.parquet`, row group 1, row 1: cannot be tokenized
        <- a stretch of 1048577 bytes has no place where this tokenizer can be split without changing its ids, expected at most 1048576

        hint: break the text into shorter documents"#]].assert_eq(&told(folder.path(), &error));
    // The first row group stays for the next run, the second left nothing.
    assert_eq!(files(&cache).into_keys().collect::<Vec<_>>(), ["shard-00000.tok"]);
}

#[test]
fn a_cache_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = tokenizer(folder.path());
    let corpus = Corpus::open(&text_corpus(folder.path(), 3, &texts()), folder.path()).unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let error = run(&corpus, &tokenizer, &folder.path().join("file/cache")).unwrap_err();
    expect![[r#"
        cannot write `x/file/cache/.locks`

        hint: a file lies where a folder is needed; move it or choose another folder
        <- Not a directory (os error 20)"#]]
    .assert_eq(&told(folder.path(), &error));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn spans_cover_all_row_groups_within_files(
        sizes in prop::collection::vec((0..3u32, 0..100u64), 0..60), most in 1..20u64,
    ) {
        let mut file = 0;
        let groups: Vec<RowGroup> = sizes.iter().map(|(step, text_bytes)| {
            file += step;
            RowGroup { file, row_group: 0, n_documents: 1, text_bytes: *text_bytes }
        }).collect();
        let spans = spans(&groups, most);
        let covered: Vec<usize> = spans.iter().cloned().flatten().collect();
        prop_assert_eq!(covered, (0..groups.len()).collect::<Vec<_>>());
        for span in &spans {
            prop_assert!(groups[span.clone()].iter().all(|group| group.file == groups[span.start].file));
        }
        let n_files = groups.chunk_by(|a, b| a.file == b.file).count() as u64;
        let is_empty = groups.iter().all(|group| group.text_bytes == 0);
        prop_assert!(is_empty || spans.len() as u64 <= most + n_files);
    }
}
