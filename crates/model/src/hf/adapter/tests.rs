use std::{fs, path::PathBuf};

use burn::tensor::Device;
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::{
    Error,
    hf::{
        Dtype, Kind, LoadOptions, MAX_SHARD_BYTES,
        adapter::AdapterConfig,
        convert, load, load_located,
        locate::locate_folder,
        testing::{changes, check_error, edit_json, listing, mutate},
    },
    testing::assert_close,
};

/// Made by `scripts/adapter_fixtures.py`.
#[derive(Deserialize)]
struct Expected {
    ids: Vec<u32>,
    logits: Vec<f32>,
}

fn fixtures() -> PathBuf {
    PathBuf::from("../../tests/fixtures")
}

#[test]
fn merged_adapters_have_the_logits_of_peft() {
    for name in listing(&fixtures().join("adapters")) {
        let folder = fixtures().join("adapters").join(&name);
        let expected: Expected =
            serde_json::from_slice(&fs::read(folder.join("expected.json")).unwrap()).unwrap();
        let located = locate_folder(&folder).unwrap();
        assert_eq!(located.kind(), Kind::Adapter);
        let (decoder, report) =
            load_located(&located, &Device::flex(), LoadOptions::default()).unwrap();
        assert!(!report.merged.is_empty(), "{name}");
        let logits: Vec<f32> =
            decoder.logits(&expected.ids).unwrap().into_data().try_into_vec().unwrap();
        assert_close(&logits[logits.len() - expected.logits.len()..], &expected.logits, 1e-4);

        let out = TempDir::new().unwrap();
        let out = out.path().join("merged");
        convert(&located, &out, Dtype::F32, MAX_SHARD_BYTES, &[]).unwrap();
        assert_eq!(load(&out, &Device::flex()).unwrap().0.values(), decoder.values(), "{name}");
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
