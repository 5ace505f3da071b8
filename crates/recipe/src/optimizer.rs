//! Which optimizer, and its numbers.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::schedule::{Schedule, is_zero};

/// How weights move; decay on matrices only.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Optimizer {
    /// Which one.
    pub name: OptimizerName,
    /// Peak learning rate.
    pub lr: f64,
    /// Decay rates of the two moments; of Lion those of its step and of its mean.
    pub betas: [f64; 2],
    /// What SGD and Muon keep of earlier gradients, 0 to less than 1; 0 in the others.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub momentum: f64,
    /// Added to the root of the second moment.
    pub eps: f64,
    /// Decoupled decay, multiplied by the learning rate.
    pub weight_decay: f64,
    /// The global gradient norm is clipped to this; 0 does not clip.
    pub clip_norm: f64,
    /// The learning rate over the run.
    pub schedule: Schedule,
    /// What happens to moments found beside the starting checkpoint.
    pub state: OptimizerState,
}

/// The optimizers this version knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OptimizerName {
    /// Adam with decoupled weight decay (Loshchilov and Hutter 2019, arXiv 1711.05101).
    #[default]
    Adamw,
    /// The sign of a mean of gradients (Chen et al. 2023, arXiv 2302.06675).
    Lion,
    /// Stochastic gradient descent with momentum.
    Sgd,
    /// Orthogonal steps for the matrices of blocks, at rates that suit AdamW (Liu et al. 2025, arXiv
    /// 2502.16982), AdamW for all else.
    Muon,
}

impl fmt::Display for OptimizerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Adamw => "adamw",
            Self::Lion => "lion",
            Self::Sgd => "sgd",
            Self::Muon => "muon",
        })
    }
}

/// What happens to moments found beside the starting checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OptimizerState {
    /// Start from zero moments.
    Reset,
    /// Continue with them; a checkpoint without them is refused.
    Keep,
}
