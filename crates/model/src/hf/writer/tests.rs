use std::fs;

use burn::tensor::Device;
use proptest::prelude::*;
use serde_json::json;
use tempfile::TempDir;

use super::shards;
use crate::{
    Decoder,
    hf::{
        Dtype, SaveOptions, save, save_with,
        testing::{assert_same_files, check_error, copy, listing, loaded},
    },
    testing::{FIXTURES, config_with},
};

#[test]
fn what_is_saved_loaded_and_saved_again_is_the_same_file() {
    for dtype in Dtype::ALL {
        for max_shard_bytes in [u64::MAX, 20_000, 1] {
            let options = SaveOptions { max_shard_bytes, ..SaveOptions::new(dtype) };
            let (first, second) = (TempDir::new().unwrap(), TempDir::new().unwrap());
            save_with(&loaded(copy(FIXTURES[1]).path()), first.path(), &options).unwrap();
            save_with(&loaded(first.path()), second.path(), &options).unwrap();
            assert_same_files(first.path(), second.path());
        }
    }
}

#[test]
fn shards_of_an_earlier_checkpoint_are_removed() {
    let dir = TempDir::new().unwrap();
    let decoder = loaded(copy(FIXTURES[0]).path());
    let small = SaveOptions { max_shard_bytes: 20_000, ..SaveOptions::new(Dtype::F32) };
    save_with(&decoder, dir.path(), &small).unwrap();
    fs::write(dir.path().join("mine.safetensors"), "kept").unwrap();
    save(&decoder, dir.path(), Dtype::F32).unwrap();
    let expected =
        ["config.json", "generation_config.json", "mine.safetensors", "model.safetensors"];
    assert_eq!(listing(dir.path()), expected);
    save_with(&decoder, dir.path(), &small).unwrap();
    assert!(!dir.path().join("model.safetensors").exists());
    assert_eq!(loaded(dir.path()).values(), decoder.values());
}

#[test]
fn a_value_that_the_type_cannot_hold_is_named_and_nothing_is_replaced() {
    let dir = TempDir::new().unwrap();
    let mut decoder = Decoder::init(&config_with(json!({})), 1, &Device::flex());
    save(&decoder, dir.path(), Dtype::F16).unwrap();
    let before = fs::read(dir.path().join("model.safetensors")).unwrap();
    let mut values = decoder.values();
    values[25] = 70_000.0;
    decoder.set_values(&values).unwrap();
    check_error(
        save(&decoder, dir.path(), Dtype::F16),
        &["`model.embed_tokens.weight` is 70000 at [1, 1]", "too large for float16"],
    );
    values[25] = f32::NAN;
    decoder.set_values(&values).unwrap();
    check_error(save(&decoder, dir.path(), Dtype::F32), &["is NaN at [1, 1]"]);
    assert!(before == fs::read(dir.path().join("model.safetensors")).unwrap());
    assert!(listing(dir.path()).iter().all(|name| !name.ends_with(".partial")));
}

proptest! {
    #[test]
    fn shards_hold_all_tensors_in_order(sizes in prop::collection::vec(0_u64..100, 1..40), most in 1_u64..200) {
        let cut = shards(&sizes, most);
        let all: Vec<usize> = cut.iter().cloned().flatten().collect();
        prop_assert_eq!(all, (0..sizes.len()).collect::<Vec<_>>());
        for shard in cut {
            let bytes: u64 = sizes[shard.clone()].iter().sum();
            prop_assert!(bytes <= most || shard.len() == 1);
        }
    }
}
