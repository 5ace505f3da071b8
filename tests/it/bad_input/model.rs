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
    fs::rename(project.path("runs/first/checkpoints/step-000001"), project.path("pretrained")).unwrap();
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
    check(&whole, |project| damage(project, |bytes| bytes[8] = b'x'), expect![""]);
    check(&whole, |project| damage(project, |bytes| bytes[..8].fill(0xff)), expect![""]);
    check(&whole, |project| damage(project, |bytes| bytes.truncate(5)), expect![""]);
    check(&whole, |project| damage(project, |bytes| bytes.truncate(bytes.len() - 1)), expect![""]);
    check(&whole, |project| fs::remove_file(project.path(WEIGHTS)).unwrap(), expect![""]);
}

#[test]
fn weights_of_another_shape_are_refused() {
    let whole = pretrained();
    let config = "pretrained/config.json";
    let wider = ("\"intermediate_size\": 64", "\"intermediate_size\": 96");
    check(&whole, |project| project.edit(config, wider.0, wider.1), expect![""]);
    let deeper = ("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3");
    check(&whole, |project| project.edit(config, deeper.0, deeper.1), expect![""]);
    let shallower = ("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1");
    check(&whole, |project| project.edit(config, shallower.0, shallower.1), expect![""]);
}

#[test]
fn a_tokenizer_that_does_not_fit_the_model_is_refused() {
    let whole = Project::new();
    let config = "model/config.json";
    let smaller = ("\"vocab_size\": 320", "\"vocab_size\": 300");
    check(&whole, |project| project.edit(config, smaller.0, smaller.1), expect![""]);
    check(&whole, |project| fs::remove_file(project.path("model/tokenizer.json")).unwrap(), expect![""]);
    check(&whole, |project| project.write("model/tokenizer.json", "{}"), expect![""]);
}

#[test]
fn a_config_that_no_decoder_has_is_refused() {
    let whole = Project::new();
    let config = "model/config.json";
    check(&whole, |project| fs::remove_file(project.path(config)).unwrap(), expect![""]);
    check(&whole, |project| project.write(config, "{"), expect![""]);
    let other = ("\"model_type\": \"llama\"", "\"model_type\": \"mamba\"");
    check(&whole, |project| project.edit(config, other.0, other.1), expect![""]);
    let long = ("sequence_length = 64", "sequence_length = 256");
    check(&whole, |project| project.edit("recipe.toml", long.0, long.1), expect![""]);
}
