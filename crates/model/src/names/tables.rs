//! What each family calls the tensors of a block.

use super::BlockField as B;
use crate::config::Family;

/// The tensors a block may have, and the fields each consists of, in the order of their use.
pub(super) type Table = [(&'static str, &'static [B])];

/// Norms before the parts.
pub(super) const LLAMA: &Table = &[
    ("input_layernorm.weight", &[B::AttentionNorm]),
    ("self_attn.q_proj.weight", &[B::Query]),
    ("self_attn.q_proj.bias", &[B::QueryBias]),
    ("self_attn.k_proj.weight", &[B::Key]),
    ("self_attn.k_proj.bias", &[B::KeyBias]),
    ("self_attn.v_proj.weight", &[B::Value]),
    ("self_attn.v_proj.bias", &[B::ValueBias]),
    ("self_attn.q_norm.weight", &[B::QueryNorm]),
    ("self_attn.k_norm.weight", &[B::KeyNorm]),
    ("self_attn.o_proj.weight", &[B::Output]),
    ("self_attn.o_proj.bias", &[B::OutputBias]),
    ("post_attention_layernorm.weight", &[B::MlpNorm]),
    ("mlp.gate_proj.weight", &[B::Gate]),
    ("mlp.gate_proj.bias", &[B::GateBias]),
    ("mlp.up_proj.weight", &[B::Up]),
    ("mlp.up_proj.bias", &[B::UpBias]),
    ("mlp.down_proj.weight", &[B::Down]),
    ("mlp.down_proj.bias", &[B::DownBias]),
];

/// Norms behind the parts.
const OLMO2: &Table = &[
    ("self_attn.q_proj.weight", &[B::Query]),
    ("self_attn.q_proj.bias", &[B::QueryBias]),
    ("self_attn.k_proj.weight", &[B::Key]),
    ("self_attn.k_proj.bias", &[B::KeyBias]),
    ("self_attn.v_proj.weight", &[B::Value]),
    ("self_attn.v_proj.bias", &[B::ValueBias]),
    ("self_attn.q_norm.weight", &[B::QueryNorm]),
    ("self_attn.k_norm.weight", &[B::KeyNorm]),
    ("self_attn.o_proj.weight", &[B::Output]),
    ("self_attn.o_proj.bias", &[B::OutputBias]),
    ("post_attention_layernorm.weight", &[B::AttentionPostNorm]),
    ("mlp.gate_proj.weight", &[B::Gate]),
    ("mlp.up_proj.weight", &[B::Up]),
    ("mlp.down_proj.weight", &[B::Down]),
    ("post_feedforward_layernorm.weight", &[B::MlpPostNorm]),
];

/// Norms before and behind the parts.
const GEMMA: &Table = &[
    ("input_layernorm.weight", &[B::AttentionNorm]),
    ("self_attn.q_proj.weight", &[B::Query]),
    ("self_attn.q_proj.bias", &[B::QueryBias]),
    ("self_attn.k_proj.weight", &[B::Key]),
    ("self_attn.k_proj.bias", &[B::KeyBias]),
    ("self_attn.v_proj.weight", &[B::Value]),
    ("self_attn.v_proj.bias", &[B::ValueBias]),
    ("self_attn.q_norm.weight", &[B::QueryNorm]),
    ("self_attn.k_norm.weight", &[B::KeyNorm]),
    ("self_attn.o_proj.weight", &[B::Output]),
    ("self_attn.o_proj.bias", &[B::OutputBias]),
    ("post_attention_layernorm.weight", &[B::AttentionPostNorm]),
    ("pre_feedforward_layernorm.weight", &[B::MlpNorm]),
    ("mlp.gate_proj.weight", &[B::Gate]),
    ("mlp.up_proj.weight", &[B::Up]),
    ("mlp.down_proj.weight", &[B::Down]),
    ("post_feedforward_layernorm.weight", &[B::MlpPostNorm]),
];

/// Projections of the same input in one tensor.
const PHI3: &Table = &[
    ("input_layernorm.weight", &[B::AttentionNorm]),
    ("self_attn.qkv_proj.weight", &[B::Query, B::Key, B::Value]),
    ("self_attn.o_proj.weight", &[B::Output]),
    ("post_attention_layernorm.weight", &[B::MlpNorm]),
    ("mlp.gate_up_proj.weight", &[B::Gate, B::Up]),
    ("mlp.down_proj.weight", &[B::Down]),
];

/// The tensors of a family's blocks.
pub(super) fn table(family: Family) -> &'static Table {
    match family {
        Family::Llama | Family::Mistral | Family::Qwen2 | Family::Qwen3 | Family::SmolLm3 => LLAMA,
        Family::Olmo2 => OLMO2,
        Family::Gemma2 | Family::Gemma3Text => GEMMA,
        Family::Phi3 => PHI3,
    }
}
