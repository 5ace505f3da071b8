//! Continuations for programs: ids in, ids and log-probabilities out.

use std::fs;

use serde_json::Value;

use crate::project::Project;

/// A project with a run, as `runs/small`.
fn project() -> Project {
    let project = Project::new();
    project.temper(&["run", "recipe.toml", "--set", "training.max_steps=1"]).expect_success();
    project
}

fn generate(project: &Project, more: &[&str]) -> Value {
    let call = ["generate", "runs/small", "--max-tokens", "9", "--ignore-eos", "--json"];
    let call = project.temper(&[&call, more].concat()).expect_success();
    serde_json::from_str(&call.stdout).unwrap()
}

#[test]
fn ids_are_continued_with_and_without_a_tokenizer() {
    let project = project();
    let alone = generate(&project, &["--ids", "5,6,7"]);
    let numbers = |key: &str| alone[key].as_array().unwrap().len();
    assert_eq!((numbers("ids"), numbers("logprobs"), numbers("sampled_logprobs")), (9, 9, 9));
    assert_eq!((&alone["ending"], alone["text"].is_string()), (&Value::from("max-tokens"), true));

    let several = generate(&project, &["--ids", "5,6,7", "--ids", "8", "--samples", "2"]);
    let prompts: Vec<_> = several.as_array().unwrap().iter().map(|one| &one["prompt"]).collect();
    assert_eq!(prompts, [0, 0, 1, 1]);
    for key in ["ids", "logprobs"] {
        assert_eq!(several[0][key], alone[key], "neighbours change nothing");
    }

    let folder = project.temper(&["checkpoint", "convert", "runs/small", "plain"]);
    folder.expect_success();
    fs::remove_file(project.path("plain/tokenizer.json")).unwrap();
    let call =
        ["generate", "plain", "--ids", "5,6,7", "--max-tokens", "9", "--ignore-eos", "--json"];
    let plain: Value =
        serde_json::from_str(&project.temper(&call).expect_success().stdout).unwrap();
    assert_eq!((&plain["ids"], plain.get("text")), (&alone["ids"], None));
}

#[test]
fn a_prompt_begins_as_its_tokenizer_says() {
    let project = project();
    project.temper(&["checkpoint", "convert", "runs/small", "plain"]).expect_success();
    let continued = |prompt: &[&str]| -> Value {
        let call = ["generate", "plain", "--max-tokens", "9", "--ignore-eos", "--json"];
        let call = project.temper(&[&call, prompt].concat()).expect_success();
        serde_json::from_str(&call.stdout).unwrap()
    };
    // Bytes that form no longer token are tokens; BOS has id 0.
    let letter = ["--prompt", "~"];
    let with_bos = continued(&letter);
    project.edit(
        "plain/tokenizer_config.json",
        "\"add_bos_token\": true",
        "\"add_bos_token\": false",
    );
    let without = continued(&letter);
    // The post-processor adds nothing, so without a word on it there is no BOS either.
    project.edit("plain/tokenizer_config.json", "\"add_bos_token\": false,", "");
    assert_eq!(continued(&letter), without);
    let tokenizer = fs::read_to_string(project.path("plain/tokenizer.json")).unwrap();
    let tokenizer: Value = serde_json::from_str(&tokenizer).unwrap();
    let id = tokenizer["model"]["vocab"]["~"].as_u64().unwrap().to_string();
    let of_ids = |ids: &str| continued(&["--ids", ids])["logprobs"].clone();
    assert_eq!(of_ids(&format!("0,{id}")), with_bos["logprobs"]);
    assert_eq!(of_ids(&id), without["logprobs"]);
    assert_ne!(with_bos["logprobs"], without["logprobs"]);
}

#[test]
fn a_stop_string_ends_a_continuation_and_samples_differ() {
    let project = project();
    let warm = ["--prompt", "benzene", "--temperature", "1.5", "--seed", "3"];
    let whole = generate(&project, &warm);
    let text = whole["text"].as_str().unwrap();
    let stop: String = text.chars().skip(text.chars().count() / 2).take(1).collect();
    let stopped = generate(&project, &[&warm[..], &["--stop", &stop]].concat());
    assert_eq!(stopped["ending"], "stop");
    let stopped = stopped["text"].as_str().unwrap();
    assert!(text.starts_with(stopped) && stopped.contains(&stop), "{stopped:?} of {text:?}");

    let samples = generate(&project, &[&warm[..], &["--samples", "3"]].concat());
    assert_eq!(samples[0], whole);
    assert_ne!(samples[1]["ids"], samples[2]["ids"]);
}

#[test]
fn values_that_mean_nothing_are_refused() {
    let project = project();
    let check = |more: &[&str], expected: &str| {
        let call = [&["generate", "runs/small"], more].concat();
        let found = project.temper(&call).expect_code(2).stderr;
        assert!(found.contains(expected), "{found}");
    };
    check(&["--ids", "1,x"], "--ids: found `x`, expected a token id");
    check(&["--ids", "320"], "token id 320 lies outside");
    check(&["--ids", "1", "--temperature=-1"], "--temperature: found -1, expected 0 or more");
    check(&["--ids", "1", "--top-p", "0"], "--top-p: found 0, expected more than 0 and at most 1");
    check(&["--ids", "1", "--min-p", "2"], "--min-p: found 2, expected 0 to 1");
    check(&["--ids", "1", "--repetition-penalty", "0"], "--repetition-penalty: found 0, expected");
    check(&["--ids", "1", "--samples", "0"], "--samples: found 0, expected 1 or more");
    check(&["--prompt", "x", "--stop", ""], "--stop: found an empty text");
    check(&[], "--prompt <PROMPT>");
}

#[test]
fn a_message_is_written_by_the_chat_template_and_answered() {
    let project = project();
    project.temper(&["checkpoint", "convert", "runs/small", "plain"]).expect_success();
    let answered = |more: &[&str]| {
        let call = ["generate", "plain", "--max-tokens", "9"];
        project.temper(&[&call, more].concat())
    };
    let refused = answered(&["--chat", "--prompt", "river"]).expect_code(2).stderr;
    assert!(refused.contains("--chat: `plain` has no chat template"), "{refused}");
    let template = "{{ bos_token }}{% for message in messages %}({{ message.role }}) {{ message.content }}{% endfor %}\
                    {% if add_generation_prompt %}(assistant){% endif %}";
    project.write("plain/chat_template.jinja", template);
    let written = "(user) river(assistant)";
    let (chat, text) = (["--chat", "--prompt", "river"], ["--prompt", written]);
    let answer = answered(&chat).expect_success().stdout.clone();
    let continued = answered(&text).expect_success().stdout.clone();
    // The question is not repeated.
    assert_eq!(format!("{written}{answer}"), continued);
}
