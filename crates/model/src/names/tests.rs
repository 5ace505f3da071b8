use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Field, FieldKind, fields, parameters, stored};
use crate::{Config, testing::config_with};

/// Every family, and whatever else changes which tensors there are.
fn configs() -> Vec<Config> {
    [
        json!({}),
        json!({ "tie_word_embeddings": false, "attention_bias": true, "mlp_bias": true }),
        json!({ "model_type": "mistral", "sliding_window": 8 }),
        json!({ "model_type": "qwen2" }),
        json!({ "model_type": "qwen3" }),
        json!({ "model_type": "olmo2" }),
        json!({ "model_type": "gemma2", "hidden_activation": "gelu_pytorch_tanh" }),
        json!({ "model_type": "gemma3_text", "hidden_activation": "gelu_pytorch_tanh" }),
        json!({ "model_type": "phi3" }),
        json!({ "model_type": "smollm3" }),
    ]
    .into_iter()
    .map(config_with)
    .collect()
}

fn names(config: &Config) -> Vec<String> {
    parameters(config).into_iter().map(|parameter| parameter.name).collect()
}

#[track_caller]
fn check_block(other: Value, expected: &[(&str, &[usize])]) {
    let found: Vec<_> = parameters(&config_with(other))
        .into_iter()
        .filter_map(|parameter| {
            let name = parameter.name.strip_prefix("model.layers.1.")?.to_owned();
            Some((name, parameter.shape))
        })
        .collect();
    let expected: Vec<_> =
        expected.iter().map(|(name, shape)| ((*name).to_owned(), shape.to_vec())).collect();
    assert_eq!(found, expected);
}

#[test]
fn names_and_fields_are_distinct() {
    for config in configs() {
        let names = names(&config);
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        let fields: Vec<_> = fields(&config).collect();
        assert_eq!(fields.iter().collect::<BTreeSet<_>>().len(), fields.len());
        let matrices = fields.iter().filter(|field| field.kind() == FieldKind::Matrix);
        let streams: Vec<_> = matrices.map(|field| field.stream()).collect();
        assert_eq!(streams.iter().collect::<BTreeSet<_>>().len(), streams.len(), "{streams:?}");
    }
}

#[test]
fn a_stored_tensor_is_as_large_as_its_fields() {
    for config in configs() {
        for tensor in stored(&config) {
            let rest: Vec<_> = tensor.fields.iter().map(|field| field.shape(&config)).collect();
            assert!(rest.iter().all(|shape| shape[1..] == rest[0][1..]), "{}", tensor.name);
            let n: usize = rest.iter().map(|shape| shape.iter().product::<usize>()).sum();
            assert_eq!(tensor.shape(&config).iter().product::<usize>(), n);
        }
    }
}

#[test]
fn a_decoder_has_every_tensor_once() {
    let untied = config_with(json!({ "tie_word_embeddings": false }));
    let found = names(&untied);
    assert_eq!(found.len(), 2 * 9 + 3);
    assert_eq!((&*found[0], &*found[20]), ("model.embed_tokens.weight", "lm_head.weight"));
    assert_eq!(names(&config_with(json!({}))).len(), 2 * 9 + 2);
}

#[test]
fn families_have_the_tensors_transformers_gives_them() {
    check_block(
        json!({ "model_type": "qwen2" }),
        &[
            ("input_layernorm.weight", &[24]),
            ("self_attn.q_proj.weight", &[40, 24]),
            ("self_attn.q_proj.bias", &[40]),
            ("self_attn.k_proj.weight", &[20, 24]),
            ("self_attn.k_proj.bias", &[20]),
            ("self_attn.v_proj.weight", &[20, 24]),
            ("self_attn.v_proj.bias", &[20]),
            ("self_attn.o_proj.weight", &[24, 40]),
            ("post_attention_layernorm.weight", &[24]),
            ("mlp.gate_proj.weight", &[40, 24]),
            ("mlp.up_proj.weight", &[40, 24]),
            ("mlp.down_proj.weight", &[24, 40]),
        ],
    );
    check_block(
        json!({ "model_type": "olmo2" }),
        &[
            ("self_attn.q_proj.weight", &[40, 24]),
            ("self_attn.k_proj.weight", &[20, 24]),
            ("self_attn.v_proj.weight", &[20, 24]),
            ("self_attn.q_norm.weight", &[40]),
            ("self_attn.k_norm.weight", &[20]),
            ("self_attn.o_proj.weight", &[24, 40]),
            ("post_attention_layernorm.weight", &[24]),
            ("mlp.gate_proj.weight", &[40, 24]),
            ("mlp.up_proj.weight", &[40, 24]),
            ("mlp.down_proj.weight", &[24, 40]),
            ("post_feedforward_layernorm.weight", &[24]),
        ],
    );
    check_block(
        json!({ "model_type": "phi3" }),
        &[
            ("input_layernorm.weight", &[24]),
            ("self_attn.qkv_proj.weight", &[80, 24]),
            ("self_attn.o_proj.weight", &[24, 40]),
            ("post_attention_layernorm.weight", &[24]),
            ("mlp.gate_up_proj.weight", &[80, 24]),
            ("mlp.down_proj.weight", &[24, 40]),
        ],
    );
}

#[test]
fn streams_are_named_as_in_llama() {
    let phi = config_with(json!({ "model_type": "phi3" }));
    let found: Vec<_> = fields(&phi).map(Field::stream).collect();
    assert_eq!(found[2], "model.layers.0.self_attn.q_proj.weight");
}
