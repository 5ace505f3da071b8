use std::fs;
use std::path::Path;

use expect_test::expect;
use serde_json::Value;

use crate::testing::trained;
use crate::tokenizer::Tokenizer;

fn names(tokens: &[&str]) -> Vec<String> {
    tokens.iter().map(|token| (*token).to_owned()).collect()
}

#[test]
fn new_tokens_follow_the_highest_id() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = trained(folder.path());
    // `<|eos|>` is special already, ` m` a word: it stays in its place and becomes special.
    let word = (256..310)
        .find_map(|id| {
            let text = tokenizer.decode(&[id], false).unwrap();
            (tokenizer.token_id(&text) == Some(id)).then_some((text, id))
        })
        .unwrap();
    let tokens = names(&["<|im_start|>", "<|eos|>", &word.0, "<think>", "<|im_start|>"]);
    let grown = tokenizer.with_added_tokens(&tokens).unwrap();
    let expected = [("<|im_start|>".to_owned(), 310), word, ("<think>".to_owned(), 311)];
    assert_eq!(grown.added, expected);
    assert_eq!(grown.tokenizer.vocab_size(), 312);
    assert_eq!(grown.tokenizer.bos_id(), tokenizer.bos_id());

    let ids = grown.tokenizer.encode_rendered("<|im_start|>a<think>").unwrap();
    assert_eq!((ids[0].0, ids[2].0), (310, 311));
    // Data does not spell them.
    assert!(grown.tokenizer.encode("<|im_start|>").unwrap().iter().all(|id| *id < 310));

    // The file alone is the same tokenizer, and nothing is added twice.
    fs::write(folder.path().join("tokenizer.json"), &grown.tokenizer_json).unwrap();
    let again = Tokenizer::load(folder.path()).unwrap();
    assert_eq!(again.digest(), grown.tokenizer.digest());
    let same = again.with_added_tokens(&tokens).unwrap();
    assert_eq!((same.added.len(), same.tokenizer_json), (0, grown.tokenizer_json));
}

#[track_caller]
fn rewritten(folder: &Path, change: impl Fn(Value) -> String) -> Tokenizer {
    trained(folder);
    let path = folder.join("tokenizer.json");
    let json = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    fs::write(&path, change(json)).unwrap();
    Tokenizer::load(folder).unwrap()
}

#[test]
fn every_other_byte_stays() {
    let folder = tempfile::tempdir().unwrap();
    for change in [
        |json: Value| json.to_string(),
        |json: Value| format!("{json:#}\n"),
        |mut json: Value| {
            json["added_tokens"] = Value::Array(vec![]);
            json.to_string()
        },
        |mut json: Value| {
            json["added_tokens"] = Value::Array(vec![]);
            format!("{json:#}")
        },
    ] {
        let tokenizer = rewritten(folder.path(), change);
        let before: Value = serde_json::from_str(
            &fs::read_to_string(folder.path().join("tokenizer.json")).unwrap(),
        )
        .unwrap();
        let grown = tokenizer.with_added_tokens(&names(&["<a>", "<b>"])).unwrap();
        let text = String::from_utf8(grown.tokenizer_json).unwrap();
        let mut after: Value = serde_json::from_str(&text).unwrap();
        // Written as it was: in one line, or as the library indents it.
        let style = if text.starts_with("{\n") { format!("{after:#}") } else { after.to_string() };
        assert_eq!(text.trim_end(), style);
        let list = after["added_tokens"].as_array_mut().unwrap();
        let new = list.split_off(list.len() - 2);
        assert_eq!(new[0]["content"], "<a>");
        assert_eq!(after, before);
    }
}

#[test]
fn what_cannot_be_added_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = trained(folder.path());
    expect![[r#"
        cannot add token ` `: nothing but white space, expected characters

        hint: leave it out, or add it with transformers' `add_special_tokens` and save the tokenizer"#]]
        .assert_eq(&tokenizer.with_added_tokens(&names(&[" "])).unwrap_err().to_string());
    let gap = rewritten(folder.path(), |mut json| {
        let vocab = json["model"]["vocab"].as_object_mut().unwrap();
        vocab.insert("far".to_owned(), 400.into());
        json.to_string()
    });
    expect![[r#"
        cannot add token `<a>`: the tokenizers library would not give it the id 401: the vocabulary has gaps

        hint: leave it out, or add it with transformers' `add_special_tokens` and save the tokenizer"#]].assert_eq(&gap.with_added_tokens(&names(&["<a>"])).unwrap_err().to_string());
    let path = folder.path().join("tokenizer.json");
    fs::write(&path, fs::read_to_string(&path).unwrap() + "\n").unwrap();
    let error = gap.with_added_tokens(&names(&["<a>"])).unwrap_err().to_string();
    assert!(error.contains("it has changed since it was loaded"), "{error}");
}
