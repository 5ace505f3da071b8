use std::path::Path;

use super::*;
use serde_json::json;
use temper_recipe::{Anchor, Bytes};

/// The nano model, with a batch and a ceiling of its own.
fn fitted(memory: Option<u64>, global_batch_size: usize) -> Result<Training> {
    let root = Path::new("../..");
    let loaded = temper_recipe::load(&root.join("recipes/quickstart.toml"), &[]).unwrap();
    let config = Config::load(&root.join("checkpoints/nano/pretrained")).unwrap();
    let training =
        Training { memory: memory.map(Bytes), global_batch_size, ..loaded.recipe.training.clone() };
    let recipe = Recipe { training, ..loaded.recipe };
    Ok(fit(recipe, &config, "cpu")?.training)
}

#[test]
fn a_ceiling_picks_as_much_as_fits() {
    let root = Path::new("../..");
    let config = Config::load(&root.join("checkpoints/nano/pretrained")).unwrap();
    let size = |training: &Training| {
        footprint(training, training.global_batch_size, &config, "cpu").bytes()
    };
    for (megabytes, checkpointing) in [(24_000, false), (600, false), (300, false)] {
        let training = fitted(Some(megabytes * 1_000_000), 16).unwrap();
        assert!(size(&training) <= megabytes * 1_000_000);
        assert_eq!(training.activation_checkpointing, checkpointing, "{megabytes} MB");
        let rows = training.micro_batch_size;
        let more = Training { micro_batch_size: 2 * rows, ..training };
        assert!(rows == 16 || size(&more) > megabytes * 1_000_000, "{rows} at {megabytes} MB");
    }
}

/// Rows a lane, activation checkpointing and the logarithm of logits to the base 2, for a llama of 1.2B with 4 rows of
/// 2,048 positions a step.
#[test]
fn a_ceiling_picks_as_many_logits_as_the_device_gains_from() {
    #[track_caller]
    fn check(devices: &str, gigabytes: u64, kl: f64, expected: (usize, bool, u32)) {
        let file = json!({
            "model_type": "llama", "vocab_size": 128_256, "hidden_size": 2048, "intermediate_size": 8192,
            "num_hidden_layers": 16, "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 64,
            "tie_word_embeddings": true, "max_position_embeddings": 1 << 20,
        });
        let config = Config::from_json(&file.to_string(), Path::new("config.json")).unwrap();
        let quickstart = Path::new("../../recipes/quickstart.toml");
        let recipe = temper_recipe::load(quickstart, &[]).unwrap().recipe;
        let anchor =
            Anchor { l2: 0.0, ewc: 0.0, kl, fisher_rows: 0, sources: Vec::new(), fisher: None };
        let training = Training {
            sequence_length: 2048,
            global_batch_size: 4,
            precision: RecipePrecision::Bf16,
            memory: Some(Bytes(gigabytes * 1_000_000_000)),
            ..recipe.training.clone()
        };
        let recipe = Recipe { training, anchor: Some(anchor), ..recipe };
        let found = fit(recipe, &config, devices).unwrap().training;
        let logits = found.most_logits.ilog2();
        assert_eq!((found.micro_batch_size, found.activation_checkpointing, logits), expected);
    }
    check("cuda:0", 80, 0.0, (4, false, 28));
    check("cuda:0", 44, 0.0, (4, false, 28));
    // More rows a lane come before more logits.
    check("cuda:0", 34, 0.0, (4, false, 25));
    check("cuda:0", 29, 0.0, (4, true, 28));
    check("cuda:0", 26, 0.0, (4, true, 25));
    // Beside the starting model its logits need room as well.
    check("cuda:0", 80, 0.1, (4, false, 28));
    check("cuda:0", 44, 0.1, (4, false, 25));
    check("cpu", 80, 0.0, (4, false, 25));
    check("cpu,cpu", 200, 0.0, (4, false, 25));
}

#[test]
fn without_a_ceiling_nothing_changes() {
    let training = fitted(None, 16).unwrap();
    assert_eq!((training.micro_batch_size, training.activation_checkpointing), (8, false));
}

#[test]
fn a_ceiling_below_one_row_is_refused_with_what_it_takes() {
    let error = fitted(Some(1_000_000), 16).unwrap_err().to_string();
    assert!(error.starts_with("training.memory: found 1000 kB, expected at least "), "{error}");
    assert!(error.contains("hint: lower `training.sequence_length`"), "{error}");
}

#[test]
fn completions_that_are_sampled_together_count() {
    let root = Path::new("../..");
    let chain = temper_recipe::load_chain(&root.join("recipes/nano/chain.toml"), &[]).unwrap();
    let recipe = chain.into_iter().map(|loaded| loaded.recipe).find(|recipe| recipe.rl.is_some());
    let recipe = recipe.unwrap();
    let config = Config::load(&root.join("checkpoints/nano/pretrained")).unwrap();
    let of = |global_batch_size, memory: Option<u64>| {
        let training = recipe.training.clone();
        let memory = memory.map(Bytes);
        let training = Training {
            global_batch_size,
            micro_batch_size: 8,
            sequence_length: 1024,
            memory,
            ..training
        };
        Recipe { training, ..recipe.clone() }
    };
    // 4 layers with 2 heads of 64 keys and as many values, 4 bytes each, of 8 completions a prompt, and a quarter.
    let bytes = |n: u64| n * 8 * 1024 * (4 * 2 * 2 * 64 * 4) * 5 / 4;
    let activations = |n| Passes::of(&of(n, None), &config, "cpu").unwrap().activation_bytes;
    assert_eq!(activations(512) - activations(256), bytes(256));
    let refused = fit(of(512, Some(1_000_000_000)), &config, "cpu").unwrap_err().to_string();
    assert!(refused.contains("`training.global_batch_size` or `rl.group_size`"), "{refused}");
}
