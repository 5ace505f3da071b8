//! Training two thin factors of each matrix's change instead of the matrix.

use serde::{Deserialize, Serialize};

use crate::schedule::is_zero;

/// LoRA (Hu et al. 2021, arXiv 2106.09685): a matrix W `[out, in]` becomes W + s B A, of which B `[out, rank]`
/// and A `[rank, in]` are trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lora {
    /// Columns of B and rows of A.
    pub rank: usize,
    /// s is `alpha / rank`.
    pub alpha: f64,
    /// s is `alpha / √rank` instead (Kalajdzievski 2023, arXiv 2312.03732).
    pub rank_stabilized: bool,
    /// By which the learning rate of B is larger than that of A (LoRA+; Hayou et al. 2024, arXiv 2402.12354).
    pub plus_ratio: f64,
    /// The share of a factor A's inputs that it does not see in an update; 0 shows it all.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dropout: f64,
    /// Which matrices, by the last part of their names, as in `q_proj`; empty for all of blocks.
    pub targets: Vec<String>,
}

impl Lora {
    /// s.
    pub fn scale(&self) -> f64 {
        let rank = self.rank as f64;
        self.alpha / if self.rank_stabilized { rank.sqrt() } else { rank }
    }
}

/// As a human writes it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LoraFile {
    pub(crate) rank: Option<usize>,
    pub(crate) alpha: Option<f64>,
    pub(crate) rank_stabilized: Option<bool>,
    pub(crate) plus_ratio: Option<f64>,
    pub(crate) dropout: Option<f64>,
    pub(crate) targets: Option<Vec<String>>,
}

impl LoraFile {
    pub(crate) fn resolve(&self) -> Lora {
        // As most recipes have it.
        let rank = self.rank.unwrap_or(16);
        Lora {
            rank,
            alpha: self.alpha.unwrap_or(2.0 * rank as f64),
            rank_stabilized: self.rank_stabilized.unwrap_or(false),
            // Both alike.
            plus_ratio: self.plus_ratio.unwrap_or(1.0),
            // It slows a step, and small runs do without.
            dropout: self.dropout.unwrap_or(0.0),
            // All of them learn more than attention alone (Schulman et al. 2025, "LoRA without regret").
            targets: self.targets.clone().unwrap_or_default(),
        }
    }
}
