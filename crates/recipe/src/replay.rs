//! Curated rows under cross-entropy beside pairs and rewards.

use serde::{Deserialize, Serialize};

use crate::mixing::DataMixingFile;
use crate::mixture::Mixture;

/// Texts and conversations that each step of `dpo` and `rl` learns from besides.
///
/// They are a mix of their own: shares, passes and order are planned, recorded and audited as those of
/// any other. The loss of a step is the stage's own plus `weight` times the mean over their tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replay {
    /// Rows in each step.
    pub rows_per_step: usize,
    /// By which their mean loss is multiplied.
    pub weight: f64,
    /// Positions per row.
    pub sequence_length: usize,
    /// What they are drawn from, in which proportion.
    pub mixture: Mixture,
}

/// As a human writes it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReplayFile {
    pub(crate) rows_per_step: Option<usize>,
    pub(crate) weight: Option<f64>,
    pub(crate) sequence_length: Option<usize>,
    #[serde(default)]
    pub(crate) data_mixing: DataMixingFile,
}
