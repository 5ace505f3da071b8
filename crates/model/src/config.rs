//! The shape of a decoder, read from and written to a Hugging Face `config.json`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::Error;

/// The resolved shape of a Llama decoder: every value is there, and all of them fit together.
///
/// Built by [`Config::load`], or field by field and then checked with [`Config::check`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Rows of the embedding: token ids are below this.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width inside the feed-forward part.
    pub intermediate_size: usize,
    /// Number of blocks.
    pub n_layers: usize,
    /// Query heads.
    pub n_heads: usize,
    /// Key and value heads; divides `n_heads`.
    pub n_kv_heads: usize,
    /// Width of one head; even, since rotary positions turn pairs.
    pub head_dim: usize,
    /// Longest sequence the model is meant for, in tokens.
    pub max_position_embeddings: usize,
    /// Base of the rotary frequencies.
    pub rope_theta: f64,
    /// Added to the mean square inside each RMSNorm.
    pub rms_norm_eps: f64,
    /// Whether the output matrix is the embedding.
    pub tie_word_embeddings: bool,
    /// Standard deviation of freshly drawn matrices.
    pub initializer_range: f64,
    /// Id of the token that begins a text, where the tokenizer has one.
    pub bos_token_id: Option<u32>,
    /// Ids of the tokens that end a text.
    pub eos_token_ids: Vec<u32>,
}

/// The text's form: what transformers writes, old and new.
#[derive(Deserialize)]
struct ConfigFile {
    model_type: String,
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    hidden_act: Option<String>,
    max_position_embeddings: Option<usize>,
    rms_norm_eps: Option<f64>,
    tie_word_embeddings: Option<bool>,
    initializer_range: Option<f64>,
    attention_bias: Option<bool>,
    mlp_bias: Option<bool>,
    bos_token_id: Option<Value>,
    eos_token_id: Option<Value>,
    quantization_config: Option<Value>,
    // transformers 5 writes `rope_parameters`; before, there were these two.
    rope_parameters: Option<Value>,
    rope_theta: Option<f64>,
    rope_scaling: Option<Value>,
}

const ONLY_LLAMA: &str =
    "only Llama-family decoders without biases, in float weights, are supported";

impl Config {
    /// Reads `config.json` of a checkpoint folder.
    ///
    /// # Errors
    ///
    /// [`Error::Read`], [`Error::ConfigSyntax`], and [`Error::ConfigValue`] naming the first field
    /// that asks for something this decoder does not compute. Nothing is silently ignored that
    /// changes logits: model type, activation, biases, rotary scaling and quantization are checked.
    pub fn load(dir: &Path) -> Result<Self, Error> {
        let path = dir.join("config.json");
        let text = fs::read_to_string(&path)
            .map_err(|source| Error::Read { path: path.clone(), source })?;
        Self::from_json(&text, &path)
    }

    /// Resolves the text of a `config.json`; `path` is only for messages.
    ///
    /// # Errors
    ///
    /// As [`Config::load`], without the reading.
    pub fn from_json(text: &str, path: &Path) -> Result<Self, Error> {
        let file: ConfigFile = serde_json::from_str(text)
            .map_err(|source| Error::ConfigSyntax { path: path.into(), source })?;
        let refuse = |field, found: String, expected: &str| {
            Err(Error::ConfigValue {
                path: path.into(),
                field,
                found,
                expected: expected.into(),
                hint: ONLY_LLAMA,
            })
        };
        if file.model_type != "llama" {
            return refuse("model_type", format!("`{}`", file.model_type), "`llama`");
        }
        if let Some(act) = file.hidden_act.filter(|act| act != "silu") {
            return refuse("hidden_act", format!("`{act}`"), "`silu`");
        }
        if file.attention_bias == Some(true) {
            return refuse("attention_bias", "true".into(), "false");
        }
        if file.mlp_bias == Some(true) {
            return refuse("mlp_bias", "true".into(), "false");
        }
        if let Some(config) = file.quantization_config.filter(|c| !c.is_null()) {
            return refuse("quantization_config", config.to_string(), "none");
        }
        if let Some(scaling) = file.rope_scaling.as_ref().filter(|s| !is_default_rope(s)) {
            return refuse("rope_scaling", scaling.to_string(), "none, or type `default`");
        }
        if let Some(rope) = file.rope_parameters.as_ref().filter(|s| !is_default_rope(s)) {
            return refuse("rope_parameters", rope.to_string(), "`rope_type` `default`");
        }
        let rope_theta = file
            .rope_parameters
            .as_ref()
            .and_then(|rope| rope.get("rope_theta"))
            .and_then(Value::as_f64);
        let config = Self {
            vocab_size: file.vocab_size,
            hidden_size: file.hidden_size,
            intermediate_size: file.intermediate_size,
            n_layers: file.num_hidden_layers,
            n_heads: file.num_attention_heads,
            n_kv_heads: file.num_key_value_heads.unwrap_or(file.num_attention_heads),
            head_dim: file.head_dim.unwrap_or(file.hidden_size / file.num_attention_heads.max(1)),
            // The defaults below are those of transformers' LlamaConfig.
            max_position_embeddings: file.max_position_embeddings.unwrap_or(2048),
            rope_theta: rope_theta.or(file.rope_theta).unwrap_or(10_000.0),
            rms_norm_eps: file.rms_norm_eps.unwrap_or(1e-6),
            tie_word_embeddings: file.tie_word_embeddings.unwrap_or(false),
            initializer_range: file.initializer_range.unwrap_or(0.02),
            bos_token_id: token_ids(file.bos_token_id.as_ref()).first().copied(),
            eos_token_ids: token_ids(file.eos_token_id.as_ref()),
        };
        config.check(path)?;
        Ok(config)
    }

    /// Checks that the values fit together; `path` is only for messages.
    ///
    /// # Errors
    ///
    /// [`Error::ConfigValue`] for the first that does not.
    pub fn check(&self, path: &Path) -> Result<(), Error> {
        const HINT: &str = "correct the field, or take the config.json that came with the weights";
        let refuse = |field, found: String, expected: String| {
            Err(Error::ConfigValue {
                path: PathBuf::from(path),
                field,
                found,
                expected,
                hint: HINT,
            })
        };
        let sizes = [
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("intermediate_size", self.intermediate_size),
            ("num_hidden_layers", self.n_layers),
            ("num_attention_heads", self.n_heads),
            ("num_key_value_heads", self.n_kv_heads),
            ("max_position_embeddings", self.max_position_embeddings),
        ];
        if let Some((field, found)) =
            sizes.into_iter().find(|(_, size)| !(1..=1 << 30).contains(size))
        {
            return refuse(field, found.to_string(), "1 to 2^30".into());
        }
        if !self.n_heads.is_multiple_of(self.n_kv_heads) {
            return refuse(
                "num_key_value_heads",
                self.n_kv_heads.to_string(),
                format!("a divisor of num_attention_heads = {}", self.n_heads),
            );
        }
        if self.head_dim == 0 || !self.head_dim.is_multiple_of(2) || self.head_dim > 1 << 16 {
            return refuse(
                "head_dim",
                self.head_dim.to_string(),
                "an even number of at most 65,536".into(),
            );
        }
        let reals = [
            ("rope_theta", self.rope_theta),
            ("rms_norm_eps", self.rms_norm_eps),
            ("initializer_range", self.initializer_range),
        ];
        if let Some((field, found)) = reals.into_iter().find(|(_, x)| !(x.is_finite() && *x > 0.0))
        {
            return refuse(field, found.to_string(), "a number above 0".into());
        }
        Ok(())
    }

    /// The text of a `config.json` that transformers reads, with the weights' type as `dtype`.
    ///
    /// Both spellings of the rotary base are written, so that transformers 4 reads it as well.
    pub fn to_json(&self, dtype: &str) -> String {
        let value = json!({
            "architectures": ["LlamaForCausalLM"],
            "attention_bias": false,
            "attention_dropout": 0.0,
            "bos_token_id": self.bos_token_id,
            "dtype": dtype,
            "eos_token_id": self.eos_json(),
            "head_dim": self.head_dim,
            "hidden_act": "silu",
            "hidden_size": self.hidden_size,
            "initializer_range": self.initializer_range,
            "intermediate_size": self.intermediate_size,
            "max_position_embeddings": self.max_position_embeddings,
            "mlp_bias": false,
            "model_type": "llama",
            "num_attention_heads": self.n_heads,
            "num_hidden_layers": self.n_layers,
            "num_key_value_heads": self.n_kv_heads,
            "rms_norm_eps": self.rms_norm_eps,
            "rope_parameters": { "rope_theta": self.rope_theta, "rope_type": "default" },
            "rope_theta": self.rope_theta,
            "tie_word_embeddings": self.tie_word_embeddings,
            "torch_dtype": dtype,
            "use_cache": true,
            "vocab_size": self.vocab_size,
        });
        format!("{value:#}\n")
    }

    /// The text of a `generation_config.json` that transformers reads.
    pub fn to_generation_json(&self) -> String {
        let value = json!({
            "_from_model_config": true,
            "bos_token_id": self.bos_token_id,
            "eos_token_id": self.eos_json(),
        });
        format!("{value:#}\n")
    }

    /// How many weights there are; a tied output matrix counts once.
    pub fn n_parameters(&self) -> usize {
        crate::names::parameters(self).iter().map(crate::Parameter::n_values).sum()
    }

    fn eos_json(&self) -> Value {
        match self.eos_token_ids[..] {
            [] => Value::Null,
            [id] => json!(id),
            ref ids => json!(ids),
        }
    }
}

/// Whether a `rope_scaling` or `rope_parameters` object leaves the frequencies as they are.
fn is_default_rope(rope: &Value) -> bool {
    let kind = rope.get("rope_type").or_else(|| rope.get("type"));
    let whole = rope
        .get("partial_rotary_factor")
        .and_then(Value::as_f64)
        .is_none_or(|factor| factor == 1.0);
    rope.is_null() || (whole && kind.is_none_or(|kind| kind == "default"))
}

/// Token ids are written as a number, a list or null.
fn token_ids(value: Option<&Value>) -> Vec<u32> {
    let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
    match value {
        Some(Value::Array(ids)) => ids.iter().filter_map(id).collect(),
        Some(value) => id(value).into_iter().collect(),
        None => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
