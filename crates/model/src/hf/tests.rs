use std::{collections::BTreeMap, fs, path::Path};

use burn::tensor::Device;
use half::bf16;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Dtype, load, save};
use crate::{
    Decoder,
    testing::{FIXTURES, assert_close, config, config_with, fixture, ids},
    weights_digest,
};

/// A copy of a fixture that a test may break.
fn copy(name: &str) -> TempDir {
    let dir = TempDir::new().unwrap();
    for file in ["config.json", "model.safetensors"] {
        fs::copy(fixture(name).join(file), dir.path().join(file)).unwrap();
    }
    dir
}

/// Loads, and gives the whole chain of messages when it fails.
fn message(dir: &Path) -> String {
    let error = load(dir, &Device::flex()).unwrap_err();
    let source =
        std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
    format!("{error}{source}")
}

#[track_caller]
fn check_refused(dir: &TempDir, expected: &[&str]) {
    let message = message(dir.path());
    for part in expected {
        assert!(message.contains(part), "expected `{part}` in: {message}");
    }
}

/// The header as JSON and the data behind it.
fn parts(dir: &TempDir) -> (Value, Vec<u8>) {
    let bytes = fs::read(dir.path().join("model.safetensors")).unwrap();
    let n = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    (serde_json::from_slice(&bytes[8..8 + n]).unwrap(), bytes[8 + n..].to_vec())
}

fn write_parts(dir: &TempDir, header: &Value, data: &[u8]) {
    let json = header.to_string();
    let bytes = [&(json.len() as u64).to_le_bytes()[..], json.as_bytes(), data].concat();
    fs::write(dir.path().join("model.safetensors"), bytes).unwrap();
}

#[test]
fn saving_and_loading_gives_the_same_bytes_and_weights() {
    for name in FIXTURES {
        let (decoder, report) = load(&fixture(name), &Device::flex()).unwrap();
        assert_eq!((report.n_loaded, report.ignored.len()), (decoder.parameters().len(), 0));
        let dirs = [TempDir::new().unwrap(), TempDir::new().unwrap()];
        save(&decoder, dirs[0].path(), Dtype::F32).unwrap();
        let (again, _) = load(dirs[0].path(), &Device::flex()).unwrap();
        assert_eq!(again.config(), decoder.config());
        assert_eq!(weights_digest(&again), weights_digest(&decoder));
        save(&again, dirs[1].path(), Dtype::F32).unwrap();
        for file in ["model.safetensors", "config.json", "generation_config.json"] {
            assert!(
                fs::read(dirs[0].path().join(file)).unwrap()
                    == fs::read(dirs[1].path().join(file)).unwrap(),
                "{file}"
            );
        }
        assert_eq!(fs::read_dir(dirs[0].path()).unwrap().count(), 3, "nothing else is left");
    }
}

#[test]
fn bf16_survives_a_round_trip_byte_by_byte() {
    let decoder = Decoder::init(&config(), 1, &Device::flex());
    let dirs = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    save(&decoder, dirs[0].path(), Dtype::Bf16).unwrap();
    let (again, _) = load(dirs[0].path(), &Device::flex()).unwrap();
    save(&again, dirs[1].path(), Dtype::Bf16).unwrap();
    let bytes = |dir: &TempDir| fs::read(dir.path().join("model.safetensors")).unwrap();
    assert!(bytes(&dirs[0]) == bytes(&dirs[1]));
    assert_close(&again.values(), &decoder.values(), 0.004);
}

#[test]
fn bf16_rounds_to_nearest_and_ties_to_even() {
    for (value, bits) in [
        (0x3f80_7fff, 0x3f80),
        (0x3f80_8000, 0x3f80),
        (0x3f80_8001, 0x3f81),
        (0x3f81_8000, 0x3f82),
        (0xbf81_8000, 0xbf82),
        (0x7f7f_ffff, 0x7f80),
    ] {
        assert_eq!(bf16::from_f32(f32::from_bits(value)).to_bits(), bits, "{value:x}");
    }
}

#[test]
fn the_only_metadata_is_the_format_and_the_order_is_fixed() {
    let decoder = Decoder::init(&config(), 1, &Device::flex());
    let dir = TempDir::new().unwrap();
    save(&decoder, dir.path(), Dtype::Bf16).unwrap();
    let (header, _) = parts(&dir);
    let names: Vec<&String> = header.as_object().unwrap().keys().collect();
    assert_eq!(header["__metadata__"], json!({ "format": "pt" }));
    assert_eq!(names[1..], decoder.parameters().iter().map(|p| &p.name).collect::<Vec<_>>());
    assert!(!names.contains(&&"lm_head.weight".to_owned()), "a tied output matrix is not written");
}

#[test]
fn half_precision_is_widened() {
    let dir = copy(FIXTURES[0]);
    let (header, data) = parts(&dir);
    let halved: Vec<u8> = data
        .as_chunks()
        .0
        .iter()
        .flat_map(|bytes| half::f16::from_f32(f32::from_le_bytes(*bytes)).to_le_bytes())
        .collect();
    let mut halved_header = header.clone();
    for (name, entry) in halved_header.as_object_mut().unwrap() {
        if name != "__metadata__" {
            let offset = |at: usize| entry["data_offsets"][at].as_u64().unwrap() / 2;
            let offsets = [offset(0), offset(1)];
            entry["data_offsets"] = json!(offsets);
            entry["dtype"] = json!("F16");
        }
    }
    write_parts(&dir, &halved_header, &halved);
    let (decoder, _) = load(dir.path(), &Device::flex()).unwrap();
    let (whole, _) = load(&fixture(FIXTURES[0]), &Device::flex()).unwrap();
    assert_close(&decoder.values(), &whole.values(), 1e-3);
}

#[test]
fn shards_are_found_through_their_index() {
    let dir = copy(FIXTURES[1]);
    let (header, data) = parts(&dir);
    let mut weight_map = BTreeMap::new();
    for (shard, keep) in
        [("model-00001-of-00002.safetensors", true), ("model-00002-of-00002.safetensors", false)]
    {
        let mut part = serde_json::Map::new();
        let mut bytes = Vec::new();
        for (name, entry) in header
            .as_object()
            .unwrap()
            .iter()
            .filter(|(name, _)| name.contains("layers.0") == keep && *name != "__metadata__")
        {
            let at = |i: usize| entry["data_offsets"][i].as_u64().unwrap() as usize;
            let start = bytes.len();
            bytes.extend_from_slice(&data[at(0)..at(1)]);
            part.insert(name.clone(), json!({ "dtype": "F32", "shape": entry["shape"], "data_offsets": [start, bytes.len()] }));
            weight_map.insert(name.clone(), shard);
        }
        write_parts(&dir, &Value::Object(part), &bytes);
        fs::rename(dir.path().join("model.safetensors"), dir.path().join(shard)).unwrap();
    }
    fs::write(
        dir.path().join("model.safetensors.index.json"),
        json!({ "metadata": {}, "weight_map": weight_map }).to_string(),
    )
    .unwrap();
    let (decoder, _) = load(dir.path(), &Device::flex()).unwrap();
    assert_eq!(
        weights_digest(&decoder),
        weights_digest(&load(&fixture(FIXTURES[1]), &Device::flex()).unwrap().0)
    );
    fs::remove_file(dir.path().join("model-00002-of-00002.safetensors")).unwrap();
    check_refused(&dir, &["cannot read", "model-00002-of-00002.safetensors"]);
}

#[test]
fn an_output_matrix_beside_a_tied_embedding_is_ignored_and_reported() {
    let dir = copy(FIXTURES[1]);
    let path = dir.path().join("config.json");
    let text = fs::read_to_string(&path)
        .unwrap()
        .replace("\"tie_word_embeddings\": false", "\"tie_word_embeddings\": true");
    fs::write(&path, text).unwrap();
    let (decoder, report) = load(dir.path(), &Device::flex()).unwrap();
    assert_eq!(report.ignored, ["lm_head.weight"]);
    assert!(decoder.logits(&ids(1, 3, 97)).is_ok());
}

#[test]
fn a_folder_without_weights_is_refused() {
    let dir = copy(FIXTURES[0]);
    fs::remove_file(dir.path().join("model.safetensors")).unwrap();
    check_refused(&dir, &["has no `model.safetensors`", "hint: "]);
    fs::remove_file(dir.path().join("config.json")).unwrap();
    check_refused(&dir, &["cannot read", "config.json"]);
}

#[test]
fn a_corrupt_header_is_refused() {
    let dir = copy(FIXTURES[0]);
    let path = dir.path().join("model.safetensors");
    let whole = fs::read(&path).unwrap();
    let header = ["corrupt safetensors header", "model.safetensors", "hint: "];
    for broken in [
        vec![],
        whole[..5].to_vec(),
        [&u64::MAX.to_le_bytes()[..], &whole[8..]].concat(),
        [&(whole.len() as u64).to_le_bytes()[..], &whole[8..]].concat(),
        [&whole[..8], b"x", &whole[9..]].concat(),
    ] {
        fs::write(&path, broken).unwrap();
        check_refused(&dir, &header);
    }
    // Offsets that overlap, overflow or contradict the shape.
    fs::write(&path, &whole).unwrap();
    let (entry, data) = parts(&dir);
    for offsets in [json!([1, 5]), json!([0, u64::MAX]), json!([0, 4]), json!([8, 0])] {
        let mut changed = entry.clone();
        changed["model.norm.weight"]["data_offsets"] = offsets;
        write_parts(&dir, &changed, &data);
        check_refused(&dir, &header);
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
        check_refused(&dir, &["bytes, its header announces", "tensor `model.norm.weight`"]);
    }
}

#[test]
fn tensors_that_do_not_fit_are_named() {
    let dir = copy(FIXTURES[0]);
    let (header, data) = parts(&dir);
    let name = "model.layers.1.mlp.up_proj.weight";
    let mut changed = header.clone();
    changed[name]["shape"] = json!([32, 64]);
    write_parts(&dir, &changed, &data);
    check_refused(
        &dir,
        &[&format!("tensor `{name}` has shape [32, 64], config.json implies [64, 32]")],
    );

    let mut changed = header.clone();
    changed[name]["dtype"] = json!("I32");
    write_parts(&dir, &changed, &data);
    check_refused(&dir, &[&format!("tensor `{name}` is I32, expected F32, BF16 or F16")]);

    let mut changed = header.clone();
    let entry = changed.as_object_mut().unwrap().remove(name).unwrap();
    changed["model.layers.1.mlp.up_proj.bias"] = entry;
    write_parts(&dir, &changed, &data);
    check_refused(&dir, &[&format!("tensor `{name}` is missing")]);

    let path = dir.path().join("config.json");
    write_parts(&dir, &header, &data);
    fs::write(
        &path,
        fs::read_to_string(&path)
            .unwrap()
            .replace("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1"),
    )
    .unwrap();
    check_refused(
        &dir,
        &[
            "tensor `model.layers.1.input_layernorm.weight` is not part of a Llama decoder (and 8 more)",
        ],
    );
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let dir = TempDir::new().unwrap();
    let decoder = Decoder::init(&config_with(json!({ "num_hidden_layers": 1 })), 1, &Device::flex());
    fs::write(dir.path().join("file"), "").unwrap();
    let error = save(&decoder, &dir.path().join("file"), Dtype::F32).unwrap_err().to_string();
    assert!(error.contains("cannot write") && error.contains("file"), "{error}");
    // A directory where the weights should go: nothing half-written stays behind.
    fs::create_dir(dir.path().join("model.safetensors")).unwrap();
    let error = save(&decoder, dir.path(), Dtype::F32).unwrap_err().to_string();
    assert!(error.contains("model.safetensors"), "{error}");
    assert!(!dir.path().join("model.partial").exists());
}
