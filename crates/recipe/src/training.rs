//! Budget, shapes and precision of a run.

use serde::{Deserialize, Serialize};

use crate::memory::Bytes;

/// Budget and shapes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// When the run is over.
    pub budget: Budget,
    /// Positions per row.
    pub sequence_length: usize,
    /// Rows per step; in RL prompts, each of which has `rl.group_size` completions.
    pub global_batch_size: usize,
    /// Rows per lane, in RL completions; a step has [`Recipe::learned_rows`](crate::Recipe::learned_rows) of them.
    pub micro_batch_size: usize,
    /// What the forward and backward passes compute in.
    pub precision: Precision,
    /// A ceiling, from which the three choices around it were made when the run was planned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Bytes>,
    /// Blocks keep their input alone for the backward pass and compute the rest again.
    #[serde(default, skip_serializing_if = "is_false")]
    pub activation_checkpointing: bool,
    /// Logits that exist at the same time, in values.
    #[serde(default = "default_most_logits", skip_serializing_if = "is_default_most_logits")]
    pub most_logits: u64,
    /// How the gradients of several devices are added.
    #[serde(default, skip_serializing_if = "GradientSum::is_tree")]
    pub gradient_sum: GradientSum,
    /// Tensors that stay as they are: patterns over their names in a Hugging Face checkpoint, in which `*`
    /// stands for any characters and `?` for one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub frozen: Vec<String>,
}

impl Training {
    /// This, with what was picked for `other` where both have the same ceiling of memory: what is
    /// picked once holds for the run.
    #[must_use]
    pub fn picked_as(self, other: &Self) -> Self {
        if self.memory.is_none() || self.memory != other.memory {
            return self;
        }
        Self {
            micro_batch_size: other.micro_batch_size,
            activation_checkpointing: other.activation_checkpointing,
            most_logits: other.most_logits,
            ..self
        }
    }
}

/// 2^25 values, 128 MB in 32-bit floats.
pub(crate) fn default_most_logits() -> u64 {
    1 << 25
}

fn is_default_most_logits(most_logits: &u64) -> bool {
    *most_logits == default_most_logits()
}

fn is_false(value: &bool) -> bool {
    !value
}

/// When a run is over.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Budget {
    /// Tokens that carry loss; the last row may exceed it.
    Tokens(u64),
    /// Optimizer steps.
    Steps(u64),
    /// Passes over the source that is used up first.
    Epochs(f64),
}

/// What the forward and backward passes compute in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// 32-bit floats everywhere.
    F32,
    /// Factors of products are rounded to bfloat16; weights, norms, softmax and the optimizer are
    /// 32-bit floats.
    Bf16,
}

/// How the gradients of several devices are added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GradientSum {
    /// Along the tree of lanes, on the first device: the bits are the same on any number of devices.
    #[default]
    Tree,
    /// By the devices' own collective operation (NCCL), in its order: faster between many devices, and
    /// neither their number nor a resume keeps the bits.
    Collective,
}

impl GradientSum {
    fn is_tree(&self) -> bool {
        *self == Self::Tree
    }
}
