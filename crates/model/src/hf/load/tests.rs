use burn::tensor::Device;

use super::LoadOptions;
use crate::{
    hf::{
        load_located,
        locate::locate_folder,
        testing::{check_error, check_refused, copy, edit_json, loaded, parts, write_parts},
    },
    testing::FIXTURES,
};

const PARTIAL: LoadOptions = LoadOptions { partial: Some(5) };

/// A checkpoint in which a tensor has another name.
fn misnamed() -> tempfile::TempDir {
    let dir = copy(FIXTURES[1]);
    let weights = dir.path().join("model.safetensors");
    let (mut header, data) = parts(&weights);
    let tensor = header.remove("model.layers.0.self_attn.q_proj.weight").unwrap();
    header.insert("model.layers.0.self_attn.q_pro.weight".into(), tensor);
    write_parts(&weights, &header, &data);
    dir
}

#[test]
fn all_that_does_not_fit_is_reported_at_once() {
    check_refused(
        misnamed().path(),
        &[
            "missing: `model.layers.0.self_attn.q_proj.weight`",
            "did you mean the unused `model.layers.0.self_attn.q_pro.weight`?",
            "unused: `model.layers.0.self_attn.q_pro.weight`",
        ],
    );
}

#[test]
fn what_is_missing_is_drawn_from_the_seed_when_that_is_asked_for() {
    let dir = misnamed();
    let located = locate_folder(dir.path()).unwrap();
    let load = |options| load_located(&located, &Device::flex(), options).unwrap();
    let (decoder, report) = load(PARTIAL);
    assert_eq!(report.drawn, ["model.layers.0.self_attn.q_proj.weight"]);
    let whole = loaded(copy(FIXTURES[1]).path()).values();
    let apart = decoder.values().iter().zip(&whole).filter(|(a, b)| a != b).count();
    let config = decoder.config();
    assert_eq!(apart, config.n_heads * config.head_dim * config.hidden_size);
    assert_eq!(load(PARTIAL).0.values(), decoder.values());
    assert_ne!(load(LoadOptions { partial: Some(6) }).0.values(), decoder.values());
}

#[test]
fn a_checkpoint_in_which_nothing_fits_is_refused_even_then() {
    let dir = copy(FIXTURES[0]);
    let weights = dir.path().join("model.safetensors");
    let (header, data) = parts(&weights);
    let renamed = header.into_iter().map(|(name, value)| match name.as_str() {
        "__metadata__" => (name, value),
        _ => (format!("other.{name}"), value),
    });
    write_parts(&weights, &renamed.collect(), &data);
    let located = locate_folder(dir.path()).unwrap();
    check_error(load_located(&located, &Device::flex(), PARTIAL), &["0 tensors loaded"]);
}

#[test]
fn a_shape_that_no_memory_holds_is_refused() {
    let dir = copy(FIXTURES[0]);
    edit_json(&dir.path().join("config.json"), |config| {
        config["intermediate_size"] = (1_usize << 30).into();
        config["num_hidden_layers"] = 9000.into();
    });
    check_refused(dir.path(), &["of another shape"]);
}
