use std::fs;
use std::path::Path;

use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::{Value, json};
use temper_recipe::Tokenization;
use tokenizers::{Normalizer, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer};

use super::{LONGEST_PIECE_BYTES, Tokenizer};
use crate::pieces;
use crate::testing::trained;

/// The trained tokenizer with `change` applied to one of its files.
#[track_caller]
fn changed(
    folder: &Path,
    name: &str,
    change: impl Fn(&mut Value),
) -> Result<Tokenizer, crate::Error> {
    trained(folder);
    let path = folder.join(name);
    let mut json = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    change(&mut json);
    fs::write(&path, json.to_string()).unwrap();
    Tokenizer::load(folder)
}

#[test]
fn text_never_becomes_a_special_token() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = trained(folder.path());
    for text in ["<|eos|>", "a<|bos|><|user|>b", "<|pad|> <|eos|>"] {
        let ids = tokenizer.encode(text).unwrap();
        assert!(ids.iter().all(|id| *id >= 4), "{text}: {ids:?}");
        assert_eq!(tokenizer.decode(&ids, true).unwrap(), text);
    }
    assert_eq!(tokenizer.decode(&[0, 4, 1], true).unwrap().chars().count(), 1);
    assert_eq!(tokenizer.decode(&[0, 1], false).unwrap(), "<|bos|><|eos|>");
}

#[test]
fn a_vocabulary_that_spells_a_special_token_is_refused_when_it_happens() {
    let folder = tempfile::tempdir().unwrap();
    let json = json!({
        "version": "1.0",
        "added_tokens": [{"id": 1, "content": "evil", "special": true, "single_word": false,
            "lstrip": false, "rstrip": false, "normalized": false}],
        "normalizer": null,
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": null,
        "decoder": null,
        "model": {"type": "WordLevel", "vocab": {"good": 0, "evil": 1, "?": 2}, "unk_token": "?"},
    });
    fs::write(folder.path().join("tokenizer.json"), json.to_string()).unwrap();
    let tokenizer = Tokenizer::load(folder.path()).unwrap();
    assert_eq!(tokenizer.encode("good x").unwrap(), [0, 2]);
    expect!["cannot encode text that begins with `good evil`: its characters become the special token `evil`"]
        .assert_eq(&tokenizer.encode("good evil").unwrap_err().to_string());
    assert_eq!((tokenizer.bos_id(), tokenizer.eos_id()), (None, None));
    assert!(!tokenizer.cuttable);
}

#[test]
fn truncation_and_padding_are_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let whole = trained(folder.path()).encode("The molecule melts.").unwrap();
    let tokenizer = changed(folder.path(), "tokenizer.json", |json| {
        json["truncation"] =
            json!({"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0});
        json["padding"] = json!({"strategy": {"Fixed": 64}, "direction": "Right",
            "pad_to_multiple_of": null, "pad_id": 2, "pad_type_id": 0, "pad_token": "<|pad|>"});
    });
    assert_eq!(tokenizer.unwrap().encode("The molecule melts.").unwrap(), whole);
}

#[test]
fn specials_are_added_as_asked() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = trained(folder.path());
    for (bos, eos, expected) in [
        (false, false, vec![7, 8]),
        (true, false, vec![0, 7, 8]),
        (false, true, vec![7, 8, 1]),
        (true, true, vec![0, 7, 8, 1]),
    ] {
        assert_eq!(
            tokenizer.add_specials(vec![7, 8], Tokenization { bos, eos }).unwrap(),
            expected
        );
    }
}

#[track_caller]
fn check(name: &str, change: impl Fn(&mut Value), expected: Expect) {
    let folder = tempfile::tempdir().unwrap();
    let result = changed(folder.path(), name, change).and_then(|tokenizer| {
        tokenizer.add_specials(vec![], Tokenization { bos: true, eos: true })
    });
    let message = match result {
        Ok(ids) => format!("{ids:?}"),
        Err(error) => error.to_string().replace(&folder.path().display().to_string(), "x"),
    };
    expected.assert_eq(&message);
}

#[test]
fn configurations_are_read_or_refused() {
    let config = "tokenizer_config.json";
    check(config, |json| json["bos_token"] = json!({"content": "<|user|>"}), expect!["[3, 1]"]);
    check(
        config,
        |json| json["bos_token"] = Value::Null,
        expect![[r#"
            the recipe asks for bos around documents, the tokenizer names none

            hint: set `bos_token` in `tokenizer_config.json`, or `tokenization.bos = false` in the recipe"#]],
    );
    check(
        config,
        |json| json["eos_token"] = json!("</s>"),
        expect![[r#"
            tokenizer `x/tokenizer_config.json`: names `</s>`, which `tokenizer.json` does not have

            hint: save it again with `AutoTokenizer.from_pretrained(…).save_pretrained(…)`, or make one with `temper tokenizer train`"#]],
    );
    check(
        config,
        |json| json["eos_token"] = json!(5),
        expect![[r#"
            tokenizer `x/tokenizer_config.json`: `eos_token` is 5, expected a string or an added token

            hint: save it again with `AutoTokenizer.from_pretrained(…).save_pretrained(…)`, or make one with `temper tokenizer train`"#]],
    );
    check(
        "tokenizer.json",
        |json| json["model"]["dropout"] = json!(0.1),
        expect![[r#"
            tokenizer `x/tokenizer.json`: BPE dropout encodes a text differently each time; set `model.dropout` to null

            hint: save it again with `AutoTokenizer.from_pretrained(…).save_pretrained(…)`, or make one with `temper tokenizer train`"#]],
    );
}

#[test]
fn other_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let load = || {
        let error = Tokenizer::load(folder.path()).unwrap_err();
        error.to_string().replace(&folder.path().display().to_string(), "x")
    };
    expect![[r#"
        no tokenizer at `x/tokenizer.json`: expected a file `tokenizer.json` or a folder with one

        hint: slow tokenizers (`tokenizer.model`, `vocab.json`) are converted by `AutoTokenizer.from_pretrained(…).save_pretrained(…)`"#]]
    .assert_eq(&load());
    fs::write(folder.path().join("tokenizer.json"), "{").unwrap();
    expect![[r#"
        tokenizer `x/tokenizer.json`: EOF while parsing an object at line 1 column 1

        hint: save it again with `AutoTokenizer.from_pretrained(…).save_pretrained(…)`, or make one with `temper tokenizer train`"#]]
        .assert_eq(&load());
    fs::write(folder.path().join("tokenizer.json"), "{}").unwrap();
    assert!(load().starts_with("tokenizer `x/tokenizer.json`: "), "{}", load());
}

#[test]
fn unknown_ids_are_not_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = trained(folder.path());
    expect!["cannot decode id 310: the tokenizer has no such token (its highest id is 309)"]
        .assert_eq(&tokenizer.decode(&[5, 310], false).unwrap_err().to_string());
    let known = tokenizer.decode(&[70, 71], false).unwrap();
    assert_eq!(tokenizer.decode_sampled(&[70, 71, 310]).unwrap(), format!("{known}\u{FFFD}"));
}

#[test]
fn the_digest_covers_the_ids_of_documents() {
    let folders = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let same = trained(folders[0].path()).digest();
    assert_eq!(trained(folders[1].path()).digest(), same);
    let other =
        changed(folders[2].path(), "tokenizer_config.json", |json| json["bos_token"] = Value::Null);
    assert_ne!(other.unwrap().digest(), same);
}

#[test]
fn a_stretch_without_a_cut_is_refused_before_it_costs_memory() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = trained(folder.path());
    let text = format!("a {}", "x".repeat(LONGEST_PIECE_BYTES));
    expect![[r#"
        a stretch of 1048577 bytes has no place where this tokenizer can be split without changing its ids, expected at most 1048576

        hint: break the text into shorter documents"#]]
    .assert_eq(&tokenizer.encode(&text).unwrap_err().to_string());
}

/// Text in which every rule of the split patterns meets every other.
fn tricky() -> impl Strategy<Value = String> {
    let alphabet = [
        "a", "Zz", "é", "e\u{301}", "7", "42", " ", " ", "  ", "\n", "\n\n", "\r", "\r\n", "\t",
        "\u{a0}", "\u{85}", "\u{2028}", "\u{180e}", "\u{200b}", ".", ",", "'", "'s", "'LL", "(",
        "=", "水", "。", "각", "\u{1100}", "\u{1161}", "٣", "½", "ह", "ि", "😀", "\u{301}",
        "<|eos|>",
    ];
    prop::collection::vec(prop::sample::select(alphabet.to_vec()), 0..40)
        .prop_map(|parts| parts.concat())
}

/// What the model sees of a text: it encodes each of these alone.
fn splits(tokenizer: &Tokenizer, text: &str) -> Vec<String> {
    let mut normalized = tokenizers::NormalizedString::from(text);
    if let Some(normalizer) = tokenizer.inner.get_normalizer() {
        normalizer.normalize(&mut normalized).unwrap();
    }
    let mut split = PreTokenizedString::from(normalized);
    tokenizer.inner.get_pre_tokenizer().unwrap().pre_tokenize(&mut split).unwrap();
    let splits = split.get_splits(OffsetReferential::Normalized, OffsetType::Byte);
    splits.into_iter().map(|(split, _, _)| split.to_owned()).collect()
}

#[test]
fn cuts_change_nothing_under_any_pattern_they_are_used_with() {
    let byte_level = |regex: bool| json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": regex});
    let split = |pattern: &str| {
        json!({"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false},
            byte_level(false),
        ]})
    };
    let digits = json!({"type": "Sequence", "pretokenizers": [
        {"type": "Digits", "individual_digits": true}, byte_level(true)]});
    let steps = pieces::PATTERNS.map(split).into_iter().chain([byte_level(true), digits]);
    for (i, step) in steps.enumerate() {
        for normalizer in [Value::Null, json!({"type": "NFC"})] {
            let folder = tempfile::tempdir().unwrap();
            let tokenizer = changed(folder.path(), "tokenizer.json", |json| {
                json["pre_tokenizer"] = step.clone();
                json["normalizer"] = normalizer.clone();
            });
            let tokenizer = tokenizer.unwrap();
            assert!(tokenizer.cuttable, "{step}");
            proptest!(ProptestConfig::with_cases(512), |(text in tricky(), piece_bytes in 1usize..12)| {
                let cut: Vec<&str> = pieces::cut(&text, piece_bytes).collect();
                let parts: Vec<String> = cut.iter().flat_map(|piece| splits(&tokenizer, piece)).collect();
                prop_assert_eq!(parts, splits(&tokenizer, &text), "step {} cut {:?}", i, cut);
                let ids: Vec<u32> =
                    cut.iter().flat_map(|piece| tokenizer.encode_piece(piece).unwrap()).collect();
                prop_assert_eq!(ids, tokenizer.encode_piece(&text).unwrap());
            });
        }
    }
}

#[test]
fn unknown_pipelines_are_left_whole() {
    let changes: [fn(&mut Value); 5] = [
        |json| json["normalizer"] = json!({"type": "NFKC"}),
        |json| json["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = json!(r"\S+\s*"),
        |json| json["pre_tokenizer"]["pretokenizers"][0]["behavior"] = json!("Removed"),
        |json| json["pre_tokenizer"]["pretokenizers"][1]["add_prefix_space"] = json!(true),
        |json| {
            json["added_tokens"][3]["special"] = json!(false);
            json["added_tokens"][3]["lstrip"] = json!(true);
        },
    ];
    for change in changes {
        let folder = tempfile::tempdir().unwrap();
        assert!(!changed(folder.path(), "tokenizer.json", change).unwrap().cuttable);
    }
}

#[test]
fn every_text_survives_the_round_trip() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = trained(folder.path());
    let any = prop::collection::vec(prop_oneof![tricky(), any::<String>()], 0..4);
    proptest!(ProptestConfig::with_cases(64), |(texts in any)| {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let batch = tokenizer.encode_batch(&texts).unwrap();
        for (text, ids) in texts.iter().zip(&batch) {
            prop_assert_eq!(&tokenizer.encode(text).unwrap(), ids);
            prop_assert_eq!(&tokenizer.decode(ids, false).unwrap(), text);
        }
    });
}

#[test]
fn long_texts_are_the_sum_of_their_pieces() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = trained(folder.path());
    let text = crate::testing::texts().concat().repeat(12);
    assert!(tokenizer.pieces(&text).unwrap().len() > 2);
    assert_eq!(tokenizer.encode(&text).unwrap(), tokenizer.encode_piece(&text).unwrap());
}

#[test]
fn a_text_begins_with_bos_where_something_says_so() {
    #[track_caller]
    fn check(said: Value, processed: bool, expected: bool) {
        let folder = tempfile::tempdir().unwrap();
        changed(folder.path(), "tokenizer_config.json", |config| {
            config["add_bos_token"] = said.clone();
        })
        .unwrap();
        let path = folder.path().join("tokenizer.json");
        let mut json: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let bos = json!({ "SpecialToken": { "id": "<|bos|>", "type_id": 0 } });
        let text = json!({ "Sequence": { "id": "A", "type_id": 0 } });
        json["post_processor"] = match processed {
            true => json!({
                "type": "TemplateProcessing", "single": [bos, text], "pair": [bos, text, text],
                "special_tokens": {
                    "<|bos|>": { "id": "<|bos|>", "ids": [0], "tokens": ["<|bos|>"] },
                },
            }),
            false => Value::Null,
        };
        fs::write(&path, json.to_string()).unwrap();
        assert_eq!(Tokenizer::load(folder.path()).unwrap().begins_with_bos(), expected);
    }
    check(Value::Null, false, false);
    check(Value::Null, true, true);
    check(json!(true), false, true);
    check(json!(false), true, false);
}
