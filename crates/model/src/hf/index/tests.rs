use std::fs;

use burn::tensor::Device;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::INDEX;
use crate::{
    hf::{Dtype, SaveOptions, load, save_with, testing::*},
    testing::FIXTURES,
};

/// A checkpoint in several shards.
fn sharded() -> TempDir {
    let whole = copy(FIXTURES[1]);
    let decoder = loaded(whole.path());
    let dir = TempDir::new().unwrap();
    let options = SaveOptions { max_shard_bytes: 20_000, ..SaveOptions::new(Dtype::F32) };
    save_with(&decoder, dir.path(), &options).unwrap();
    assert!(listing(dir.path()).len() > 5);
    dir
}

#[track_caller]
fn check(change: impl FnOnce(&mut serde_json::Map<String, Value>), expected: &[&str]) {
    let dir = sharded();
    edit_json(&dir.path().join(INDEX), |index| {
        change(index["weight_map"].as_object_mut().unwrap());
    });
    check_refused(dir.path(), expected);
}

#[test]
fn shards_hold_what_one_file_holds() {
    let (whole, shards) = (copy(FIXTURES[1]), sharded());
    assert_eq!(loaded(whole.path()).values(), loaded(shards.path()).values());
}

#[test]
fn an_index_that_is_not_true_is_refused() {
    let norm = "model.norm.weight";
    check(
        |map| {
            map[norm] = json!("model-00001-of-00009.safetensors");
        },
        &["shard `model-00001-of-00009.safetensors`, which is not there"],
    );
    check(
        |map| {
            map.insert("model.extra".into(), map[norm].clone());
        },
        &["tensor `model.extra`", "a shard that holds it; none does"],
    );
    check(
        |map| {
            let first = map["model.embed_tokens.weight"].clone();
            map[norm] = first;
        },
        &["tensor `model.norm.weight`", "where it lies"],
    );
    check(
        |map| {
            map[norm] = json!("../model.safetensors");
        },
        &["the name of a .safetensors file in its folder"],
    );
    check(serde_json::Map::clear, &["no tensor in `weight_map`"]);
}

#[test]
fn an_index_that_is_no_index_is_refused() {
    let dir = sharded();
    for text in ["", "{", "[]", "{\"weight_map\": 3}"] {
        fs::write(dir.path().join(INDEX), text).unwrap();
        check_refused(dir.path(), &[INDEX, "an index of shards with a `weight_map`"]);
    }
    let twice = "{\"weight_map\": {\"a\": \"x.safetensors\", \"a\": \"y.safetensors\"}}";
    fs::write(dir.path().join(INDEX), twice).unwrap();
    check_refused(dir.path(), &["tensor `a` twice"]);
}

#[test]
fn a_tensor_in_two_shards_is_refused() {
    let dir = sharded();
    let shards: Vec<String> =
        listing(dir.path()).into_iter().filter(|name| name.starts_with("model-")).collect();
    let (header, data) = parts(&dir.path().join(&shards[0]));
    // The first shard again under the name of the second, with an index that says so.
    write_parts(&dir.path().join(&shards[1]), &header, &data);
    check_refused(dir.path(), &["lies in", &shards[0], &shards[1], "shards of two checkpoints"]);
}

#[test]
fn a_shard_that_is_not_there_is_named() {
    let dir = sharded();
    let shard = listing(dir.path()).into_iter().find(|name| name.starts_with("model-")).unwrap();
    fs::remove_file(dir.path().join(&shard)).unwrap();
    check_refused(dir.path(), &[&shard, "hint: "]);
}

#[test]
fn one_file_counts_before_an_index() {
    let dir = sharded();
    let whole = copy(FIXTURES[1]);
    fs::copy(whole.path().join("model.safetensors"), dir.path().join("model.safetensors")).unwrap();
    fs::write(dir.path().join(INDEX), "{").unwrap();
    assert!(load(dir.path(), &Device::flex()).is_ok());
}
