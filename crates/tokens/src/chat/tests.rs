//! Equality with transformers, on the fixtures of `scripts/chat_fixtures.py`.

use std::fs;
use std::path::PathBuf;

use serde_json::{Map, Value};

use super::{ChatTemplate, Conversation, DateTime, RenderOptions, Turns, special_tokens};
use crate::error::Error;
use crate::tokenizer::Tokenizer;

fn repository() -> PathBuf {
    PathBuf::from("../..")
}

fn fixture(name: &str) -> Value {
    let path = repository().join("tests/fixtures/chat").join(name);
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

struct Family {
    name: &'static str,
    template: ChatTemplate,
    tokenizer: Tokenizer,
    cases: Vec<Value>,
}

impl Family {
    fn load(name: &'static str) -> Self {
        let mut fixture = fixture(&format!("{name}.json"));
        let text = repository().join("tests/fixtures/chat").join(format!("{name}.jinja"));
        let text = fs::read_to_string(text).unwrap();
        let checkpoint = repository().join("checkpoints/nano/pretrained");
        let template =
            ChatTemplate::new(name, &text, special_tokens(&checkpoint).unwrap()).unwrap();
        // The markers get the ids and the file the bytes that the library of Python gives them.
        let expected: Vec<(String, u32)> =
            serde_json::from_value::<Map<String, Value>>(fixture["added_tokens"].take())
                .unwrap()
                .into_iter()
                .map(|(token, id)| (token, id.as_u64().unwrap() as u32))
                .collect();
        let tokens: Vec<String> = expected.iter().map(|(token, _)| token.clone()).collect();
        let grown = Tokenizer::load(&checkpoint).unwrap().with_added_tokens(&tokens).unwrap();
        assert_eq!(grown.added, expected, "{name}");
        let digest = temper_recipe::Digest::of(&grown.tokenizer_json);
        assert_eq!(digest.to_string(), fixture["tokenizer_json_sha256"].as_str().unwrap());
        let cases = fixture["cases"].as_array().unwrap().clone();
        Self { name, template, tokenizer: grown.tokenizer, cases }
    }

    fn check(&self, conversations: &Value, case: &Value) {
        let conversation = Conversation::from_json(conversation(conversations, case)).unwrap();
        let options = options(&case["options"]);
        let label = format!("{} {} {}", self.name, case["conversation"], case["options"]);
        if let Some(message) = case["raises"].as_str() {
            match self.template.render(&conversation, &options) {
                Err(Error::ChatTemplateRaised { message: found, .. }) => {
                    assert_eq!(found, message, "{label}");
                }
                other => panic!("{label}: {other:?}, expected `{message}`"),
            }
            return;
        }
        let rendered = self.template.render(&conversation, &options);
        if !case["fails"].is_null() {
            assert!(matches!(rendered, Err(Error::ChatTemplate { .. })), "{label}: {rendered:?}");
            return;
        }
        assert_eq!(rendered.unwrap().text, case["text"].as_str().unwrap(), "{label}");
        if case["ids"].is_null() {
            return;
        }
        for (turns, key) in
            [(Turns::Every, "every"), (Turns::Last, "last"), (Turns::Every, "marked")]
        {
            let Some(expected) = case.get(key) else { continue };
            let found = self.template.tokenize(&conversation, &options, turns, &self.tokenizer);
            let Some(expected) = expected.as_str() else {
                assert!(
                    matches!(found, Err(Error::AssistantMask { .. })),
                    "{label} {key}: {found:?}"
                );
                continue;
            };
            let found = found.unwrap_or_else(|error| panic!("{label} {key}: {error}"));
            let ids: Vec<u32> = serde_json::from_value(case["ids"].clone()).unwrap();
            assert_eq!(found.ids, ids, "{label}");
            let mask = found.assistant_mask.iter().map(|own| if *own { '1' } else { '0' });
            assert_eq!(mask.collect::<String>(), expected, "{label} {key}: {}", found.text);
        }
    }
}

fn conversation(conversations: &Value, case: &Value) -> Value {
    conversations[case["conversation"].as_str().unwrap()].clone()
}

fn options(json: &Value) -> RenderOptions {
    RenderOptions {
        add_generation_prompt: json["add_generation_prompt"] == true,
        continue_final_message: json["continue_final_message"] == true,
        now: DateTime::parse(fixture("provenance.json")["now"].as_str().unwrap()),
        variables: json["variables"].as_object().cloned().unwrap_or_default(),
    }
}

#[track_caller]
fn check(name: &'static str) {
    let family = Family::load(name);
    let conversations = fixture("conversations.json");
    for case in &family.cases {
        family.check(&conversations, case);
    }
    assert!(family.cases.len() > 40, "{}", family.cases.len());
}

#[test]
fn chatml() {
    check("chatml");
}

#[test]
fn chatml_with_generation_markers() {
    check("chatml_marked");
}

#[test]
fn llama3_with_tools() {
    check("llama3_tools");
}

#[test]
fn mistral_with_tools() {
    check("mistral_tools");
}

#[test]
fn qwen3_with_thinking() {
    check("qwen3");
}

#[test]
fn gemma() {
    check("gemma");
}

#[test]
fn phi() {
    check("phi");
}

#[test]
fn zephyr() {
    check("zephyr");
}

#[test]
fn olmo_with_generation_markers() {
    check("olmo");
}

#[test]
fn documents_and_recursive_macros() {
    check("grounded");
}
