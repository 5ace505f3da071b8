//! The resolved description of a decoder, read from and written to a Hugging Face `config.json`.

use std::{fs, path::Path};

use serde_json::{Map, Value, json};

use crate::{
    Error,
    rope::{Rope, RopeScaling},
};

mod check;
mod family;
mod fields;
mod ropes;
mod shared;

pub use family::Family;

/// What a decoder computes: sizes, and choices that do not depend on one another.
///
/// Made from a `config.json` alone ([`Config::load`], [`Config::from_json`]), whose family sets the
/// choices; nothing else in the crate knows families.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The fields of the file, the weights' type set to null.
    source: Map<String, Value>,
    /// Whose tensor names and defaults apply.
    pub family: Family,
    /// Rows of the embedding: token ids are below this.
    pub vocab_size: usize,
    /// Width of the residual stream.
    pub hidden_size: usize,
    /// Width inside the feed-forward part.
    pub intermediate_size: usize,
    /// Query heads.
    pub n_heads: usize,
    /// Key and value heads; divides `n_heads`.
    pub n_kv_heads: usize,
    /// Width of one head.
    pub head_dim: usize,
    /// Longest sequence the model is meant for, in tokens.
    pub max_position_embeddings: usize,
    /// One entry for each block.
    pub layers: Vec<Layer>,
    /// The ropes that layers refer to.
    pub ropes: Vec<Rope>,
    /// Where the norms of a block stand.
    pub norm_placement: NormPlacement,
    /// Added to the mean square inside each RMSNorm.
    pub norm_epsilon: f64,
    /// Added to each norm's weight: 1 where weights are stored as differences from 1.
    pub norm_offset: f64,
    /// Whether queries and keys have norms of their own.
    pub qk_norm: Option<QkNorm>,
    /// Whether query, key and value projections have biases.
    pub qkv_bias: bool,
    /// Whether the attention's output projection has a bias.
    pub output_bias: bool,
    /// Whether the projections of the feed-forward part have biases.
    pub mlp_bias: bool,
    /// The feed-forward part's activation.
    pub activation: Activation,
    /// What attention scores are multiplied by.
    pub attention_scale: f64,
    /// Scores go through `cap · tanh(score / cap)`.
    pub attention_soft_cap: Option<f64>,
    /// Logits go through `cap · tanh(logit / cap)`.
    pub logit_soft_cap: Option<f64>,
    /// What embeddings are multiplied by.
    pub embedding_scale: f64,
    /// Whether the output matrix is the embedding.
    pub tie_word_embeddings: bool,
    /// Standard deviation of freshly drawn matrices.
    pub initializer_range: f64,
    /// Id of the token that begins a text, where the tokenizer has one.
    pub bos_token_id: Option<u32>,
    /// Ids of the tokens that end a text.
    pub eos_token_ids: Vec<u32>,
}

/// What differs from block to block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layer {
    /// A query sees this many positions, its own among them; `None`: all before it.
    pub window: Option<usize>,
    /// Index into [`Config::ropes`]; `None`: queries and keys are not turned.
    pub rope: Option<usize>,
}

/// Where the norms of a block stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NormPlacement {
    /// Before attention and before the feed-forward part: `x + f(norm(x))`.
    Before,
    /// Behind them, inside the residual: `x + norm(f(x))`.
    After,
    /// Both: `x + norm(f(norm(x)))`.
    Around,
}

/// Over what queries and keys are normed, before they are turned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QkNorm {
    /// Each head by itself.
    Head,
    /// All heads together.
    Whole,
}

/// The activation of the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `x · sigmoid(x)`.
    Silu,
    /// The tanh approximation of GELU (Hendrycks and Gimpel 2016, arXiv:1606.08415).
    GeluTanh,
}

impl Config {
    /// Reads `config.json` of a checkpoint folder.
    ///
    /// # Errors
    ///
    /// [`Error::Read`], [`Error::ConfigSyntax`]; [`Error::ConfigValue`] naming the first field whose
    /// value is not computed or does not fit the others; [`Error::ConfigUnknown`] naming a field
    /// whose meaning is not implemented. Nothing is ignored that could change logits.
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
        let source: Map<String, Value> = serde_json::from_str(text)
            .map_err(|source| Error::ConfigSyntax { path: path.into(), source })?;
        family::resolve(source, path)
    }

    /// Number of blocks.
    pub fn n_layers(&self) -> usize {
        self.layers.len()
    }

    /// The text of the `config.json`, with the weights' type as `dtype`.
    ///
    /// Every field stays as it was read, those that say nothing about the computation too.
    pub fn to_json(&self, dtype: &str) -> String {
        let mut source = self.source.clone();
        for field in DTYPE_FIELDS {
            if let Some(value) = source.get_mut(field) {
                *value = dtype.into();
            }
        }
        format!("{:#}\n", Value::Object(source))
    }

    /// The text of a `generation_config.json` that transformers reads.
    pub fn to_generation_json(&self) -> String {
        let eos = match self.eos_token_ids[..] {
            [] => Value::Null,
            [id] => json!(id),
            ref ids => json!(ids),
        };
        let value = json!({
            "_from_model_config": true,
            "bos_token_id": self.bos_token_id,
            "eos_token_id": eos,
        });
        format!("{value:#}\n")
    }

    /// The same decoder with another number of token ids.
    #[must_use]
    pub fn with_vocab_size(&self, vocab_size: usize) -> Self {
        let mut config = self.clone();
        config.vocab_size = vocab_size;
        config.source.insert("vocab_size".into(), json!(vocab_size));
        config
    }

    /// How many weights there are; a tied output matrix counts once.
    pub fn n_parameters(&self) -> usize {
        crate::names::parameters(self).iter().map(crate::Parameter::n_values).sum()
    }

    /// Longest sequence that can be generated, in tokens: a rope that stretches with the sequence
    /// carries it past `max_position_embeddings`.
    pub fn context(&self) -> usize {
        let of_rope = |rope: &Rope| match rope.scaling {
            RopeScaling::Dynamic { factor, original } => (original as f64 * factor) as usize,
            RopeScaling::Default
            | RopeScaling::Linear { .. }
            | RopeScaling::Yarn { .. }
            | RopeScaling::LongRope { .. }
            | RopeScaling::Llama3 { .. } => 0,
        };
        self.ropes.iter().map(of_rope).fold(self.max_position_embeddings, usize::max)
    }

    /// True where a sequence that has grown to this length turns its earlier keys by other angles
    /// than before, as transformers does for LongRoPE; it keeps those of other ropes.
    pub(crate) fn turns_anew_at(&self, length: usize) -> bool {
        self.ropes.iter().any(|rope| {
            matches!(rope.scaling, RopeScaling::LongRope { original, .. } if length == original + 1)
        })
    }

    /// True where the norms of a block stand before its parts.
    pub(crate) fn norms_before(&self) -> bool {
        self.norm_placement != NormPlacement::After
    }

    /// True where the norms of a block stand behind its parts.
    pub(crate) fn norms_after(&self) -> bool {
        self.norm_placement != NormPlacement::Before
    }
}

/// transformers 5 writes the first, 4 the second.
const DTYPE_FIELDS: [&str; 2] = ["dtype", "torch_dtype"];

#[cfg(test)]
mod tests;
