use std::{fs, path::PathBuf};

use burn::tensor::Device;
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::{
    hf::{
        Dtype, LoadOptions, Located, MAX_SHARD_BYTES, MergeMethod, convert, load_located,
        locate::locate_folder,
        merge, save,
        testing::{check_error, edit_json, loaded},
    },
    names::stored,
    testing::families,
    weights_digest,
};

fn fixtures() -> PathBuf {
    PathBuf::from("../../tests/fixtures")
}

/// PEFT's plain adapter on a base in `float32`, and the record of that base.
struct Adapted {
    folder: TempDir,
}

impl Adapted {
    fn new() -> Self {
        let adapted = Self { folder: TempDir::new().unwrap() };
        fs::create_dir(adapted.adapter()).unwrap();
        for file in ["adapter_config.json", "adapter_model.safetensors"] {
            let from = fixtures().join("adapters/plain").join(file);
            fs::copy(from, adapted.adapter().join(file)).unwrap();
        }
        edit_json(&adapted.adapter().join("adapter_config.json"), |config| {
            config["base_model_name_or_path"] = "../base".into();
        });
        let mut base = loaded(&fixtures().join("families/llama"));
        // No longer numbers that bfloat16 holds.
        let weights: Vec<f32> = base.values().iter().map(|value| value * 1.000_1).collect();
        base.set_values(&weights).unwrap();
        save(&base, &adapted.base(), Dtype::F32).unwrap();
        adapted.record(&String::from_utf8(adapter_base(&weights_digest(&base)).bytes).unwrap());
        adapted
    }

    fn adapter(&self) -> PathBuf {
        self.folder.path().join("adapter")
    }

    fn base(&self) -> PathBuf {
        self.folder.path().join("base")
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    fn record(&self, text: &str) {
        fs::write(self.adapter().join(FILE), text).unwrap();
    }

    fn located(&self) -> Located {
        locate_folder(&self.adapter()).unwrap()
    }

    fn load(&self, partial: Option<u64>) -> Result<(), Error> {
        load_located(&self.located(), &Device::flex(), LoadOptions { partial }).map(|_| ())
    }

    fn convert(&self) -> Result<(), Error> {
        convert(&self.located(), &self.out(), Dtype::F32, MAX_SHARD_BYTES, &[]).map(|_| ())
    }

    fn merge(&self) -> Result<(), Error> {
        let (adapter, base) = (self.located(), locate_folder(&self.base()).unwrap());
        let linear = MergeMethod::Linear { weights: vec![1.0, 1.0] };
        let models = [&base, &adapter];
        merge(None, &models, &linear, &self.out(), Dtype::F32, MAX_SHARD_BYTES, &[])
    }

    /// Puts a changed base into the place of the base.
    fn change_base(&self, change: impl FnOnce(&mut Vec<f32>), dtype: Dtype) {
        let mut base = loaded(&self.base());
        let mut weights = base.values();
        change(&mut weights);
        base.set_values(&weights).unwrap();
        save(&base, &self.base(), dtype).unwrap();
    }
}

/// The digest of the files is that of the decoder, in every family.
#[test]
fn files_and_decoders_have_one_digest() {
    for (name, folder) in families() {
        let located = locate_folder(&folder).unwrap();
        let config = located.config().unwrap();
        let digest = weights_digest(&loaded(&folder));
        let trained_on = TrainedOn { adapter: folder.clone(), weights: hex(&digest) };
        let mut weights = Weights::open(&folder).unwrap();
        let checked = trained_on.check(&folder, &config, &stored(&config), &mut weights);
        assert!(checked.is_ok(), "{name}: {checked:?}");
    }
}

#[test]
fn an_adapter_goes_onto_the_base_it_was_trained_on() {
    let adapted = Adapted::new();
    adapted.load(None).unwrap();
    adapted.merge().unwrap();
    fs::remove_dir_all(adapted.out()).unwrap();
    adapted.convert().unwrap();
    // A type that holds the same values holds the same base.
    let half = Adapted::new();
    let base = fixtures().join("families/llama");
    half.record(&String::from_utf8(adapter_base(&weights_digest(&loaded(&base))).bytes).unwrap());
    save(&loaded(&base), &half.base(), Dtype::Bf16).unwrap();
    half.load(None).unwrap();
    save(&loaded(&base), &half.base(), Dtype::F32).unwrap();
    half.load(None).unwrap();
}

/// Another base of the same shapes, or one that lacks something, is refused before anything is written.
#[test]
fn another_base_is_refused() {
    let unlike = ["adapter `", "on base `", "base`: found ", "expected weights with digest "];
    let check = |adapted: &Adapted, found: &str| {
        let expected = [&unlike[..], &[found]].concat();
        check_error(adapted.load(None), &expected);
        check_error(adapted.load(Some(1)), &expected);
        check_error(adapted.convert(), &expected);
        check_error(adapted.merge(), &expected);
        assert!(!adapted.out().exists());
    };
    let one_value = Adapted::new();
    one_value.change_base(|weights| weights[7] += 1e-4, Dtype::F32);
    check(&one_value, "weights with digest");
    let rounded = Adapted::new();
    rounded.change_base(|_| (), Dtype::Bf16);
    check(&rounded, "weights with digest");

    // As any adapter that says nothing of its base.
    fs::remove_file(one_value.adapter().join(FILE)).unwrap();
    one_value.load(None).unwrap();
    one_value.convert().unwrap();
}

#[test]
fn a_base_that_lacks_a_tensor_is_another_one() {
    let adapted = Adapted::new();
    edit_json(&adapted.base().join("config.json"), |config| {
        config["num_hidden_layers"] = 2.into();
    });
    let shorter = locate_folder(&adapted.base()).unwrap().config().unwrap();
    let longer = loaded(&fixtures().join("families/llama")).config().clone();
    let trained_on = TrainedOn::read(&adapted.adapter()).unwrap().unwrap();
    let mut weights = Weights::open(&adapted.base()).unwrap();
    let folder = adapted.base();
    let checked = trained_on.check(&folder, &shorter, &stored(&shorter), &mut weights);
    check_error(checked, &["found weights with digest"]);
    let mut tensors = stored(&longer);
    tensors[0].name = "model.embeddings.weight".into();
    let checked = trained_on.check(&folder, &longer, &tensors, &mut weights);
    check_error(checked, &["found no tensor `model.embeddings.weight` of shape [64, 32]"]);
}

#[test]
fn a_record_that_temper_did_not_write_is_refused_by_its_path() {
    let adapted = Adapted::new();
    let digest = "0".repeat(64);
    for record in [
        json!({}),
        json!({ "schema": 1, "weights": "00" }),
        json!({ "schema": 2, "weights": digest }),
        json!({ "schema": 1, "weights": "é".repeat(32) }),
        json!({ "schema": 1, "weights": digest, "more": 1 }),
        json!("text"),
    ] {
        adapted.record(&record.to_string());
        check_error(adapted.load(None), &[FILE, "the digest of an adapter's base"]);
    }
}
