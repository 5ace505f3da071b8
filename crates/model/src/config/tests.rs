use std::path::Path;

use serde_json::{Value, json};

use super::Config;
use crate::rope::RopeScaling;

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
    assert_eq!(
        (config.ropes[0].theta, config.head_dim, config.tie_word_embeddings),
        (5e3, 8, true)
    );
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
    assert_eq!((config.ropes[0].theta, config.head_dim, config.n_kv_heads), (5000.0, 8, 4));
    assert_eq!(config.eos_token_ids, [2]);
}

#[test]
fn resolves_scaled_ropes_of_both_spellings() {
    let llama3 = json!({
        "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 64,
    });
    let expected = RopeScaling::Llama3 { factor: 8.0, low: 1.0, high: 4.0, original: 64 };
    for (field, kind) in
        [("rope_scaling", "rope_type"), ("rope_scaling", "type"), ("rope_parameters", "rope_type")]
    {
        let mut file = file();
        file[field] = llama3.clone();
        file[field][kind] = json!("llama3");
        assert_eq!(parse(&file).unwrap().ropes[0].scaling, expected, "{field} {kind}");
    }
}

#[track_caller]
fn layers(family: &str, other: Value) -> Vec<(Option<usize>, Option<usize>)> {
    let mut file = file();
    let fields = file.as_object_mut().unwrap();
    fields.remove("mlp_bias");
    fields.insert("model_type".into(), json!(family));
    fields.insert("num_hidden_layers".into(), json!(4));
    fields.extend(other.as_object().unwrap().clone());
    let config = parse(&file).unwrap();
    config.layers.iter().map(|layer| (layer.window, layer.rope)).collect()
}

#[test]
fn windows_and_ropes_go_layer_by_layer() {
    let (plain, none) = ((None, Some(0)), (None, None));
    let slides = |window| (Some(window), Some(0));
    let check = |family, other: Value, expected: [_; 4]| {
        assert_eq!(layers(family, other), expected, "{family}");
    };
    check("llama", json!({}), [plain; 4]);
    check("mistral", json!({ "sliding_window": 8, "attention_bias": null }), [slides(8); 4]);
    check("mistral", json!({ "sliding_window": null, "attention_bias": null }), [plain; 4]);
    check("mistral", json!({ "attention_bias": null }), [slides(4096); 4]);
    check("qwen2", json!({ "sliding_window": 8, "attention_bias": null }), [plain; 4]);
    check(
        "qwen3",
        json!({ "sliding_window": 8, "use_sliding_window": true, "max_window_layers": 3 }),
        [plain, plain, plain, slides(8)],
    );
    check(
        "qwen3",
        json!({ "sliding_window": null, "use_sliding_window": true, "max_window_layers": 0 }),
        [plain; 4],
    );
    check("gemma2", json!({ "sliding_window": 8 }), [slides(8), plain, slides(8), plain]);
    check(
        "gemma3_text",
        json!({
            "sliding_window": 8, "sliding_window_pattern": 3,
            "rope_parameters": null, "rope_local_base_freq": 1e4,
        }),
        [slides(8), slides(8), (None, Some(1)), slides(8)],
    );
    check("smollm3", json!({ "no_rope_layer_interval": 2 }), [plain, none, plain, none]);
    check("smollm3", json!({ "no_rope_layers": [0, 1, 1, 1] }), [none, plain, plain, plain]);
}

#[test]
fn refuses_by_name_what_is_not_computed() {
    check_refused("model_type", json!("gpt2"), "`model_type` is \"gpt2\", expected one of llama, ");
    check_refused("hidden_act", json!("relu"), "`hidden_act` is `relu`, expected `silu`");
    check_refused("attention_dropout", json!(0.1), "`attention_dropout` is 0.1, expected 0.0");
    check_refused(
        "rope_scaling",
        json!({ "type": "ntk", "factor": 2.0 }),
        "`rope_scaling.rope_type` is `ntk`",
    );
    check_refused(
        "rope_scaling",
        json!({ "type": "linear" }),
        "`rope_scaling.factor` is missing, expected a number",
    );
    check_refused(
        "rope_scaling",
        json!({ "type": "linear", "factor": 2.0, "finetuned": true }),
        "`rope_scaling.finetuned` is true; its meaning",
    );
    check_refused(
        "rope_parameters",
        json!({ "rope_type": "llama3", "rope_theta": 5e5 }),
        "`rope_parameters.factor` is missing",
    );
    check_refused("quantization_config", json!({ "bits": 4 }), "`quantization_config` is");
    check_refused("clip_qkv", json!(8.0), "`clip_qkv` is 8.0; its meaning");
}

/// A file of another family; fields of `other` that are null are left out.
fn file_of(family: &str, other: &Value) -> Value {
    let mut file = file();
    let fields = file.as_object_mut().unwrap();
    fields.retain(|field, _| !["attention_bias", "mlp_bias"].contains(&field.as_str()));
    fields.insert("model_type".into(), json!(family));
    fields.extend(other.as_object().unwrap().clone());
    fields.retain(|_, value| !value.is_null());
    file
}

/// Fields that public checkpoints have and transformers does not read.
#[test]
fn accepts_what_public_files_say_besides() {
    let check = |family, said: Value, otherwise: Value| {
        parse(&file_of(family, &said)).unwrap();
        for (field, value) in otherwise.as_object().unwrap() {
            let error = parse(&file_of(family, &json!({ field: value }))).unwrap_err();
            assert!(error.contains(&format!("`{field}` is {value}, expected")), "{error}");
        }
    };
    let browser = json!({ "dtype": "q4", "kv_cache_dtype": { "fp16": "float16" } });
    check(
        "llama", // SmolLM2-135M-Instruct
        json!({ "is_llama_config": true, "rope_interleaved": false, "transformers.js_config": browser }),
        json!({ "rope_interleaved": true }),
    );
    check("qwen2", json!({ "use_mrope": false }), json!({ "use_mrope": true })); // Qwen2.5-0.5B
    check(
        "phi3", // Phi-4-mini-instruct
        json!({
            "attention_bias": false, "mlp_bias": false, "lm_head_bias": false, "auto_map": {},
            "full_attn_mod": 1, "interpolate_factor": 1, "embd_pdrop": 0.0, "resid_pdrop": 0.0,
        }),
        json!({ "lm_head_bias": true, "mlp_bias": true, "full_attn_mod": 2, "interpolate_factor": 4 }),
    );
    check("smollm3", json!({ "max_window_layers": 28, "pretraining_tp": 2 }), json!({})); // SmolLM3-3B
    check(
        "gemma3_text", // gemma-3-270m
        json!({ "_sliding_window_pattern": 6, "use_bidirectional_attention": false, "rope_parameters": null }),
        json!({ "use_bidirectional_attention": true }),
    );
}

#[test]
fn ropes_of_two_spellings_are_not_mixed() {
    let linear = json!({ "rope_type": "linear", "factor": 8.0 });
    let both = json!({
        "rope_scaling": linear,
        "rope_parameters": { "full_attention": { "rope_type": "default" } },
    });
    let error = parse(&file_of("gemma3_text", &both)).unwrap_err();
    assert!(error.contains("`rope_scaling` is beside `rope_parameters`"), "{error}");
    // As for transformers, an empty one says nothing.
    let empty = file_of("llama", &json!({ "rope_scaling": {} }));
    assert_eq!(parse(&empty).unwrap().ropes[0].theta, 5000.0);
}

/// transformers overrides what stands within by the class's default.
#[test]
fn phi3_takes_its_original_length_from_beside_the_scaling() {
    let scaling = json!({
        "type": "su", "short_factor": [1.0, 1.0, 1.0, 1.0], "long_factor": [2.0, 2.0, 2.0, 2.0],
    });
    let mut other = json!({ "rope_scaling": scaling, "rope_parameters": null });
    let original = |other: &Value| match &parse(&file_of("phi3", other)).unwrap().ropes[0].scaling {
        RopeScaling::LongRope { original, .. } => *original,
        scaling @ (RopeScaling::Default
        | RopeScaling::Linear { .. }
        | RopeScaling::Dynamic { .. }
        | RopeScaling::Yarn { .. }
        | RopeScaling::Llama3 { .. }) => panic!("{scaling:?}"),
    };
    assert_eq!(original(&other), 4096);
    other["original_max_position_embeddings"] = json!(64);
    assert_eq!(original(&other), 64);
}

#[test]
fn refuses_shapes_that_do_not_fit() {
    check_refused(
        "num_key_value_heads",
        json!(3),
        "`num_key_value_heads` is 3, expected a divisor of num_attention_heads = 4",
    );
    check_refused(
        "head_dim",
        json!(7),
        "`head_dim × partial_rotary_factor` is 7, expected an even",
    );
    check_refused("num_attention_heads", json!(0), "`num_attention_heads` is 0");
    check_refused("num_hidden_layers", json!(1_u64 << 40), "`num_hidden_layers` is");
    check_refused("vocab_size", json!(0), "`vocab_size` is 0");
    check_refused("rms_norm_eps", json!(0.0), "`rms_norm_eps` is 0");
    check_refused("vocab_size", json!("many"), "`vocab_size` is \"many\", expected a whole number");
    check_refused("vocab_size", Value::Null, "`vocab_size` is missing");
}

#[test]
fn writing_and_reading_gives_the_same() {
    let mut file = file();
    file["pad_token_id"] = json!(3);
    let config = parse(&file).unwrap();
    let text = config.to_json("bfloat16");
    assert_eq!(Config::from_json(&text, Path::new("config.json")).unwrap(), config);
    assert!(text.contains(r#""dtype": "bfloat16""#), "{text}");
    assert!(text.contains(r#""pad_token_id": 3"#), "what is not computed stays: {text}");
}

#[test]
fn another_vocabulary_reaches_the_file() {
    let config = parse(&file()).unwrap().with_vocab_size(101);
    let text = config.to_json("float32");
    assert_eq!(Config::from_json(&text, Path::new("config.json")).unwrap().vocab_size, 101);
}

#[test]
fn counts_parameters_once_when_tied() {
    let tied = parse(&file()).unwrap();
    let mut untied = file();
    untied["tie_word_embeddings"] = json!(false);
    assert_eq!(tied.n_parameters(), 21_696); // what transformers counts
    assert_eq!(parse(&untied).unwrap().n_parameters(), 21_696 + 97 * 32);
}
