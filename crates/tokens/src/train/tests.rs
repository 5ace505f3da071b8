use std::fs;

use expect_test::{Expect, expect};

use super::{BpeSpec, train_byte_level_bpe};
use crate::testing::{spec, texts};
use crate::tokenizer::Tokenizer;

#[test]
fn equal_texts_in_any_order_give_equal_bytes() {
    let folders = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let mut reversed = texts();
    reversed.reverse();
    for (folder, texts) in folders.iter().zip([texts(), texts(), reversed]) {
        train_byte_level_bpe(texts.into_iter(), &spec(), folder.path()).unwrap();
    }
    for name in ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"] {
        let bytes = folders.each_ref().map(|folder| fs::read(folder.path().join(name)).unwrap());
        assert!(bytes[0] == bytes[1] && bytes[0] == bytes[2], "{name}");
    }
}

#[test]
fn what_is_written_loads_with_its_roles() {
    let folder = tempfile::tempdir().unwrap();
    train_byte_level_bpe(texts().into_iter(), &spec(), folder.path()).unwrap();
    let tokenizer = Tokenizer::load(folder.path()).unwrap();
    assert_eq!(tokenizer.vocab_size(), 310);
    assert_eq!((tokenizer.bos_id(), tokenizer.eos_id()), (Some(0), Some(1)));
    assert_eq!(tokenizer.token_id("<|user|>"), Some(3));
    // Digits one by one.
    assert_eq!(tokenizer.encode("351").unwrap().len(), 3);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    expect![[r#"
        {
          "bos_token": "<|bos|>",
          "eos_token": "<|eos|>",
          "pad_token": "<|pad|>",
          "additional_special_tokens": [
            "<|user|>"
          ]
        }
    "#]]
    .assert_eq(&fs::read_to_string(folder.path().join("special_tokens_map.json")).unwrap());
    let config = fs::read_to_string(folder.path().join("tokenizer_config.json")).unwrap();
    let config: serde_json::Value = serde_json::from_str(&config).unwrap();
    assert_eq!(config["tokenizer_class"], "PreTrainedTokenizerFast");
    assert_eq!(config["added_tokens_decoder"]["3"]["content"], "<|user|>");
    assert_eq!(config["model_max_length"], 2048);
}

#[track_caller]
fn check(change: impl Fn(&mut BpeSpec), expected: Expect) {
    let folder = tempfile::tempdir().unwrap();
    let mut spec = spec();
    change(&mut spec);
    let error = train_byte_level_bpe(texts().into_iter(), &spec, folder.path()).unwrap_err();
    expected.assert_eq(&error.to_string());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn impossible_specs_are_refused() {
    check(
        |spec| spec.vocab_size = 100,
        expect![
            "cannot train a tokenizer: a vocabulary of 100 is too small, expected at least 260: 256 bytes and 4 special tokens"
        ],
    );
    check(
        |spec| spec.vocab_size = 4096,
        expect![[r#"
            cannot train a tokenizer: the text has patterns for 314 tokens, expected 4096

            hint: give more text or ask for a smaller vocabulary"#]],
    );
    check(
        |spec| spec.special_tokens.push("<|eos|>".to_owned()),
        expect!["cannot train a tokenizer: special token `<|eos|>` is given twice"],
    );
    check(
        |spec| spec.special_tokens.push("a b".to_owned()),
        expect![
            "cannot train a tokenizer: special token `a b`: expected two characters or more without white space"
        ],
    );
    check(
        |spec| spec.bos = Some("<s>".to_owned()),
        expect!["cannot train a tokenizer: `<s>` is not among the special tokens"],
    );
}
