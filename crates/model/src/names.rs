//! The one table between the fields of a decoder and the names of a Hugging Face checkpoint.
//!
//! ```text
//! Field::Embedding                       model.embed_tokens.weight
//! Field::Block(3, BlockField::Query)     model.layers.3.self_attn.q_proj.weight
//! Field::Norm                            model.norm.weight
//! Field::Head                            lm_head.weight
//! ```
//!
//! Read in both directions. All matrices keep Hugging Face's layout `[out, in]`.

use crate::Config;

/// One trainable tensor of a decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlockField {
    AttentionNorm,
    Query,
    Key,
    Value,
    Output,
    MlpNorm,
    Gate,
    Up,
    Down,
}

const EMBEDDING: &str = "model.embed_tokens.weight";
const NORM: &str = "model.norm.weight";
const HEAD: &str = "lm_head.weight";
const BLOCK: &str = "model.layers.";

/// The order within a block is the order in which its tensors are used.
const BLOCK_FIELDS: [(BlockField, &str); 9] = [
    (BlockField::AttentionNorm, "input_layernorm.weight"),
    (BlockField::Query, "self_attn.q_proj.weight"),
    (BlockField::Key, "self_attn.k_proj.weight"),
    (BlockField::Value, "self_attn.v_proj.weight"),
    (BlockField::Output, "self_attn.o_proj.weight"),
    (BlockField::MlpNorm, "post_attention_layernorm.weight"),
    (BlockField::Gate, "mlp.gate_proj.weight"),
    (BlockField::Up, "mlp.up_proj.weight"),
    (BlockField::Down, "mlp.down_proj.weight"),
];

impl Field {
    /// The name in a Hugging Face checkpoint.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Embedding => EMBEDDING.into(),
            Self::Norm => NORM.into(),
            Self::Head => HEAD.into(),
            Self::Block(block, field) => {
                let (_, suffix) = BLOCK_FIELDS
                    .iter()
                    .find(|(f, _)| *f == field)
                    .expect("the table has every block field");
                format!("{BLOCK}{block}.{suffix}")
            }
        }
    }

    /// The field that a Hugging Face name stands for.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name {
            EMBEDDING => return Some(Self::Embedding),
            NORM => return Some(Self::Norm),
            HEAD => return Some(Self::Head),
            _ => {}
        }
        let (number, suffix) = name.strip_prefix(BLOCK)?.split_once('.')?;
        let block: usize = number.parse().ok()?;
        let (field, _) = BLOCK_FIELDS.iter().find(|(_, s)| *s == suffix)?;
        // `007` parses too, but no checkpoint writes it.
        (block.to_string() == number).then_some(Self::Block(block, *field))
    }

    /// All fields of a decoder of this shape, in the one fixed order.
    pub(crate) fn all(config: &Config) -> impl Iterator<Item = Self> + use<> {
        let blocks = (0..config.n_layers)
            .flat_map(|block| BLOCK_FIELDS.map(|(field, _)| Self::Block(block, field)));
        let head = (!config.tie_word_embeddings).then_some(Self::Head);
        [Self::Embedding].into_iter().chain(blocks).chain([Self::Norm]).chain(head)
    }

    /// The shape this field has in a decoder of the given shape.
    pub(crate) fn shape(self, config: &Config) -> Vec<usize> {
        let hidden = config.hidden_size;
        let queries = config.n_heads * config.head_dim;
        let keys = config.n_kv_heads * config.head_dim;
        match self {
            Self::Embedding | Self::Head => vec![config.vocab_size, hidden],
            Self::Norm => vec![hidden],
            Self::Block(_, field) => match field {
                BlockField::AttentionNorm | BlockField::MlpNorm => vec![hidden],
                BlockField::Query => vec![queries, hidden],
                BlockField::Key | BlockField::Value => vec![keys, hidden],
                BlockField::Output => vec![hidden, queries],
                BlockField::Gate | BlockField::Up => vec![config.intermediate_size, hidden],
                BlockField::Down => vec![hidden, config.intermediate_size],
            },
        }
    }
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
    /// Whether it is a matrix; optimizers decay matrices and leave norms alone.
    pub fn is_matrix(&self) -> bool {
        self.shape.len() == 2
    }

    /// How many values it has.
    pub fn n_values(&self) -> usize {
        self.shape.iter().product()
    }
}

/// The tensors of a decoder of this shape, in the one fixed order that flat values have as well.
pub fn parameters(config: &Config) -> Vec<Parameter> {
    Field::all(config)
        .map(|field| Parameter { name: field.name(), shape: field.shape(config) })
        .collect()
}

#[cfg(test)]
mod tests;
