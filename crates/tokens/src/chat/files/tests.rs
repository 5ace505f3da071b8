use std::fs;

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::{ChatTemplate, chat_template_files, special_tokens};

#[track_caller]
fn check(files: &[(&str, Value)], expected: Expect) {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content.as_str().map_or_else(|| content.to_string(), str::to_owned))
            .unwrap();
    }
    let shown = match ChatTemplate::load(folder.path()) {
        Ok(None) => "none".to_owned(),
        Ok(Some(template)) => format!("{} from {}", template.text(), template.name()),
        Err(error) => error.to_string(),
    };
    expected.assert_eq(&shown.replace(&folder.path().display().to_string(), "x"));
}

#[test]
fn templates_are_found_as_transformers_finds_them() {
    let (jinja, config) = ("chat_template.jinja", "tokenizer_config.json");
    check(&[], expect!["none"]);
    check(&[(config, json!({"eos_token": "</s>"}))], expect!["none"]);
    check(
        &[(config, json!({"chat_template": "inside"}))],
        expect!["inside from x/tokenizer_config.json"],
    );
    check(
        &[(jinja, json!("own file\n")), (config, json!({"chat_template": "inside"}))],
        expect![[r#"
            own file
             from x/chat_template.jinja"#]],
    );
    let named = json!({"chat_template": [
        {"name": "rag", "template": "r"}, {"name": "default", "template": "d"},
    ]});
    check(&[(config, named)], expect!["d from x/tokenizer_config.json"]);
    check(
        &[(config, json!({"chat_template": [{"name": "rag", "template": "r"}]}))],
        expect![[r#"
            `x/tokenizer_config.json`: chat templates named rag, expected one named `default`

            hint: take the file that came with the checkpoint"#]],
    );
    check(
        &[(config, json!({"chat_template": 7}))],
        expect![[r#"
            `x/tokenizer_config.json`: `chat_template` holds 7, expected a string or a list of `name` and `template`

            hint: take the file that came with the checkpoint"#]],
    );
    check(
        &[(config, json!("{"))],
        expect![[r#"
            `x/tokenizer_config.json`: EOF while parsing an object at line 1 column 1

            hint: take the file that came with the checkpoint"#]],
    );
    check(
        &[("additional_chat_templates/rag.jinja", json!("r")), (jinja, json!("d"))],
        expect!["d from x/chat_template.jinja"],
    );
    check(
        &[(jinja, json!("a\n{% if %}"))],
        expect![[r#"
            chat template `x/chat_template.jinja`, line 2: syntax error: unexpected end of block

            hint: correct the template there, or use another one"#]],
    );
}

#[test]
fn special_tokens_come_from_both_files() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(special_tokens(folder.path()).unwrap().len(), 0);
    let config = json!({"bos_token": {"content": "<s>"}, "eos_token": null, "image_token": "<i>"});
    fs::write(folder.path().join("tokenizer_config.json"), config.to_string()).unwrap();
    let map = json!({"bos_token": "other", "eos_token": "</s>"});
    fs::write(folder.path().join("special_tokens_map.json"), map.to_string()).unwrap();
    let tokens = special_tokens(folder.path()).unwrap();
    let tokens: Vec<(&str, &str)> = tokens.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(tokens, [("bos_token", "<s>"), ("eos_token", "</s>")]);
}

#[test]
fn a_base_model_gets_a_template_beside_its_weights() {
    let files = |config: &str| {
        let files = chat_template_files("{{ x }}\n", config.as_bytes()).unwrap();
        files
            .into_iter()
            .map(|(name, bytes)| (name, String::from_utf8(bytes).unwrap()))
            .collect::<Vec<_>>()
    };
    let own = ("chat_template.jinja", "{{ x }}\n".to_owned());
    assert_eq!(files(r#"{"eos_token":"</s>"}"#), std::slice::from_ref(&own));
    let config = "{\n  \"a\": 1,\n  \"b\": 2\n}\n".to_owned();
    assert_eq!(
        files(r#"{"a":1,"chat_template":"old","b":2}"#),
        [own, ("tokenizer_config.json", config)]
    );
    assert!(chat_template_files("", b"[]").is_err());
}
