use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use burn::tensor::Device;
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::{
    Decoder, Error,
    hf::{
        Dtype, Kind, LoadOptions, LoadReport, MAX_SHARD_BYTES,
        adapter::AdapterConfig,
        convert, load, load_located,
        locate::locate_folder,
        testing::{changes, check_error, edit_json, listing, loaded, mutate},
    },
    testing::assert_close,
};

/// Made by `scripts/adapter_fixtures.py`.
#[derive(Deserialize)]
struct Expected {
    ids: Vec<u32>,
    /// Of the last id, by a model that is not merged.
    logits: Vec<f32>,
    stride: usize,
    /// The tensors that PEFT changes when it merges, by name.
    merged: BTreeMap<String, Merged>,
}

#[derive(Deserialize)]
struct Merged {
    /// The norm of the change.
    change: f64,
    /// Of the merged tensor, one in so many.
    values: Vec<f32>,
}

fn fixtures() -> PathBuf {
    PathBuf::from("../../tests/fixtures")
}

fn expected(name: &str) -> Expected {
    let path = fixtures().join("adapters").join(name).join("expected.json");
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn merged(name: &str) -> (Decoder, LoadReport) {
    let located = locate_folder(&fixtures().join("adapters").join(name)).unwrap();
    assert_eq!(located.kind(), Kind::Adapter);
    load_located(&located, &Device::flex(), LoadOptions::default()).unwrap()
}

#[test]
fn merged_adapters_have_the_logits_of_peft() {
    for name in listing(&fixtures().join("adapters")) {
        let expected = expected(&name);
        let (decoder, _) = merged(&name);
        let logits = decoder.logits(&expected.ids).unwrap();
        let logits: Vec<f32> = logits.into_data().try_into_vec().unwrap();
        assert_close(&logits[logits.len() - expected.logits.len()..], &expected.logits, 1e-5);
    }
}

/// The values of tensors, by name.
fn tensors(decoder: &Decoder) -> BTreeMap<String, Vec<f32>> {
    let values = decoder.values();
    let mut rest = &values[..];
    let mut tensors = BTreeMap::new();
    for parameter in decoder.parameters() {
        let (these, behind) = rest.split_at(parameter.n_values());
        rest = behind;
        tensors.insert(parameter.name, these.to_vec());
    }
    tensors
}

#[test]
fn merged_matrices_are_those_of_peft() {
    let base = tensors(&loaded(&fixtures().join("families/llama")));
    for name in listing(&fixtures().join("adapters")) {
        let expected = expected(&name);
        let (decoder, report) = merged(&name);
        let changed: BTreeSet<&String> = report.merged.iter().collect();
        assert_eq!(changed, expected.merged.keys().collect(), "{name}");
        for (tensor, values) in tensors(&decoder) {
            let Some(expected_of) = expected.merged.get(&tensor) else {
                assert_eq!(values, base[&tensor], "{name}: {tensor}");
                continue;
            };
            let sample: Vec<f32> = values.iter().copied().step_by(expected.stride).collect();
            assert_close(&sample, &expected_of.values, 1e-6);
            let squares = values.iter().zip(&base[&tensor]).map(|(value, base)| {
                let change = f64::from(*value) - f64::from(*base);
                change * change
            });
            let apart = squares.sum::<f64>().sqrt() / expected_of.change - 1.0;
            assert!(apart.abs() < 1e-6, "{name}: {tensor} changes by {apart} more");
        }
    }
}

/// From file to file, a merge gives the weights that loading gives.
#[test]
fn a_conversion_merges_the_same() {
    for name in listing(&fixtures().join("adapters")) {
        let (out, located) = (TempDir::new().unwrap(), fixtures().join("adapters").join(&name));
        let out = out.path().join("merged");
        let located = locate_folder(&located).unwrap();
        convert(&located, &out, Dtype::F32, MAX_SHARD_BYTES, &[]).unwrap();
        assert_eq!(loaded(&out).values(), merged(&name).0.values(), "{name}");
    }
}

/// Loads the plain adapter after a change of its configuration.
fn changed(change: impl FnOnce(&mut Map<String, Value>)) -> Result<(), Error> {
    let (dir, from) = (TempDir::new().unwrap(), fixtures().join("adapters/plain"));
    for file in ["adapter_config.json", "adapter_model.safetensors"] {
        fs::copy(from.join(file), dir.path().join(file)).unwrap();
    }
    edit_json(&dir.path().join("adapter_config.json"), |config| {
        let base = fixtures().join("families/llama").canonicalize().unwrap();
        config["base_model_name_or_path"] = base.to_str().unwrap().into();
        change(config);
    });
    load(dir.path(), &Device::flex()).map(|_| ())
}

#[track_caller]
fn check(field: &str, value: Value, expected: &[&str]) {
    check_error(changed(|config| drop(config.insert(field.into(), value))), expected);
}

#[test]
fn what_is_not_computed_is_refused_by_name() {
    assert!(changed(|_| ()).is_ok());
    check("peft_type", json!("LOHA"), &["`peft_type`", "LOHA", "merge_and_unload"]);
    check("use_dora", json!(true), &["`use_dora` is true"]);
    check("bias", json!("all"), &["`bias`"]);
    check("init_lora_weights", json!("pissa"), &["`init_lora_weights`", "pissa"]);
    check("r", json!(0), &["`r` is 0", "1 to 65,536"]);
    check("lora_alpha", json!("much"), &["`lora_alpha`", "a number"]);
    check("target_modules", json!("(?=q)"), &["`target_modules`", "regular expression"]);
    check("a_new_idea", json!(3), &["`a_new_idea` is 3"]);
}

#[test]
fn factors_that_do_not_fit_their_base_are_refused() {
    check("r", json!(8), &["lora_"]);
    check("target_modules", json!(["q_proj"]), &["with factors", "`target_modules` names"]);
    check(
        "target_modules",
        json!(["q_proj", "down_proj", "up_proj"]),
        &["without factors", "`target_modules` announces"],
    );
    check("modules_to_save", json!(["lm_head"]), &["without weights", "`modules_to_save`"]);
}

proptest! {
    #[test]
    fn damaged_configurations_do_no_harm(changes in changes(), cut in any::<u32>()) {
        let dir = TempDir::new().unwrap();
        let from = fixtures().join("adapters/patterns/adapter_config.json");
        let mut text = fs::read(from).unwrap();
        mutate(&mut text, &changes, cut);
        fs::write(dir.path().join("adapter_config.json"), text).unwrap();
        let _ = AdapterConfig::read(dir.path());
    }
}
