//! What the stage `dpo` learns from pairs and from judged answers.

use serde::{Deserialize, Serialize};

/// A loss over pairs of answers or judged ones, and what it depends on.
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
    /// By which losses of answers that were liked are multiplied, and those of others, in `kto`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<AnswerWeights>,
}

/// How much judged answers count, by their label.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerWeights {
    /// Of answers that were liked.
    pub desirable: f64,
    /// Of answers that were not.
    pub undesirable: f64,
}

impl Preference {
    /// Whether it is learned from answers that were judged one by one, rather than from pairs.
    pub fn is_unpaired(&self) -> bool {
        self.loss == PreferenceLoss::Kto
    }
}

/// A loss over answers; h is by how much the model prefers the better answer of a pair more than it did at
/// the start, in nats.
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
    /// Of an answer that was liked 1 − σ(β (r − z)), of another 1 − σ(β (z − r)): r is by how much likelier it
    /// has become, z the divergence from the start, never below 0 (KTO; Ethayarajh et al. 2024, arXiv
    /// 2402.01306, equations 7 and 8).
    Kto,
}

/// As a human writes it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PreferenceFile {
    pub(crate) loss: Option<PreferenceLoss>,
    pub(crate) beta: Option<f64>,
    pub(crate) label_smoothing: Option<f64>,
    pub(crate) desirable_weight: Option<f64>,
    pub(crate) undesirable_weight: Option<f64>,
}

impl PreferenceFile {
    pub(crate) fn loss(&self) -> PreferenceLoss {
        self.loss.unwrap_or(PreferenceLoss::Sigmoid)
    }

    pub(crate) fn resolve(&self) -> Preference {
        let loss = self.loss();
        let weights = (loss == PreferenceLoss::Kto).then(|| AnswerWeights {
            // One liked answer is as much as one that was not.
            desirable: self.desirable_weight.unwrap_or(1.0),
            undesirable: self.undesirable_weight.unwrap_or(1.0),
        });
        Preference {
            loss,
            weights,
            beta: self.beta.unwrap_or(match loss {
                // As in the papers' experiments.
                PreferenceLoss::Sigmoid | PreferenceLoss::Ipo | PreferenceLoss::Kto => 0.1,
                // Means per token are smaller than sums; as in the paper.
                PreferenceLoss::SigmoidNorm => 5.0,
            }),
            // Labels are believed.
            label_smoothing: self.label_smoothing.unwrap_or(0.0),
        }
    }
}
