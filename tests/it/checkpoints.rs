//! Checkpoints from elsewhere: found, shown, converted, compared, grown and trained on.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::project::{Call, Project};

/// A project with a plain checkpoint in `pretrained`, without what temper keeps beside it.
fn project() -> Project {
    let project = Project::new();
    let one_step = ["run", "recipe.toml", "--set", "training.max_steps=1", "--set", "name=first"];
    project.temper(&one_step).expect_success();
    fs::rename(project.path("runs/first/checkpoints/step-000001"), project.path("pretrained"))
        .unwrap();
    fs::remove_dir_all(project.path("pretrained/temper")).unwrap();
    fs::remove_dir_all(project.path("runs")).unwrap();
    project.edit("recipe.toml", "init = \"model\"", "from = \"pretrained\"");
    project
}

fn run_json(project: &Project, run: &str) -> Value {
    serde_json::from_slice(&fs::read(project.path(&format!("{run}/run.json"))).unwrap()).unwrap()
}

#[test]
fn a_checkpoint_is_shown_without_its_weights_being_read() {
    let project = project();
    let shown = project.temper(&["checkpoint", "show", "pretrained"]).expect_success().stdout;
    for expected in ["llama", "2 blocks of width 32", "320, tokenizer of 320", "float32"] {
        assert!(shown.contains(expected), "no {expected:?} in\n{shown}");
    }
    let json = project.temper(&["checkpoint", "show", "pretrained", "--json"]).expect_success();
    let json = json.json();
    assert_eq!((&json["complete"], &json["tied"]), (&true.into(), &true.into()));
    assert_eq!(json["tensors"].as_array().unwrap().len(), 2 * 9 + 2);

    project.edit("pretrained/config.json", "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3");
    let shown = project.temper(&["checkpoint", "show", "pretrained"]).expect_code(1).stdout;
    assert!(shown.contains("missing: `model.layers.2.input_layernorm.weight`"), "{shown}");
}

#[test]
fn a_conversion_there_and_back_loses_what_the_type_loses() {
    let project = project();
    let convert = |from: &str, out: &str, dtype: &str| {
        project.temper(&["checkpoint", "convert", from, out, "--dtype", dtype]).expect_success()
    };
    convert("pretrained", "half", "bf16");
    convert("half", "whole", "f32");
    convert("whole", "again", "bf16");
    let bytes = |folder: &str, file: &str| fs::read(project.path(folder).join(file)).unwrap();
    assert_eq!(bytes("half", "model.safetensors"), bytes("again", "model.safetensors"));
    for file in ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"] {
        assert_eq!(bytes("half", file), bytes("pretrained", file), "{file}");
    }

    let equal = project.temper(&["checkpoint", "diff", "half", "whole"]).expect_success().stdout;
    assert!(equal.contains("all 20 tensors are equal"), "{equal}");
    let apart = ["checkpoint", "diff", "pretrained", "half", "--json"];
    let apart = project.temper(&apart).expect_code(1).json();
    let tensors = apart["tensors"].as_array().unwrap();
    // Eight bits of precision: half a unit in the last place is a 512th.
    assert!(tensors.iter().all(|tensor| tensor["relative_norm"].as_f64().unwrap() < 1.0 / 512.0));

    let small = ["checkpoint", "convert", "pretrained", "shards", "--max-shard-size", "20KB"];
    project.temper(&small).expect_success();
    assert!(project.path("shards/model.safetensors.index.json").is_file());
    project.temper(&["checkpoint", "diff", "half", "shards"]).expect_success();
    let there = project.temper(&small).expect_code(2).stderr;
    assert!(there.contains("`shards` is there and not empty"), "{there}");
}

#[test]
fn logits_are_printed_for_programs() {
    let project = project();
    let logits = |last: &[&str]| -> Vec<Vec<f64>> {
        let call = ["checkpoint", "logits", "pretrained", "--ids", "5,6,7", "--json"];
        let call = project.temper(&[&call, last].concat()).expect_success();
        serde_json::from_str(&call.stdout).unwrap()
    };
    let all = logits(&[]);
    assert_eq!((all.len(), all[0].len()), (3, 320));
    assert_eq!(logits(&["--last", "1"]), all[2..]);
    // Without a tokenizer there are ids all the same.
    fs::remove_file(project.path("pretrained/tokenizer.json")).unwrap();
    assert_eq!(logits(&[]), all);

    let outside = ["checkpoint", "logits", "pretrained", "--ids", "320"];
    let refused = project.temper(&outside).expect_code(2).stderr;
    assert!(refused.contains("token id 320 lies outside"), "{refused}");
}

/// Puts a folder into the Hub's cache as `org/name` at `main`.
fn cache(project: &Project, folder: &str) {
    let repository = project.path("hub/models--org--name");
    fs::create_dir_all(repository.join("refs")).unwrap();
    fs::create_dir_all(repository.join("snapshots")).unwrap();
    fs::write(repository.join("refs/main"), "0123abc").unwrap();
    fs::rename(project.path(folder), repository.join("snapshots/0123abc")).unwrap();
}

fn temper_with_hub(project: &Project, arguments: &[&str]) -> Call {
    let mut command = project.command(arguments);
    Call::of(command.env("HF_HUB_CACHE", project.path("hub")).output().unwrap())
}

#[test]
fn a_model_of_the_hub_is_taken_from_the_local_cache() {
    let project = project();
    cache(&project, "pretrained");
    project.edit("recipe.toml", "from = \"pretrained\"", "from = \"org/name\"");
    temper_with_hub(&project, &["run", "recipe.toml"]).expect_success();
    let import = &run_json(&project, "runs/small")["info"]["started_from"]["checkpoint"]["import"];
    assert_eq!(
        (&import["kind"], &import["hub"]),
        (&"hub-snapshot".into(), &"org/name@0123abc".into())
    );

    let elsewhere = ["run", "recipe.toml", "--set", "model.from=org/other", "--set", "name=other"];
    let refused = temper_with_hub(&project, &elsewhere).expect_code(2).stderr;
    assert!(refused.contains("`hf download org/other`"), "{refused}");
    let misspelled = ["run", "recipe.toml", "--set", "model.from=runs/smal", "--set", "name=other"];
    let refused = temper_with_hub(&project, &misspelled).expect_code(2).stderr;
    assert!(refused.contains("hint: in that folder: small"), "{refused}");
}

#[test]
fn a_recipe_adds_tokens_and_a_chat_template() {
    let project = project();
    let template = "{% for message in messages %}<|im_start|>{{ message.role }}\n\
                    {{ message.content }}<|im_end|>\n{% endfor %}";
    project.write("chatml.jinja", template);
    project.edit(
        "recipe.toml",
        "from = \"pretrained\"",
        "from = \"pretrained\"\nadded_tokens = [\"<|extra|>\"]\nchat_template = \"chatml.jinja\"",
    );
    let run = project.temper(&["run", "recipe.toml"]).expect_success();
    assert!(run.stderr.contains("vocabulary 320 → 323"), "{}", run.stderr);
    let growth = &run_json(&project, "runs/small")["info"]["growth"];
    assert_eq!((&growth["from"], &growth["to"]), (&320.into(), &323.into()));
    let checkpoint = project.path("runs/small/checkpoints/step-000024");
    assert_eq!(fs::read_to_string(checkpoint.join("chat_template.jinja")).unwrap(), template);
    let shown = project.temper(&["checkpoint", "show", "runs/small"]).expect_success().stdout;
    assert!(shown.contains("323, tokenizer of 323"), "{shown}");
    project.temper(&["audit", "runs/small"]).expect_success();

    project.write(
        "chat.json",
        r#"[{"role": "user", "content": "river"}, {"role": "assistant", "content": "stone"}]"#,
    );
    let render = ["tokenizer", "render", "runs/small", "chat.json"];
    let text = project.temper(&render).expect_success().stdout;
    assert_eq!(text, "<|im_start|>user\nriver<|im_end|>\n<|im_start|>assistant\nstone<|im_end|>\n");
    let chat = project.temper(&[&render[..], &["--json"]].concat()).expect_success().json();
    // The markers are tokens of their own.
    assert_eq!(chat["ids"][0], 321);
    let mask = chat["assistant_mask"].as_array().unwrap();
    assert!(mask.iter().any(|written| *written == true) && mask[0] == false, "{chat}");
    let none = ["tokenizer", "render", "pretrained", "chat.json"];
    let refused = project.temper(&none).expect_code(2).stderr;
    assert!(refused.contains("no chat template in `pretrained`"), "{refused}");

    project.edit("chatml.jinja", "role", "name");
    let refused = project.temper(&["run", "recipe.toml", "--set", "optimizer.state=keep"]);
    assert!(refused.expect_code(2).stderr.contains("no training state"));
}

#[test]
fn a_call_is_rendered_as_it_is_trained_on() {
    let project = project();
    let template = "{% for message in messages %}{{ message.role }}: \
                    {% if message.content %}{{ message.content }}{% endif %}\
                    {% if message.tool_calls %}{% for call in message.tool_calls %}\
                    {{ call.function.arguments | tojson }}{% endfor %}{% endif %};{% endfor %}";
    project.write("pretrained/chat_template.jinja", template);
    let said = |arguments: Value| {
        json!([
            { "role": "user", "content": "river" },
            { "role": "assistant", "content": null, "tool_calls": [
                { "id": "a", "type": "function", "function": { "name": "f", "arguments": arguments } },
            ] },
            { "role": "tool", "tool_call_id": "a", "content": "stone" },
            { "role": "assistant", "content": "moss" },
        ])
    };
    let object = json!({ "x": 1 });
    // As OpenAI writes them.
    let text = said(object.to_string().into());
    project.write("object.json", &said(object).to_string());
    project.write("text.json", &text.to_string());
    project.write("whole.json", &json!({ "messages": text }).to_string());
    let render = |file: &str| {
        let render = ["tokenizer", "render", "pretrained", file, "--json"];
        project.temper(&render).expect_success().json()
    };
    let expected = render("object.json");
    let shown = expected["text"].as_str().unwrap();
    assert!(shown.contains("assistant: {\"x\": 1};"), "{shown}");
    assert_eq!(render("text.json"), expected);
    assert_eq!(render("whole.json"), expected);

    project.write("text.json", &said("x = 1".into()).to_string());
    let render = ["tokenizer", "render", "pretrained", "text.json"];
    let refused = project.temper(&render).expect_code(2).stderr;
    let expected = "`text.json`: message 1: `tool_calls`, call 0: `arguments` is no JSON object";
    assert!(refused.contains(expected), "{refused}");
}

#[test]
fn a_weight_that_is_missing_is_drawn_when_asked_for() {
    let project = project();
    let config = "pretrained/config.json";
    project.edit(config, "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3");
    let refused = project.temper(&["run", "recipe.toml"]).expect_code(2).stderr;
    assert!(refused.contains("9 missing"), "{refused}");
    let partial = ["run", "recipe.toml", "--set", "model.partial=true"];
    let run = project.temper(&partial).expect_success();
    assert!(run.stderr.contains("9 drawn afresh"), "{}", run.stderr);
    assert!(Path::new(&project.path("runs/small/outcome.json")).exists());
}

#[test]
fn what_was_merged_is_known_to_whoever_goes_on_from_it() {
    let project = project();
    for name in ["one", "two"] {
        let seed = format!("seed={}", name.len() + name.as_bytes()[0] as usize);
        let name = format!("name={name}");
        let run =
            ["run", "recipe.toml", "--set", "training.max_steps=2", "--set", &name, "--set", &seed];
        project.temper(&run).expect_success();
    }
    let merge = |method: &str, out: &str, rest: &[&str]| {
        let common =
            ["checkpoint", "merge", "runs/one", "runs/two", "--method", method, "--out", out];
        project.temper(&[&common[..], rest].concat())
    };
    merge("linear", "soup", &["--weights", "3,1", "--dtype", "f32"]).expect_success();
    for (method, out) in [("task-arithmetic", "a"), ("ties", "b"), ("dare", "c")] {
        merge(method, out, &["--base", "pretrained"]).expect_success();
    }
    merge("slerp", "d", &["--t", "0.3"]).expect_success();
    // Weight 1 on one model is that model.
    merge("linear", "first", &["--weights", "1,0", "--dtype", "f32"]).expect_success();
    project.temper(&["checkpoint", "diff", "first", "runs/one"]).expect_success();

    let shown = project.temper(&["checkpoint", "show", "soup"]).expect_success().stdout;
    let expected = "merged (linear, weights 3, 1) of run one after 2 steps, run two after 2 steps";
    assert!(shown.contains(expected), "{shown}");
    project.edit("recipe.toml", "from = \"pretrained\"", "from = \"soup\"");
    let on = ["run", "recipe.toml", "--set", "training.max_steps=1", "--set", "name=on"];
    project.temper(&on).expect_success();
    let shown = project.temper(&["checkpoint", "show", "runs/on"]).expect_success().stdout;
    assert!(shown.contains(expected), "{shown}");
    let started = &run_json(&project, "runs/on")["info"]["started_from"]["checkpoint"]["import"];
    assert_eq!(started["merge"]["models"][0]["parent"]["run"], "one", "{started}");

    let refused = merge("ties", "e", &[]).expect_code(2).stderr;
    assert!(refused.contains("ties: the base: found none, expected one"), "{refused}");
    let refused = merge("linear", "soup", &[]).expect_code(2).stderr;
    assert!(refused.contains("is there and not empty"), "{refused}");
    let refused = merge("linear", "f", &["--weights", "1"]).expect_code(2).stderr;
    assert!(refused.contains("weights: found 1, expected 2"), "{refused}");
    assert!(!project.path("e").exists() && !project.path("f").exists());
}
