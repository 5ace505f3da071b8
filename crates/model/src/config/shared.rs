//! The fields that families share, and how they are read.

use serde_json::{Map, Value, json};

use super::{Activation, Config, Family, Layer, NormPlacement, fields::Fields};
use crate::Error;

/// Defaults that differ between families.
pub(super) struct Defaults {
    pub(super) context: usize,
    /// Where the field is left out; `None`: as many as query heads.
    pub(super) n_kv_heads: Option<usize>,
    /// `None`: the hidden size divided by the heads.
    pub(super) head_dim: Option<usize>,
    pub(super) epsilon: f64,
    pub(super) tied: bool,
}

impl Default for Defaults {
    fn default() -> Self {
        Self { context: 2048, n_kv_heads: None, head_dim: None, epsilon: 1e-6, tied: false }
    }
}

/// The fields all families share, and the choices most of them make; ropes are still missing.
pub(super) fn shared(fields: &mut Fields<'_>, defaults: Defaults) -> Result<Config, Error> {
    let hidden_size = fields.size("hidden_size")?;
    let n_heads = fields.size("num_attention_heads")?;
    let default_head_dim = defaults.head_dim.or(hidden_size.checked_div(n_heads)).unwrap_or(0);
    let head_dim = fields.optional_size("head_dim")?.unwrap_or(default_head_dim);
    let n_layers = fields.size("num_hidden_layers")?;
    if !(1..=MOST_LAYERS).contains(&n_layers) {
        let expected = format!("1 to {MOST_LAYERS}");
        return Err(fields.wrong("num_hidden_layers", &n_layers.to_string(), &expected));
    }
    let default_kv_heads = match fields.is_named("num_key_value_heads") {
        true => n_heads,
        false => defaults.n_kv_heads.unwrap_or(n_heads),
    };
    fields.expect("attention_dropout", &json!(0.0))?;
    fields.expect("is_causal", &json!(true))?;
    fields.expect("quantization_config", &Value::Null)?;
    Ok(Config {
        source: Map::new(),
        family: Family::Llama,
        vocab_size: fields.size("vocab_size")?,
        hidden_size,
        intermediate_size: fields.size("intermediate_size")?,
        n_heads,
        n_kv_heads: fields.optional_size("num_key_value_heads")?.unwrap_or(default_kv_heads),
        head_dim,
        max_position_embeddings: fields
            .optional_size("max_position_embeddings")?
            .unwrap_or(defaults.context),
        layers: vec![Layer { window: None, rope: Some(0) }; n_layers],
        ropes: Vec::new(),
        norm_placement: NormPlacement::Before,
        norm_epsilon: fields.number("rms_norm_eps", defaults.epsilon)?,
        norm_offset: 0.0,
        qk_norm: None,
        qkv_bias: false,
        output_bias: false,
        mlp_bias: false,
        activation: Activation::Silu,
        attention_scale: (head_dim as f64).powf(-0.5),
        attention_soft_cap: None,
        logit_soft_cap: None,
        embedding_scale: 1.0,
        tie_word_embeddings: fields.flag("tie_word_embeddings", defaults.tied)?,
        initializer_range: fields.number("initializer_range", 0.02)?,
        bos_token_id: token_ids(fields, "bos_token_id")?.first().copied(),
        eos_token_ids: token_ids(fields, "eos_token_id")?,
    })
}

/// More layers than any model has; what a wrong number may allocate is bounded by it.
const MOST_LAYERS: usize = 10_000;

/// The activation that a field names.
pub(super) fn activation(
    fields: &mut Fields<'_>,
    field: &'static str,
    default: Activation,
) -> Result<Activation, Error> {
    match fields.text(field)? {
        None => Ok(default),
        Some("silu" | "swish") => Ok(Activation::Silu),
        Some("gelu_pytorch_tanh" | "gelu_new") => Ok(Activation::GeluTanh),
        Some(other) => {
            Err(fields.wrong(field, &format!("`{other}`"), "`silu` or `gelu_pytorch_tanh`"))
        }
    }
}

/// Windows in the layers from `max_window_layers` on, where they are switched on at all.
pub(super) fn windows_above(fields: &mut Fields<'_>, config: &mut Config) -> Result<(), Error> {
    let on = fields.flag("use_sliding_window", false)?;
    // Left out, transformers assumes 4,096; null means that there is none.
    let window = match fields.is_named("sliding_window") {
        true => fields.optional_size("sliding_window")?,
        false => Some(4096),
    };
    let window = window.filter(|_| on);
    let first = fields.optional_size("max_window_layers")?.unwrap_or(28);
    let slides = layer_types(fields, config, window.is_some())?;
    for (number, layer) in config.layers.iter_mut().enumerate() {
        let slides = slides.as_ref().map_or(number >= first, |slides| slides[number]);
        layer.window = window.filter(|_| slides);
    }
    Ok(())
}

/// For each layer whether it has a window, where the file lists it; `has_window`: whether there is
/// one to have.
pub(super) fn layer_types(
    fields: &mut Fields<'_>,
    config: &Config,
    has_window: bool,
) -> Result<Option<Vec<bool>>, Error> {
    let expected = match has_window {
        true => "`sliding_attention` or `full_attention`",
        false => "`full_attention`, since no window is switched on",
    };
    fields.per_layer("layer_types", config.n_layers(), expected, |entry| match entry.as_str() {
        Some("sliding_attention") if has_window => Some(true),
        Some("full_attention") => Some(false),
        _ => None,
    })
}

pub(super) fn soft_cap(
    fields: &mut Fields<'_>,
    field: &'static str,
    default: Option<f64>,
) -> Result<Option<f64>, Error> {
    if !fields.is_named(field) {
        return Ok(default);
    }
    match fields.optional_number(field)? {
        Some(cap) if !(cap.is_finite() && cap > 0.0) => {
            Err(fields.wrong(field, &cap.to_string(), "null or a number above 0"))
        }
        cap => Ok(cap),
    }
}

/// Token ids are written as a number, a list or null.
fn token_ids(fields: &mut Fields<'_>, field: &'static str) -> Result<Vec<u32>, Error> {
    let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
    let ids = match fields.take(field) {
        None => return Ok(Vec::new()),
        Some(Value::Array(ids)) => ids.iter().map(id).collect(),
        // transformers writes −1 for none in a few old files.
        Some(value) if value.as_i64() == Some(-1) => Some(Vec::new()),
        Some(value) => id(value).map(|id| vec![id]),
    };
    ids.ok_or_else(|| fields.wrong(field, "something else", "a token id, a list of them or null"))
}
