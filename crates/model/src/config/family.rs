//! From the fields of a family's `config.json` to the choices of a [`Config`].
//!
//! A new family is one arm in [`Family`], one function here and, where its tensors have other
//! names, one table in `names.rs`. Defaults are those of transformers' configuration classes.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::{
    Activation, Config, DTYPE_FIELDS, Layer, NormPlacement, QkNorm,
    check::check,
    fields::Fields,
    ropes,
    shared::{Defaults, activation, layer_types, shared, soft_cap, windows_above},
};
use crate::Error;

/// The `model_type` of a `config.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Llama 2 and 3, SmolLM 2, TinyLlama and whoever took their form.
    Llama,
    /// Mistral 7B: all layers with a window.
    Mistral,
    /// Qwen 2 and 2.5: biases on queries, keys and values.
    Qwen2,
    /// Qwen 3: norms on queries and keys, head by head.
    Qwen3,
    /// OLMo 2: norms behind the parts of a block, and on whole queries and keys.
    Olmo2,
    /// Gemma 2: soft caps, windows in every other layer.
    Gemma2,
    /// The text part of Gemma 3: norms on queries and keys, another rope in layers with windows.
    Gemma3Text,
    /// Phi 3 and 4: projections stored in one.
    Phi3,
    /// SmolLM 3: some layers without a rope.
    SmolLm3,
}

impl Family {
    /// Every family with its `model_type` and the class transformers loads it as.
    const NAMES: [(Self, &str, &str); 9] = [
        (Self::Llama, "llama", "LlamaForCausalLM"),
        (Self::Mistral, "mistral", "MistralForCausalLM"),
        (Self::Qwen2, "qwen2", "Qwen2ForCausalLM"),
        (Self::Qwen3, "qwen3", "Qwen3ForCausalLM"),
        (Self::Olmo2, "olmo2", "Olmo2ForCausalLM"),
        (Self::Gemma2, "gemma2", "Gemma2ForCausalLM"),
        (Self::Gemma3Text, "gemma3_text", "Gemma3ForCausalLM"),
        (Self::Phi3, "phi3", "Phi3ForCausalLM"),
        (Self::SmolLm3, "smollm3", "SmolLM3ForCausalLM"),
    ];

    /// Its `model_type`.
    pub fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(family, ..)| *family == self).map_or("", |(_, name, _)| name)
    }

    fn architecture(self) -> &'static str {
        Self::NAMES.iter().find(|(family, ..)| *family == self).map_or("", |(.., class)| class)
    }
}

/// Resolves the fields of a file.
pub(super) fn resolve(mut source: Map<String, Value>, path: &Path) -> Result<Config, Error> {
    let family = match source.get("model_type").and_then(Value::as_str) {
        Some(found) => Family::NAMES.iter().find(|(_, name, _)| *name == found),
        None => None,
    };
    let mut fields = Fields::new(path, &source);
    let Some((family, ..)) = family else {
        let found = fields.take("model_type").map_or("missing".into(), Value::to_string);
        let names: Vec<_> = Family::NAMES.iter().map(|(_, name, _)| *name).collect();
        return Err(fields.wrong("model_type", &found, &format!("one of {}", names.join(", "))));
    };
    let config = match family {
        Family::Llama => llama(&mut fields),
        Family::Mistral => mistral(&mut fields),
        Family::Qwen2 => qwen2(&mut fields),
        Family::Qwen3 => qwen3(&mut fields),
        Family::Olmo2 => olmo2(&mut fields),
        Family::Gemma2 => gemma2(&mut fields),
        Family::Gemma3Text => gemma3_text(&mut fields),
        Family::Phi3 => phi3(&mut fields),
        Family::SmolLm3 => smollm3(&mut fields),
    };
    let mut config = config?;
    check(&config, &fields)?;
    fields.finish()?;
    config.family = *family;
    if !DTYPE_FIELDS.iter().any(|field| source.contains_key(*field)) {
        source.insert("torch_dtype".into(), Value::Null);
    }
    for field in DTYPE_FIELDS {
        if let Some(value) = source.get_mut(field) {
            *value = Value::Null;
        }
    }
    // A checkpoint that is written again is a causal language model, whatever class it came from.
    source.entry("architectures").or_insert_with(|| json!([family.architecture()]));
    config.source = source;
    Ok(config)
}

fn llama(fields: &mut Fields<'_>) -> Result<Config, Error> {
    let mut config = shared(fields, Defaults::default())?;
    let bias = fields.flag("attention_bias", false)?;
    (config.qkv_bias, config.output_bias) = (bias, bias);
    config.mlp_bias = fields.flag("mlp_bias", false)?;
    // SmolLM 2 says so; transformers turns halves whatever it says.
    fields.expect("rope_interleaved", &json!(false))?;
    config.activation = activation(fields, "hidden_act", Activation::Silu)?;
    config.ropes = vec![ropes::single(fields, &config, 10_000.0)?];
    Ok(config)
}

fn mistral(fields: &mut Fields<'_>) -> Result<Config, Error> {
    let defaults = Defaults { context: 131_072, n_kv_heads: Some(8), ..Defaults::default() };
    let mut config = shared(fields, defaults)?;
    // Left out, transformers assumes 4,096; null means that there is none.
    let window = match fields.is_named("sliding_window") {
        true => fields.optional_size("sliding_window")?,
        false => Some(4096),
    };
    config.layers.iter_mut().for_each(|layer| layer.window = window);
    config.activation = activation(fields, "hidden_act", Activation::Silu)?;
    config.ropes = vec![ropes::single(fields, &config, 10_000.0)?];
    Ok(config)
}

fn qwen2(fields: &mut Fields<'_>) -> Result<Config, Error> {
    let defaults = Defaults { context: 32_768, n_kv_heads: Some(32), ..Defaults::default() };
    let mut config = shared(fields, defaults)?;
    config.qkv_bias = true;
    // Files of Qwen 2.5 say that positions have one dimension.
    fields.expect("use_mrope", &json!(false))?;
    config.activation = activation(fields, "hidden_act", Activation::Silu)?;
    config.ropes = vec![ropes::single(fields, &config, 10_000.0)?];
    windows_above(fields, &mut config)?;
    Ok(config)
}

fn qwen3(fields: &mut Fields<'_>) -> Result<Config, Error> {
    let defaults = Defaults {
        context: 32_768,
        n_kv_heads: Some(32),
        head_dim: Some(128),
        ..Defaults::default()
    };
    let mut config = shared(fields, defaults)?;
    let bias = fields.flag("attention_bias", false)?;
    (config.qkv_bias, config.output_bias) = (bias, bias);
    config.qk_norm = Some(QkNorm::Head);
    config.activation = activation(fields, "hidden_act", Activation::Silu)?;
    config.ropes = vec![ropes::single(fields, &config, 10_000.0)?];
    windows_above(fields, &mut config)?;
    Ok(config)
}

fn olmo2(fields: &mut Fields<'_>) -> Result<Config, Error> {
    let mut config = shared(fields, Defaults { epsilon: 1e-5, ..Defaults::default() })?;
    let bias = fields.flag("attention_bias", false)?;
    (config.qkv_bias, config.output_bias) = (bias, bias);
    config.norm_placement = NormPlacement::After;
    config.qk_norm = Some(QkNorm::Whole);
    config.activation = activation(fields, "hidden_act", Activation::Silu)?;
    config.ropes = vec![ropes::single(fields, &config, 10_000.0)?];
    Ok(config)
}

fn gemma2(fields: &mut Fields<'_>) -> Result<Config, Error> {
    let mut config = gemma(fields, 8192)?;
    config.attention_soft_cap = soft_cap(fields, "attn_logit_softcapping", Some(50.0))?;
    config.logit_soft_cap = soft_cap(fields, "final_logit_softcapping", Some(30.0))?;
    config.ropes = vec![ropes::single(fields, &config, 10_000.0)?];
    let window = fields.optional_size("sliding_window")?.unwrap_or(4096);
    let slides = layer_types(fields, &config, true)?;
    for (number, layer) in config.layers.iter_mut().enumerate() {
        let slides = slides.as_ref().map_or(number.is_multiple_of(2), |slides| slides[number]);
        layer.window = slides.then_some(window);
    }
    Ok(config)
}

fn gemma3_text(fields: &mut Fields<'_>) -> Result<Config, Error> {
    let mut config = gemma(fields, 131_072)?;
    config.qk_norm = Some(QkNorm::Head);
    // transformers reads it and never applies it.
    fields.expect("attn_logit_softcapping", &Value::Null)?;
    config.logit_soft_cap = soft_cap(fields, "final_logit_softcapping", None)?;
    config.ropes = ropes::local_and_global(fields, &config)?.into();
    let window = fields.optional_size("sliding_window")?.unwrap_or(4096);
    let slides = layer_types(fields, &config, true)?;
    // transformers 5 writes the pattern with an underscore, beside the layer types.
    let old = fields.optional_size("_sliding_window_pattern")?;
    let period = fields.optional_size("sliding_window_pattern")?.or(old).unwrap_or(6);
    for (number, layer) in config.layers.iter_mut().enumerate() {
        let by_pattern = period == 0 || !(number + 1).is_multiple_of(period);
        let slides = slides.as_ref().map_or(by_pattern, |slides| slides[number]);
        *layer = match slides {
            true => Layer { window: Some(window), rope: Some(0) },
            false => Layer { window: None, rope: Some(1) },
        };
    }
    Ok(config)
}

fn phi3(fields: &mut Fields<'_>) -> Result<Config, Error> {
    let defaults = Defaults { context: 4096, epsilon: 1e-5, ..Defaults::default() };
    let mut config = shared(fields, defaults)?;
    fields.expect("embd_pdrop", &json!(0.0))?;
    fields.expect("resid_pdrop", &json!(0.0))?;
    for bias in ["attention_bias", "mlp_bias", "lm_head_bias"] {
        fields.expect(bias, &json!(false))?;
    }
    // Phi 4 mini has these two; only 1 leaves the computation as it is.
    for field in ["full_attn_mod", "interpolate_factor"] {
        fields.expect(field, &json!(1))?;
    }
    let window = fields.optional_size("sliding_window")?;
    config.layers.iter_mut().for_each(|layer| layer.window = window);
    config.activation = activation(fields, "hidden_act", Activation::Silu)?;
    config.ropes = vec![ropes::phi3(fields, &config)?];
    Ok(config)
}

fn smollm3(fields: &mut Fields<'_>) -> Result<Config, Error> {
    let defaults =
        Defaults { context: 32_768, n_kv_heads: Some(4), tied: true, ..Defaults::default() };
    let mut config = shared(fields, defaults)?;
    let bias = fields.flag("attention_bias", false)?;
    (config.qkv_bias, config.output_bias) = (bias, bias);
    config.mlp_bias = fields.flag("mlp_bias", false)?;
    config.activation = activation(fields, "hidden_act", Activation::Silu)?;
    config.ropes = vec![ropes::single(fields, &config, 2_000_000.0)?];
    fields.expect("rope_interleaved", &json!(false))?;
    // Left over from the family it came from; layer types decide.
    fields.take("max_window_layers");
    let turns = fields.numbers("no_rope_layers")?;
    let n_turns = turns.as_ref().map_or(usize::MAX, Vec::len);
    if n_turns < config.n_layers() {
        let expected = format!("at least {}", config.n_layers());
        return Err(fields.wrong("no_rope_layers", &format!("{n_turns} numbers"), &expected));
    }
    let interval = fields.optional_size("no_rope_layer_interval")?.unwrap_or(4);
    let window = match fields.flag("use_sliding_window", false)? {
        true => fields.optional_size("sliding_window")?,
        false => fields.take("sliding_window").and(None),
    };
    let slides = layer_types(fields, &config, window.is_some())?;
    for (number, layer) in config.layers.iter_mut().enumerate() {
        let by_interval = interval == 0 || !(number + 1).is_multiple_of(interval);
        let turns = turns.as_ref().map_or(by_interval, |turns| turns[number] != 0.0);
        let slides = slides.as_ref().map_or(!turns && window.is_some(), |slides| slides[number]);
        *layer = Layer { window: window.filter(|_| slides), rope: turns.then_some(0) };
    }
    Ok(config)
}

/// What the two Gemmas share.
fn gemma(fields: &mut Fields<'_>, context: usize) -> Result<Config, Error> {
    let defaults = Defaults {
        context,
        n_kv_heads: Some(4),
        head_dim: Some(256),
        tied: true,
        ..Defaults::default()
    };
    let mut config = shared(fields, defaults)?;
    let bias = fields.flag("attention_bias", false)?;
    (config.qkv_bias, config.output_bias) = (bias, bias);
    fields.expect("use_bidirectional_attention", &json!(false))?;
    config.norm_placement = NormPlacement::Around;
    config.norm_offset = 1.0;
    // Early files have the other spelling too, with a value that was never used.
    fields.take("hidden_act");
    config.activation = activation(fields, "hidden_activation", Activation::GeluTanh)?;
    config.attention_scale = fields.number("query_pre_attn_scalar", 256.0)?.powf(-0.5);
    config.embedding_scale = (config.hidden_size as f64).sqrt();
    Ok(config)
}
