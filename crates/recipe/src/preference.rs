//! What the stage `dpo` learns from pairs.

use serde::{Deserialize, Serialize};

/// A loss over pairs of answers, and what it depends on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preference {
    /// Which loss.
    pub loss: PreferenceLoss,
    /// How strongly the model is held to where it started: the larger, the stronger.
    pub beta: f64,
    /// The share of pairs that are taken to be the wrong way round, 0 to less than 0.5: conservative DPO
    /// (Mitchell 2023, "A note on DPO with noisy preferences").
    pub label_smoothing: f64,
}

/// A loss over pairs of answers; h is by how much the model prefers the better answer more than it did
/// at the start, in nats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PreferenceLoss {
    /// −log σ(β h) (DPO; Rafailov et al. 2023, arXiv 2305.18290).
    Sigmoid,
    /// The same with log-probabilities per token (length-normalised DPO; Lambert et al. 2024, arXiv
    /// 2411.15124, section 5.1).
    SigmoidNorm,
    /// (h − 1 / (2 β))² with log-probabilities per token (IPO; Azar et al. 2023, arXiv 2310.12036).
    Ipo,
}

/// As a human writes it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PreferenceFile {
    pub(crate) loss: Option<PreferenceLoss>,
    pub(crate) beta: Option<f64>,
    pub(crate) label_smoothing: Option<f64>,
}

impl PreferenceFile {
    pub(crate) fn resolve(&self) -> Preference {
        let loss = self.loss.unwrap_or(PreferenceLoss::Sigmoid);
        Preference {
            loss,
            beta: self.beta.unwrap_or(match loss {
                // As in the paper's experiments.
                PreferenceLoss::Sigmoid | PreferenceLoss::Ipo => 0.1,
                // Means per token are smaller than sums; as in the paper.
                PreferenceLoss::SigmoidNorm => 5.0,
            }),
            // Labels are believed.
            label_smoothing: self.label_smoothing.unwrap_or(0.0),
        }
    }
}
