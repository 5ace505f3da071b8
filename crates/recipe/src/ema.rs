//! A running mean of the weights beside the weights.

use serde::{Deserialize, Serialize};

/// An exponential moving average of what is trained (Polyak and Juditsky 1992; Morales-Brotons et al. 2024,
/// arXiv 2411.18704): after each update m becomes `decay` · m + (1 − `decay`) · w. It begins as the starting
/// weights.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ema {
    /// What is kept of the mean at each update; 1 / (1 − `decay`) is its memory in updates.
    pub decay: f64,
}

/// As a human writes it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EmaFile {
    pub(crate) decay: Option<f64>,
}

impl EmaFile {
    pub(crate) fn resolve(&self) -> Ema {
        // A memory of a thousand updates, as most runs have it.
        Ema { decay: self.decay.unwrap_or(0.999) }
    }
}
