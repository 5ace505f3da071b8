//! LoRA in several stages: what is trained, what is written, and that it resumes.

use crate::killed::killed_after_a_checkpoint;
use crate::project::Project;

/// A project with a checkpoint and a recipe `lora.toml` that adapts it.
pub(crate) fn project() -> Project {
    let project = Project::new();
    project.edit("recipe.toml", "max_steps = 24", "max_steps = 4");
    project.temper(&["run", "recipe.toml"]).expect_success();
    let recipe = std::fs::read_to_string(project.path("recipe.toml")).unwrap();
    let recipe = recipe
        .replace("name = \"small\"", "name = \"lora\"")
        .replace("stage = \"pretrain\"", "stage = \"mid-train\"")
        .replace("init = \"model\"", "from = \"runs/small\"")
        .replace("max_steps = 4", "max_steps = 12");
    project.write("lora.toml", &format!("{recipe}\n[lora]\nrank = 4\nplus_ratio = 4.0\n"));
    project
}

#[test]
fn a_run_learns_factors_and_writes_what_peft_and_transformers_load() {
    let project = project();
    project
        .temper(&["run", "lora.toml", "--set", "optimizer.lr=1e-2", "--set", "lora.dropout=0.1"])
        .expect_success();
    project.temper(&["audit", "runs/lora"]).expect_success();
    let folder = "runs/lora/checkpoints/step-000012";
    let config =
        std::fs::read_to_string(project.path(&format!("{folder}/adapter/adapter_config.json")));
    let config: serde_json::Value = serde_json::from_str(&config.unwrap()).unwrap();
    assert_eq!((&config["r"], &config["peft_type"]), (&4.into(), &"LORA".into()));
    assert_eq!(config["lora_dropout"], 0.1);
    assert_eq!(config["target_modules"].as_array().unwrap().len(), 7);
    // The checkpoint is the merged model, and the adapter on its base is the same one.
    let merged =
        ["checkpoint", "convert", &format!("{folder}/adapter"), "merged", "--dtype", "f32"];
    project.temper(&merged).expect_success();
    let apart = project.temper(&["checkpoint", "diff", "merged", folder, "--json"]).json();
    let tensors = apart["tensors"].as_array().unwrap();
    assert!(tensors.iter().all(|tensor| tensor["max_abs"].as_f64().unwrap() < 1e-6), "{apart}");
    // Embedding and norms are those of the start.
    let apart = project.temper(&["checkpoint", "diff", "runs/small", folder, "--json"]).json();
    for tensor in apart["tensors"].as_array().unwrap() {
        let name = tensor["name"].as_str().unwrap();
        let is_moved = tensor["max_abs"].as_f64().unwrap() > 0.0;
        assert_eq!(is_moved, name.contains("proj"), "{name}");
    }
}

#[test]
fn what_lies_in_a_checkpoint_is_shown_with_the_tokens_of_its_run() {
    let project = project();
    project.temper(&["run", "lora.toml", "--set", "ema.decay=0.9"]).expect_success();
    let folder = "runs/lora/checkpoints/step-000012";
    let origin = |checkpoint: &str| {
        let shown = project.temper(&["checkpoint", "show", checkpoint, "--json"]).expect_success();
        shown.json()["lineage"][0].as_str().unwrap().to_owned()
    };
    let expected = origin("runs/lora");
    assert!(expected.starts_with("run lora after 12 steps and "), "{expected}");
    assert!(!expected.contains(" and 0 tokens"), "{expected}");
    for part in ["", "/adapter", "/ema", "/ema/adapter"] {
        assert_eq!(origin(&format!("{folder}{part}")), expected, "{part}");
    }
}

/// What is done with an adapter is done on the base it was trained on, or not at all.
#[test]
fn an_adapter_on_another_base_is_refused() {
    let project = project();
    project.temper(&["run", "lora.toml"]).expect_success();
    let (adapter, base) =
        ("runs/lora/checkpoints/step-000012/adapter", "runs/small/checkpoints/step-000004");
    let named = std::fs::read_to_string(project.path(&format!("{adapter}/adapter_config.json")));
    assert!(named.unwrap().contains(&format!("\"base_model_name_or_path\": \"{base}\"")));
    // Another model of the same shape comes to lie in its place.
    let another = ["run", "recipe.toml", "--set", "seed=8", "--set", "name=another"];
    project.temper(&another).expect_success();
    let weights = "model.safetensors";
    let from = project.path("runs/another/checkpoints/step-000004").join(weights);
    std::fs::copy(from, project.path(base).join(weights)).unwrap();
    let generate = ["generate", adapter, "--prompt", "river", "--max-tokens", "2"];
    let convert = ["checkpoint", "convert", adapter, "out"];
    let merge =
        ["checkpoint", "merge", adapter, "runs/another", "--method", "linear", "--out", "out"];
    let eval = ["eval", adapter, "--suite", "small"];
    let from = format!("model.from={adapter}");
    let train = ["run", "lora.toml", "--set", "name=next", "--set", &from];
    for arguments in [&generate[..], &convert, &merge, &eval, &train] {
        let refused = project.temper(arguments).expect_code(2).stderr;
        for part in
            ["adapter `", base, "found weights with digest", "on which it was trained", "hint:"]
        {
            assert!(refused.contains(part), "{arguments:?}: no {part:?} in {refused}");
        }
    }
    assert!(!project.path("out").exists() && !project.path("runs/next").exists());
}

#[test]
fn killed_and_resumed_it_ends_with_the_same_bytes() {
    let project = project();
    let again = project.copy();
    project.temper(&["run", "lora.toml"]).expect_success();
    let again = killed_after_a_checkpoint(&again, &["run", "lora.toml"], "runs/lora");
    again.temper(&["resume", "runs/lora"]).expect_success();
    assert!(again.results("runs/lora") == project.results("runs/lora"));
}

#[test]
fn what_cannot_be_adapted_is_refused() {
    let project = project();
    let refused = |set: &str, expected: &str| {
        let found = project.temper(&["plan", "lora.toml", "--set", set]).expect_code(2).stderr;
        assert!(found.contains(expected), "{found}");
    };
    refused("lora.rank=0", "lora.rank: found `0`");
    refused("lora.alpha=0", "lora.alpha: found `0`, expected more than 0");
    refused("optimizer.state=keep", "whose factors are new");
    refused("model.init=model", "expected a checkpoint to adapt");
    let found = project.temper(&["run", "lora.toml", "--set", "lora.targets=[\"wq\"]"]);
    // Before there is a run.
    let found = found.expect_code(2).stderr;
    assert!(!project.path("runs/lora").exists());
    assert!(found.contains("found the target `wq`"), "{found}");
}
