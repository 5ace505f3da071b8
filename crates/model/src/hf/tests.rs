//! Whole folders: what is wrong with one is said by name, and what is written is read again.

use std::fs;

use burn::tensor::Device;
use serde_json::json;
use tempfile::TempDir;

use super::{
    Dtype, load, save,
    testing::{
        assert_same_files, check_error, check_refused, copy, edit_json, loaded, parts, write_parts,
    },
};
use crate::{
    Decoder,
    testing::{FIXTURES, assert_close, config, config_with, fixture, ids},
    weights_digest,
};

#[test]
fn saving_and_loading_gives_the_same_bytes_and_weights() {
    for name in FIXTURES {
        let (decoder, report) = load(&fixture(name), &Device::flex()).unwrap();
        assert_eq!((report.loaded.len(), report.ignored.len()), (decoder.parameters().len(), 0));
        let dirs = [TempDir::new().unwrap(), TempDir::new().unwrap()];
        save(&decoder, dirs[0].path(), Dtype::F32).unwrap();
        let again = loaded(dirs[0].path());
        assert_eq!(again.config(), decoder.config());
        assert_eq!(weights_digest(&again), weights_digest(&decoder));
        save(&again, dirs[1].path(), Dtype::F32).unwrap();
        assert_same_files(dirs[0].path(), dirs[1].path());
        assert_eq!(fs::read_dir(dirs[0].path()).unwrap().count(), 3, "nothing else is left");
    }
}

#[test]
fn narrow_types_survive_a_round_trip_byte_by_byte() {
    let decoder = Decoder::init(&config(), 1, &Device::flex());
    for (dtype, precision) in [(Dtype::Bf16, 0.004), (Dtype::F16, 0.0005)] {
        let dirs = [TempDir::new().unwrap(), TempDir::new().unwrap()];
        save(&decoder, dirs[0].path(), dtype).unwrap();
        let again = loaded(dirs[0].path());
        save(&again, dirs[1].path(), dtype).unwrap();
        assert_same_files(dirs[0].path(), dirs[1].path());
        assert_close(&again.values(), &decoder.values(), precision);
    }
}

#[test]
fn an_output_matrix_beside_a_tied_embedding_is_ignored_and_reported() {
    let dir = copy(FIXTURES[1]);
    edit_json(&dir.path().join("config.json"), |config| {
        config.insert("tie_word_embeddings".into(), true.into());
    });
    let (decoder, report) = load(dir.path(), &Device::flex()).unwrap();
    let ignored: Vec<_> =
        report.ignored.iter().map(|tensor| (tensor.name.as_str(), tensor.differs)).collect();
    assert_eq!(ignored, [("lm_head.weight", true)]);
    assert!(decoder.logits(&ids(1, 3, 97)).is_ok());
}

#[test]
fn a_folder_without_weights_is_refused() {
    let dir = copy(FIXTURES[0]);
    fs::remove_file(dir.path().join("config.json")).unwrap();
    check_refused(dir.path(), &["cannot read", "config.json"]);
    fs::remove_file(dir.path().join("model.safetensors")).unwrap();
    check_refused(dir.path(), &["has no `model.safetensors`"]);
}

#[test]
fn a_corrupt_header_is_refused() {
    let dir = copy(FIXTURES[0]);
    let path = dir.path().join("model.safetensors");
    let whole = fs::read(&path).unwrap();
    let header = ["corrupt safetensors header", "model.safetensors"];
    for broken in [
        vec![],
        whole[..5].to_vec(),
        [&u64::MAX.to_le_bytes()[..], &whole[8..]].concat(),
        [&(whole.len() as u64).to_le_bytes()[..], &whole[8..]].concat(),
        [&whole[..8], b"x", &whole[9..]].concat(),
    ] {
        fs::write(&path, broken).unwrap();
        check_refused(dir.path(), &header);
    }
    // Offsets that overlap, overflow or contradict the shape.
    fs::write(&path, &whole).unwrap();
    let (entry, data) = parts(&path);
    for offsets in [json!([1, 5]), json!([0, u64::MAX]), json!([0, 4]), json!([8, 0])] {
        let mut changed = entry.clone();
        changed["model.norm.weight"]["data_offsets"] = offsets;
        write_parts(&path, &changed, &data);
        check_refused(dir.path(), &header);
    }
}

#[test]
fn a_truncated_or_overlong_file_is_refused() {
    let dir = copy(FIXTURES[0]);
    let path = dir.path().join("model.safetensors");
    let whole = fs::read(&path).unwrap();
    for broken in [
        whole[..whole.len() - 1].to_vec(),
        whole[..whole.len() / 2].to_vec(),
        [&whole[..], &[0]].concat(),
    ] {
        fs::write(&path, broken).unwrap();
        let expected = ["bytes, its header announces", "tensor `model.norm.weight`"];
        check_refused(dir.path(), &expected);
    }
}

#[test]
fn tensors_that_do_not_fit_are_named() {
    let dir = copy(FIXTURES[0]);
    let path = dir.path().join("model.safetensors");
    let (header, data) = parts(&path);
    let name = "model.layers.1.mlp.up_proj.weight";
    let mut changed = header.clone();
    changed[name]["shape"] = json!([32, 64]);
    write_parts(&path, &changed, &data);
    let expected = format!("`{name}` has shape [32, 64], config.json implies [64, 32]");
    check_refused(dir.path(), &[&expected]);

    let mut changed = header.clone();
    changed[name]["dtype"] = json!("I32");
    write_parts(&path, &changed, &data);
    check_refused(dir.path(), &[&format!("tensor `{name}` is I32, expected F32, F16 or BF16")]);

    let mut changed = header.clone();
    let entry = changed.remove(name).unwrap();
    changed.insert("model.layers.1.mlp.up_proj.weights".into(), entry);
    write_parts(&path, &changed, &data);
    let expected = format!(
        "missing: `{name}` (did you mean the unused `model.layers.1.mlp.up_proj.weights`?)"
    );
    check_refused(dir.path(), &[&expected]);

    write_parts(&path, &header, &data);
    edit_json(&dir.path().join("config.json"), |config| {
        config.insert("num_hidden_layers".into(), 1.into());
    });
    check_refused(
        dir.path(),
        &["9 unused", "unused: `model.layers.1.input_layernorm.weight`", "… and 1 more"],
    );
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let dir = TempDir::new().unwrap();
    let decoder =
        Decoder::init(&config_with(json!({ "num_hidden_layers": 1 })), 1, &Device::flex());
    fs::write(dir.path().join("file"), "").unwrap();
    check_error(save(&decoder, &dir.path().join("file"), Dtype::F32), &["cannot write", "file"]);
    // A directory where the weights should go: nothing half-written stays behind.
    fs::create_dir(dir.path().join("model.safetensors")).unwrap();
    check_error(save(&decoder, dir.path(), Dtype::F32), &["model.safetensors"]);
    assert!(!dir.path().join("model.safetensors.partial").exists());
}
