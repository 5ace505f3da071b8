use std::fs;
use std::path::Path;

use expect_test::{Expect, expect};
use temper_recipe::{Digest, Tokenization};

use super::TokenCorpus;
use crate::shard::ShardWriter;
use crate::shard_set::ShardSet;
use crate::source::{DocumentOrigin, TokenSource};

/// Three shards, the second without documents; ids count up across the corpus.
fn write(folder: &Path) -> ShardSet {
    let mut next = 0;
    let shards = [vec![3, 0, 2], vec![], vec![4]].into_iter().enumerate().map(|(file, lengths)| {
        let path = folder.join(format!("shard-{file:05}.tok"));
        let mut writer = ShardWriter::create(&path, 64, file as u32).unwrap();
        for (row, len) in lengths.into_iter().enumerate() {
            let ids: Vec<u32> = (next..next + len).collect();
            next += len;
            writer.push_ids(&ids).unwrap();
            writer.end_document(0, row as u32).unwrap();
        }
        writer.finish().unwrap()
    });
    let policy = Tokenization { bos: false, eos: false };
    let set = ShardSet::new(
        "toy",
        Digest::of(b"key"),
        Digest::of(b"tokenizer"),
        64,
        policy,
        shards.collect(),
    );
    set.save(folder).unwrap();
    set
}

#[test]
fn documents_are_numbered_across_shards() {
    let folder = tempfile::tempdir().unwrap();
    let set = write(folder.path());
    let corpus = TokenCorpus::open(folder.path(), true).unwrap();
    assert_eq!((corpus.n_documents(), corpus.n_tokens()), (4, 9));
    assert_eq!((corpus.name(), corpus.vocab_size()), ("toy", 64));
    assert_eq!(corpus.shards(), set.shards);
    let read = |document: usize| {
        let mut ids = vec![0; corpus.document_len(document)];
        corpus.read(document, 0, &mut ids);
        ids
    };
    assert_eq!([0, 1, 2, 3].map(read), [vec![0, 1, 2], vec![], vec![3, 4], vec![5, 6, 7, 8]]);
    assert_eq!(corpus.origin(3), DocumentOrigin { file: 2, row_group: 0, row: 0 });

    let other = tempfile::tempdir().unwrap();
    write(other.path());
    assert_eq!(TokenCorpus::open(other.path(), false).unwrap().digest(), corpus.digest());
}

#[track_caller]
fn check(verify: bool, change: impl Fn(&Path, &mut ShardSet), expected: Expect) {
    let folder = tempfile::tempdir().unwrap();
    let mut set = write(folder.path());
    change(folder.path(), &mut set);
    set.save(folder.path()).unwrap();
    let message = TokenCorpus::open(folder.path(), verify).unwrap_err().to_string();
    let message = message.replace(&folder.path().display().to_string(), "x");
    expected.assert_eq(message.lines().next().unwrap());
}

fn flip(folder: &Path, _: &mut ShardSet) {
    let path = folder.join("shard-00002.tok");
    let mut bytes = fs::read(&path).unwrap();
    // An id: only the digest can tell.
    bytes[64] ^= 1;
    fs::write(&path, bytes).unwrap();
}

#[test]
fn a_changed_shard_is_named() {
    check(
        true,
        flip,
        expect![
            "shard `x/shard-00002.tok`: digest 4cbede91d61b…, its set says 05d413bcb34e…; the file changed after tokenizing"
        ],
    );
    check(
        false,
        |folder, _| fs::remove_file(folder.join("shard-00002.tok")).unwrap(),
        expect!["cannot read `x/shard-00002.tok`"],
    );
    check(
        false,
        |_, set| set.shards[0].n_tokens = 6,
        expect![
            "shard `x/shard-00000.tok`: 3 documents with 5 ids below 64, its set says 3 documents with 6 ids below 64"
        ],
    );
}

#[test]
fn a_changed_set_is_named() {
    check(
        false,
        |_, set| set.shards.swap(0, 2),
        expect!["shard set `x/tokens.json`: shards are out of order"],
    );
    check(
        false,
        |_, set| set.shards[0].file_name = "../shard-00000.tok".to_owned(),
        expect!["shard set `x/tokens.json`: `../shard-00000.tok` is no file name"],
    );
    let folder = tempfile::tempdir().unwrap();
    let error = TokenCorpus::open(folder.path(), false).unwrap_err().to_string();
    assert!(error.contains("tokens.json`"), "{error}");
    write(folder.path());
    let path = folder.path().join("tokens.json");
    let text = fs::read_to_string(&path).unwrap().replace("\"format\": 1", "\"format\": 9");
    fs::write(&path, text).unwrap();
    let error = TokenCorpus::open(folder.path(), false).unwrap_err().to_string();
    assert!(error.contains("format 9, expected 1"), "{error}");
}
