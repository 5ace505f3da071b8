//! Checkpoints that cannot be what they say.

use std::fs;

use expect_test::expect;

use super::check;
use crate::project::Project;

const WEIGHTS: &str = "pretrained/model.safetensors";

/// A project whose recipe starts from a checkpoint, `pretrained`.
fn pretrained() -> Project {
    let project = Project::new();
    let one_step = ["run", "recipe.toml", "--set", "training.max_steps=1", "--set", "name=first"];
    project.temper(&one_step).expect_success();
    fs::rename(project.path("runs/first/checkpoints/step-000001"), project.path("pretrained"))
        .unwrap();
    fs::remove_dir_all(project.path("runs")).unwrap();
    project.edit("recipe.toml", "init = \"model\"", "from = \"pretrained\"");
    project
}

/// Lets `change` loose on the bytes of the weights.
fn damage(project: &Project, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(project.path(WEIGHTS)).unwrap();
    change(&mut bytes);
    fs::write(project.path(WEIGHTS), bytes).unwrap();
}

#[test]
fn weights_with_a_damaged_header_are_refused() {
    let whole = pretrained();
    check(
        &whole,
        |project| damage(project, |bytes| bytes[8] = b'x'),
        expect![[r#"
        error: `pretrained/model.safetensors`: corrupt safetensors header: expected value at line 1 column 1, expected names with type, shape and offsets

        hint: download or write the file again"#]],
    );
    check(
        &whole,
        |project| damage(project, |bytes| bytes[..8].fill(0xff)),
        expect![[r#"
            error: `pretrained/model.safetensors`: corrupt safetensors header: a length of 18446744073709551615 bytes, expected at most 100 MB

            hint: download or write the file again"#]],
    );
    check(
        &whole,
        |project| damage(project, |bytes| bytes.truncate(5)),
        expect![[r#"
        error: `pretrained/model.safetensors`: corrupt safetensors header: a file of 5 bytes, expected at least 8

        hint: download or write the file again"#]],
    );
    check(
        &whole,
        |project| damage(project, |bytes| bytes.truncate(bytes.len() - 1)),
        expect![[r#"
        error: `pretrained/model.safetensors` has 117359 bytes, its header announces 117360; tensor `model.norm.weight` is the last one in it

        hint: the file is truncated or not the one that was written; download or write it again"#]],
    );
    check(
        &whole,
        |project| fs::remove_file(project.path(WEIGHTS)).unwrap(),
        expect![[r#"
            error: checkpoint `pretrained` has no `model.safetensors` and no `model.safetensors.index.json`

            hint: name the folder of a Hugging Face checkpoint with its weights"#]],
    );
}

#[test]
fn weights_of_another_shape_are_refused() {
    let whole = pretrained();
    let config = "pretrained/config.json";
    let wider = ("\"intermediate_size\": 64", "\"intermediate_size\": 96");
    check(
        &whole,
        |project| project.edit(config, wider.0, wider.1),
        expect![[r#"
            error: the weights do not fit their config.json

            `pretrained`: 14 tensors loaded, 6 of another shape
              `model.layers.0.mlp.gate_proj.weight` has shape [64, 32], config.json implies [96, 32]
              `model.layers.0.mlp.up_proj.weight` has shape [64, 32], config.json implies [96, 32]
              `model.layers.0.mlp.down_proj.weight` has shape [32, 64], config.json implies [32, 96]
              `model.layers.1.mlp.gate_proj.weight` has shape [64, 32], config.json implies [96, 32]
              `model.layers.1.mlp.up_proj.weight` has shape [64, 32], config.json implies [96, 32]
              `model.layers.1.mlp.down_proj.weight` has shape [32, 64], config.json implies [32, 96]

            hint: download the checkpoint again, all of it, with the config.json it was saved with"#]],
    );
    let deeper = ("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3");
    check(
        &whole,
        |project| project.edit(config, deeper.0, deeper.1),
        expect![[r#"
            error: the weights do not fit their config.json

            `pretrained`: 20 tensors loaded, 9 missing
              missing: `model.layers.2.input_layernorm.weight`
              missing: `model.layers.2.self_attn.q_proj.weight`
              missing: `model.layers.2.self_attn.k_proj.weight`
              missing: `model.layers.2.self_attn.v_proj.weight`
              missing: `model.layers.2.self_attn.o_proj.weight`
              missing: `model.layers.2.post_attention_layernorm.weight`
              missing: `model.layers.2.mlp.gate_proj.weight`
              missing: `model.layers.2.mlp.up_proj.weight`
              … and 1 more

            hint: download the checkpoint again, all of it, with the config.json it was saved with"#]],
    );
    let shallower = ("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1");
    check(
        &whole,
        |project| project.edit(config, shallower.0, shallower.1),
        expect![[r#"
            error: the weights do not fit their config.json

            `pretrained`: 11 tensors loaded, 9 unused
              unused: `model.layers.1.input_layernorm.weight`
              unused: `model.layers.1.mlp.down_proj.weight`
              unused: `model.layers.1.mlp.gate_proj.weight`
              unused: `model.layers.1.mlp.up_proj.weight`
              unused: `model.layers.1.post_attention_layernorm.weight`
              unused: `model.layers.1.self_attn.k_proj.weight`
              unused: `model.layers.1.self_attn.o_proj.weight`
              unused: `model.layers.1.self_attn.q_proj.weight`
              … and 1 more

            hint: download the checkpoint again, all of it, with the config.json it was saved with"#]],
    );
}

#[test]
fn a_tokenizer_that_does_not_fit_the_model_is_refused() {
    let whole = Project::new();
    let config = "model/config.json";
    let smaller = ("\"vocab_size\": 320", "\"vocab_size\": 300");
    check(
        &whole,
        |project| project.edit(config, smaller.0, smaller.1),
        expect![[r#"
            error: model `model`: its tokenizer has 320 tokens besides added ones, config.json a vocab_size of 300; expected at least as many

            hint: use the tokenizer that the model was trained with"#]],
    );
    check(
        &whole,
        |project| fs::remove_file(project.path("model/tokenizer.json")).unwrap(),
        expect![[r#"
        error: no tokenizer at `model/tokenizer.json`: expected a file `tokenizer.json` or a folder with one

        hint: slow tokenizers (`tokenizer.model`, `vocab.json`) are converted by `AutoTokenizer.from_pretrained(…).save_pretrained(…)`"#]],
    );
    check(
        &whole,
        |project| project.write("model/tokenizer.json", "{}"),
        expect![[r#"
        error: tokenizer `model/tokenizer.json`: Model missing. at line 1 column 2

        hint: save it again with `AutoTokenizer.from_pretrained(…).save_pretrained(…)`, or make one with `temper tokenizer train`"#]],
    );
}

#[test]
fn a_config_that_no_decoder_has_is_refused() {
    let whole = Project::new();
    let config = "model/config.json";
    check(
        &whole,
        |project| fs::remove_file(project.path(config)).unwrap(),
        expect![[r#"
        error: cannot read `model/config.json`: No such file or directory (os error 2)

        hint: name the folder of a Hugging Face checkpoint, with files that can be read"#]],
    );
    check(
        &whole,
        |project| project.write(config, "{"),
        expect![[r#"
        error: `model/config.json` is not a Hugging Face config.json: EOF while parsing an object at line 1 column 1

        hint: download or write the file again"#]],
    );
    let other = ("\"model_type\": \"llama\"", "\"model_type\": \"mamba\"");
    check(
        &whole,
        |project| project.edit(config, other.0, other.1),
        expect![[r#"
            error: `model/config.json`: `model_type` is "mamba", expected one of llama, mistral, qwen2, qwen3, olmo2, gemma2, gemma3_text, phi3, smollm3

            hint: take the config.json that came with the weights; a model that needs this value is not supported"#]],
    );
    let long = ("sequence_length = 64", "sequence_length = 256");
    check(
        &whole,
        |project| project.edit("recipe.toml", long.0, long.1),
        expect![[r#"
        error: training.sequence_length: found 256, the model reads 128 positions at most

        hint: lower `training.sequence_length`"#]],
    );
}
