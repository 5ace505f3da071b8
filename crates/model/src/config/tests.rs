use std::path::Path;

use serde_json::{Value, json};

use super::Config;

/// What transformers 5 writes for a small model.
fn file() -> Value {
    json!({
        "architectures": ["LlamaForCausalLM"], "attention_bias": false, "bos_token_id": 1, "dtype": "float32",
        "eos_token_id": [2, 7], "head_dim": 8, "hidden_act": "silu", "hidden_size": 32, "initializer_range": 0.02,
        "intermediate_size": 64, "max_position_embeddings": 128, "mlp_bias": false, "model_type": "llama",
        "num_attention_heads": 4, "num_hidden_layers": 2, "num_key_value_heads": 2, "rms_norm_eps": 1e-6,
        "rope_parameters": { "rope_theta": 5000.0, "rope_type": "default" }, "tie_word_embeddings": true, "vocab_size": 97
    })
}

fn parse(file: &Value) -> Result<Config, String> {
    Config::from_json(&file.to_string(), Path::new("config.json"))
        .map_err(|error| error.to_string())
}

#[track_caller]
fn check_refused(field: &str, value: Value, expected: &str) {
    let mut file = file();
    file[field] = value;
    let error = parse(&file).unwrap_err();
    assert!(error.contains(expected), "{error}");
}

#[test]
fn reads_what_transformers_5_writes() {
    let config = parse(&file()).unwrap();
    assert_eq!((config.rope_theta, config.head_dim, config.tie_word_embeddings), (5000.0, 8, true));
    assert_eq!((config.bos_token_id, config.eos_token_ids), (Some(1), vec![2, 7]));
}

#[test]
fn reads_what_transformers_4_wrote() {
    let mut old = file();
    let fields = old.as_object_mut().unwrap();
    for new in ["rope_parameters", "dtype", "head_dim", "num_key_value_heads", "mlp_bias"] {
        fields.remove(new);
    }
    fields.insert("torch_dtype".into(), json!("bfloat16"));
    fields.insert("rope_theta".into(), json!(5000.0));
    fields.insert("rope_scaling".into(), Value::Null);
    fields.insert("eos_token_id".into(), json!(2));
    let config = parse(&old).unwrap();
    assert_eq!((config.rope_theta, config.head_dim, config.n_kv_heads), (5000.0, 8, 4));
    assert_eq!(config.eos_token_ids, [2]);
}

#[test]
fn refuses_by_name_what_is_not_computed() {
    check_refused("model_type", json!("qwen2"), "`model_type` is `qwen2`, expected `llama`");
    check_refused("hidden_act", json!("gelu"), "`hidden_act` is `gelu`, expected `silu`");
    check_refused("attention_bias", json!(true), "`attention_bias` is true, expected false");
    check_refused("mlp_bias", json!(true), "`mlp_bias` is true, expected false");
    check_refused("rope_scaling", json!({ "type": "linear", "factor": 2.0 }), "`rope_scaling` is");
    check_refused(
        "rope_parameters",
        json!({ "rope_type": "llama3", "rope_theta": 5e5 }),
        "`rope_parameters` is",
    );
    check_refused(
        "rope_parameters",
        json!({ "rope_type": "default", "partial_rotary_factor": 0.5 }),
        "`rope_parameters` is",
    );
    check_refused("quantization_config", json!({ "bits": 4 }), "`quantization_config` is");
}

#[test]
fn refuses_shapes_that_do_not_fit() {
    check_refused(
        "num_key_value_heads",
        json!(3),
        "`num_key_value_heads` is 3, expected a divisor of num_attention_heads = 4",
    );
    check_refused("head_dim", json!(7), "`head_dim` is 7, expected an even number");
    check_refused("num_attention_heads", json!(0), "`num_attention_heads` is 0");
    check_refused("vocab_size", json!(0), "`vocab_size` is 0");
    check_refused("rms_norm_eps", json!(0.0), "`rms_norm_eps` is 0");
    check_refused("vocab_size", json!("many"), "is not a Hugging Face config.json");
}

#[test]
fn writing_and_reading_gives_the_same() {
    let config = parse(&file()).unwrap();
    let text = config.to_json("bfloat16");
    assert_eq!(Config::from_json(&text, Path::new("config.json")).unwrap(), config);
    assert!(text.contains(r#""dtype": "bfloat16""#), "{text}");
}

#[test]
fn counts_parameters_once_when_tied() {
    let tied = parse(&file()).unwrap();
    let untied = Config { tie_word_embeddings: false, ..tied.clone() };
    assert_eq!(tied.n_parameters(), 21_696); // what transformers counts
    assert_eq!(untied.n_parameters(), 21_696 + 97 * 32);
}
