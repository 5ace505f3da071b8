//! The tables between the fields of a decoder and the names of a Hugging Face checkpoint.
//!
//! ```text
//! Field::Embedding                       model.embed_tokens.weight
//! Field::Block(3, BlockField::Query)     model.layers.3.self_attn.q_proj.weight
//! Field::Norm                            model.norm.weight
//! Field::Head                            lm_head.weight
//! ```
//!
//! A family that names its tensors otherwise has a table of its own. A tensor of a file is the
//! concatenation of one or more fields along the first dimension. All matrices keep Hugging Face's
//! layout `[out, in]`.

use crate::{Config, config::QkNorm};

mod tables;

use tables::{LLAMA, table};

/// One trainable tensor of a decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Field {
    /// `[vocab_size, hidden_size]`.
    Embedding,
    /// A tensor of the block with this number.
    Block(usize, BlockField),
    /// `[hidden_size]`, before the output matrix.
    Norm,
    /// `[vocab_size, hidden_size]`; not there when the embedding is tied.
    Head,
}

/// One trainable tensor of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum BlockField {
    AttentionNorm,
    Query,
    QueryBias,
    Key,
    KeyBias,
    Value,
    ValueBias,
    QueryNorm,
    KeyNorm,
    Output,
    OutputBias,
    AttentionPostNorm,
    MlpNorm,
    Gate,
    GateBias,
    Up,
    UpBias,
    Down,
    DownBias,
    MlpPostNorm,
}

const EMBEDDING: &str = "model.embed_tokens.weight";
const NORM: &str = "model.norm.weight";
const HEAD: &str = "lm_head.weight";
const BLOCK: &str = "model.layers.";

impl BlockField {
    /// All there are.
    pub(crate) const ALL: [Self; 20] = [
        Self::AttentionNorm,
        Self::Query,
        Self::QueryBias,
        Self::Key,
        Self::KeyBias,
        Self::Value,
        Self::ValueBias,
        Self::QueryNorm,
        Self::KeyNorm,
        Self::Output,
        Self::OutputBias,
        Self::AttentionPostNorm,
        Self::MlpNorm,
        Self::Gate,
        Self::GateBias,
        Self::Up,
        Self::UpBias,
        Self::Down,
        Self::DownBias,
        Self::MlpPostNorm,
    ];

    /// Whether a block of this decoder has the field.
    fn is_part(self, config: &Config) -> bool {
        match self {
            Self::Query
            | Self::Key
            | Self::Value
            | Self::Output
            | Self::Gate
            | Self::Up
            | Self::Down => true,
            Self::QueryBias | Self::KeyBias | Self::ValueBias => config.qkv_bias,
            Self::OutputBias => config.output_bias,
            Self::GateBias | Self::UpBias | Self::DownBias => config.mlp_bias,
            Self::QueryNorm | Self::KeyNorm => config.qk_norm.is_some(),
            Self::AttentionNorm | Self::MlpNorm => config.norms_before(),
            Self::AttentionPostNorm | Self::MlpPostNorm => config.norms_after(),
        }
    }

    fn shape(self, config: &Config) -> Vec<usize> {
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let queries = config.n_heads * config.head_dim;
        let keys = config.n_kv_heads * config.head_dim;
        let normed =
            |whole| if config.qk_norm == Some(QkNorm::Whole) { whole } else { config.head_dim };
        match self {
            Self::AttentionNorm | Self::AttentionPostNorm | Self::MlpNorm | Self::MlpPostNorm => {
                vec![hidden]
            }
            Self::Query => vec![queries, hidden],
            Self::QueryBias => vec![queries],
            Self::Key | Self::Value => vec![keys, hidden],
            Self::KeyBias | Self::ValueBias => vec![keys],
            Self::QueryNorm => vec![normed(queries)],
            Self::KeyNorm => vec![normed(keys)],
            Self::Output => vec![hidden, queries],
            Self::OutputBias | Self::DownBias => vec![hidden],
            Self::Gate | Self::Up => vec![inner, hidden],
            Self::GateBias | Self::UpBias => vec![inner],
            Self::Down => vec![hidden, inner],
        }
    }
}

impl Field {
    /// The shape this field has in a decoder.
    pub(crate) fn shape(self, config: &Config) -> Vec<usize> {
        match self {
            Self::Embedding | Self::Head => vec![config.vocab_size, config.hidden_size],
            Self::Norm => vec![config.hidden_size],
            Self::Block(_, field) => field.shape(config),
        }
    }

    /// What the random stream of a matrix is called: its name in a checkpoint of the Llama family,
    /// whatever family the decoder is of.
    pub(crate) fn stream(self) -> String {
        match self {
            Self::Embedding => EMBEDDING.into(),
            Self::Norm => NORM.into(),
            Self::Head => HEAD.into(),
            Self::Block(block, field) => {
                let found = LLAMA.iter().find(|(_, fields)| *fields == [field]);
                format!("{BLOCK}{block}.{}", found.map_or("", |(suffix, _)| suffix))
            }
        }
    }

    /// Whether it is a bias or the weight of a norm.
    pub(crate) fn kind(self) -> FieldKind {
        match self {
            Self::Embedding | Self::Head => FieldKind::Matrix,
            Self::Norm => FieldKind::Norm,
            Self::Block(_, field) => match field {
                BlockField::Query
                | BlockField::Key
                | BlockField::Value
                | BlockField::Output
                | BlockField::Gate
                | BlockField::Up
                | BlockField::Down => FieldKind::Matrix,
                BlockField::QueryBias
                | BlockField::KeyBias
                | BlockField::ValueBias
                | BlockField::OutputBias
                | BlockField::GateBias
                | BlockField::UpBias
                | BlockField::DownBias => FieldKind::Bias,
                BlockField::QueryNorm
                | BlockField::KeyNorm
                | BlockField::AttentionNorm
                | BlockField::AttentionPostNorm
                | BlockField::MlpNorm
                | BlockField::MlpPostNorm => FieldKind::Norm,
            },
        }
    }
}

/// What a tensor is for, which decides how it is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum FieldKind {
    Matrix,
    Bias,
    Norm,
}

/// A tensor of a checkpoint file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    /// Its name there.
    pub(crate) name: String,
    /// What it consists of, along the first dimension.
    pub(crate) fields: Vec<Field>,
}

impl Stored {
    /// Its shape.
    pub(crate) fn shape(&self, config: &Config) -> Vec<usize> {
        let mut shape = self.fields[0].shape(config);
        shape[0] = self.fields.iter().map(|field| field.shape(config)[0]).sum();
        shape
    }
}

/// The tensors of a checkpoint of this decoder, in the one fixed order.
pub(crate) fn stored(config: &Config) -> Vec<Stored> {
    let one = |name: &str, field| Stored { name: name.into(), fields: vec![field] };
    let mut tensors = vec![one(EMBEDDING, Field::Embedding)];
    for block in 0..config.n_layers() {
        for (suffix, fields) in table(config.family) {
            if fields.iter().all(|field| field.is_part(config)) {
                tensors.push(Stored {
                    name: format!("{BLOCK}{block}.{suffix}"),
                    fields: fields.iter().map(|field| Field::Block(block, *field)).collect(),
                });
            }
        }
    }
    tensors.push(one(NORM, Field::Norm));
    if !config.tie_word_embeddings {
        tensors.push(one(HEAD, Field::Head));
    }
    tensors
}

/// All fields of a decoder, in the one fixed order.
pub(crate) fn fields(config: &Config) -> impl Iterator<Item = Field> {
    stored(config).into_iter().flat_map(|tensor| tensor.fields)
}

/// What a trainer has to know about one tensor of a decoder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name in a Hugging Face checkpoint.
    pub name: String,
    /// Its shape, matrices as `[out, in]`.
    pub shape: Vec<usize>,
}

impl Parameter {
    /// Whether it is a matrix; optimizers decay matrices and leave norms and biases alone.
    pub fn is_matrix(&self) -> bool {
        self.shape.len() == 2
    }

    /// How many values it has.
    pub fn n_values(&self) -> usize {
        self.shape.iter().product()
    }
}

/// The tensors of a decoder as checkpoints store them, in the one fixed order of flat values.
pub fn parameters(config: &Config) -> Vec<Parameter> {
    stored(config)
        .into_iter()
        .map(|tensor| Parameter { shape: tensor.shape(config), name: tensor.name })
        .collect()
}

#[cfg(test)]
mod tests;
