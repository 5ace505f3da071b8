use std::fs;

use expect_test::{Expect, expect};
use proptest::prelude::*;
use temper_recipe::Digest;

use super::{Shard, ShardWriter};
use crate::source::DocumentOrigin;

type Documents = Vec<(u32, u32, Vec<u32>)>;

/// Multiples of `silent` carry no loss, if there is such a number.
fn write(
    path: &std::path::Path,
    vocab_size: usize,
    documents: &Documents,
    silent: Option<u32>,
) -> super::ShardInfo {
    let mut writer = ShardWriter::create(path, vocab_size, 3).unwrap();
    for (row_group, row, ids) in documents {
        match silent {
            // In two strokes, as long documents come.
            None => {
                let (head, tail) = ids.split_at(ids.len() / 2);
                writer.push_ids(head).unwrap();
                writer.push_ids(tail).unwrap();
            }
            Some(number) => ids.iter().for_each(|id| match id.is_multiple_of(number) {
                true => writer.push_silent_ids(&[*id]).unwrap(),
                false => writer.push_ids(&[*id]).unwrap(),
            }),
        }
        writer.end_document(*row_group, *row).unwrap();
    }
    writer.finish().unwrap()
}

fn documents(vocab_size: usize) -> impl Strategy<Value = Documents> {
    let ids = prop::collection::vec(0..vocab_size as u32, 0..20);
    prop::collection::vec((0..2u32, 1..4u32, ids), 0..12).prop_map(|steps| {
        // Increasing origins with gaps.
        let (mut row_group, mut row) = (0, 0);
        let next = |(group_step, row_step, ids)| {
            row_group += group_step;
            row += row_step;
            (row_group, row, ids)
        };
        steps.into_iter().map(next).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_read(
        (vocab_size, documents) in prop_oneof![Just(1 << 16), Just((1 << 16) + 1)]
            .prop_flat_map(|vocab_size| (Just(vocab_size), documents(vocab_size))),
        silent in prop::option::of(1..4u32),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shard-00000.tok");
        let info = write(&path, vocab_size, &documents, silent);
        let n_ids: usize = documents.iter().map(|(_, _, ids)| ids.len()).sum();
        prop_assert_eq!((info.n_documents, info.n_tokens), (documents.len() as u64, n_ids as u64));
        prop_assert_eq!(info.sha256, Digest::of_file(&path).unwrap());
        prop_assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);

        let shard = Shard::open(&path).unwrap();
        prop_assert_eq!((shard.n_documents(), shard.n_tokens()), (documents.len(), n_ids));
        prop_assert_eq!(shard.vocab_size(), vocab_size);
        for (i, (row_group, row, ids)) in documents.iter().enumerate() {
            prop_assert_eq!(shard.document_len(i), ids.len());
            for start in 0..=ids.len() {
                let mut read = vec![0; ids.len() - start];
                shard.read(i, start, &mut read);
                prop_assert_eq!(&read, &ids[start..]);
                let mut mask = vec![false; ids.len() - start];
                shard.read_mask(i, start, &mut mask);
                let carries = |id: &u32| silent.is_none_or(|number| !id.is_multiple_of(number));
                let expected: Vec<bool> = ids[start..].iter().map(carries).collect();
                prop_assert_eq!(&mask, &expected);
                let n_supervised = expected.iter().filter(|carries| **carries).count();
                prop_assert_eq!(shard.n_supervised(i, start, mask.len()), n_supervised);
            }
            let origin = DocumentOrigin { file: 3, row_group: *row_group, row: *row };
            prop_assert_eq!(shard.origin(i), origin);
            let words: Vec<u8> = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
            let digest = Digest::of(&words);
            prop_assert_eq!(&shard.ids_digest(i).to_be_bytes(), &digest.bytes()[..8]);
        }
    }

    #[test]
    fn damage_is_an_error_or_harmless_but_never_a_panic(
        documents in documents(500), silent in prop::option::of(1..4u32),
        cut in any::<prop::sample::Index>(), bit in 0..8u8,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shard-00000.tok");
        write(&path, 500, &documents, silent);
        let bytes = fs::read(&path).unwrap();
        let at = cut.index(bytes.len());

        let broken = folder.path().join("broken");
        fs::write(&broken, &bytes[..at]).unwrap();
        prop_assert!(Shard::open(&broken).is_err());

        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << bit;
        fs::write(&broken, &flipped).unwrap();
        if let Ok(shard) = Shard::open(&broken) {
            for i in 0..shard.n_documents() {
                shard.read(i, 0, &mut vec![0; shard.document_len(i)]);
                shard.read_mask(i, 0, &mut vec![false; shard.document_len(i)]);
                shard.origin(i);
            }
        }
    }
}

#[track_caller]
fn check(change: impl Fn(&mut Vec<u8>), expected: Expect) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s.tok");
    write(&path, 500, &vec![(0, 0, vec![1, 2, 3]), (0, 1, vec![4])], None);
    let mut bytes = fs::read(&path).unwrap();
    change(&mut bytes);
    fs::write(&path, bytes).unwrap();
    let message = Shard::open(&path).unwrap_err().to_string();
    let message = message.replace(&folder.path().display().to_string(), "x");
    let first = message.lines().next().unwrap();
    expected.assert_eq(first);
}

#[test]
fn foreign_and_damaged_files_are_refused() {
    check(Vec::clear, expect!["shard `x/s.tok`: 0 bytes that do not begin as a shard does"]);
    check(
        |bytes| bytes[0] = b'P',
        expect!["shard `x/s.tok`: 120 bytes that do not begin as a shard does"],
    );
    check(|bytes| bytes[8] = 1, expect!["shard `x/s.tok`: version 1, expected 2"]);
    check(
        |bytes| bytes[12] = 4,
        expect!["shard `x/s.tok`: ids of 4 bytes for a vocabulary of 500"],
    );
    check(
        |bytes| bytes.truncate(100),
        expect!["shard `x/s.tok`: 100 bytes, its header (2 documents, 4 ids, 0 spans) implies 120"],
    );
    check(
        |bytes| bytes[24..32].fill(0xff),
        expect![
            "shard `x/s.tok`: 120 bytes, its header (18446744073709551615 documents, 4 ids, 0 spans) implies 442721857769029238832"
        ],
    );
    check(|bytes| bytes[72] = 9, expect!["shard `x/s.tok`: document 1 ends before it starts"]);
    check(
        |bytes| bytes[80] = 9,
        expect!["shard `x/s.tok`: its documents have 9 ids, its header says 4"],
    );
    check(|bytes| bytes[92] = 7, expect!["shard `x/s.tok`: document 1 comes out of order"]);
}

#[test]
fn spans_out_of_place_are_refused() {
    #[track_caller]
    fn check(change: impl Fn(&mut Vec<u8>), expected: &str) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.tok");
        // Ids 2 and 4 are silent: the ends of the spans begin at byte 120, the spans at 136.
        write(&path, 500, &vec![(0, 0, vec![1, 2, 3]), (0, 1, vec![4])], Some(2));
        let mut bytes = fs::read(&path).unwrap();
        change(&mut bytes);
        fs::write(&path, bytes).unwrap();
        let message = Shard::open(&path).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
    check(|bytes| bytes[140] = 4, "a span of document 0 ends behind it");
    check(|bytes| bytes[140] = 1, "the spans of document 0 come out of order");
    check(|bytes| bytes[120] = 3, "the spans of document 0 end before they start");
    check(|bytes| bytes[128] = 1, "its documents have 1 spans, its header says 2");
    check(|bytes| bytes[44] = 1, "2 documents, 4 ids, 1 spans) implies 144");
}

#[test]
fn the_writer_refuses_what_the_reader_would() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = ShardWriter::create(&folder.path().join("s.tok"), 500, 0).unwrap();
    let message = writer.push_ids(&[1, 500]).unwrap_err().to_string();
    assert!(message.ends_with("id 500 is outside its vocabulary of 500"), "{message}");
    writer.end_document(1, 5).unwrap();
    let message = writer.end_document(1, 5).unwrap_err().to_string();
    assert!(message.contains("row 5 of row group 1 comes out of order"), "{message}");
    drop(writer);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}
