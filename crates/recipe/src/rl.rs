//! How the stage `rl` samples, rewards and learns.

use serde::{Deserialize, Serialize};

use crate::environment::{Environment, EnvironmentFile};
use crate::problem::Findings;
use crate::project::Project;
use crate::reward::{Reward, RewardFile};

/// Group-relative policy optimisation (Shao et al. 2024, arXiv 2402.03300).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rl {
    /// Completions sampled of each prompt.
    pub group_size: usize,
    /// Tokens of a completion, at most; in an environment those of each answer.
    pub max_new_tokens: usize,
    /// By which logits are divided: where completions are sampled, and in all that is learned from them.
    pub temperature: f64,
    /// How advantages and the loss are normalised.
    pub normalisation: Normalisation,
    /// How far the ratio of new to old probability may fall below 1, and rise above it, before a token
    /// stops counting.
    pub clip: [f64; 2],
    /// The weight of the divergence from the starting model (k3; Schulman 2020, "Approximating KL
    /// divergence").
    pub kl: f64,
    /// Updates made with the completions of a step.
    pub updates_per_rollout: u32,
    /// How far the model may be from the one that sampled before no further update is made with a step's
    /// completions: their mean divergence, nats per token (k3); `None` for as far as the updates lead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_drift: Option<f64>,
    /// How often, at most, a group whose completions are all equally good is replaced within its step by that
    /// of another prompt of its source (dynamic sampling; Yu et al. 2025, arXiv 2503.14476).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub refill: u32,
    /// Whether completions that did not end within `max_new_tokens` are left out of the loss.
    pub mask_truncated: bool,
    /// What a completion is rewarded for; the sum, by weight.
    pub rewards: Vec<Reward>,
    /// What goes on with the conversation after an answer, and rewards it too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
}

impl Rl {
    /// Tokens that are sampled after a prompt, at most: those of one answer, or of all that an episode has.
    pub fn most_tokens(&self) -> usize {
        let turns = self.environment.as_ref().map_or(1, |environment| environment.max_turns);
        self.max_new_tokens.saturating_mul(turns)
    }
}

/// Completions of a row of the mix, which outside RL is learned from itself.
pub(crate) fn group_size(rl: Option<&Rl>) -> usize {
    rl.map_or(1, |rl| rl.group_size)
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// How advantages and the loss are normalised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Normalisation {
    /// Rewards less their group's mean, over its deviation; the mean over a completion's tokens, then over
    /// completions (arXiv 2402.03300).
    Grpo,
    /// The same advantages; the mean over all tokens of a step (DAPO; Yu et al. 2025, arXiv 2503.14476).
    Dapo,
    /// Rewards less their group's mean; the sum over tokens, over [`Rl::most_tokens`] and completions
    /// (Liu et al. 2025, arXiv 2503.20783).
    DrGrpo,
    /// Rewards less the mean of the group's others; the ratio is that of whole completions (Ahmadian et
    /// al. 2024, arXiv 2402.14740).
    Rloo,
}

/// As a human writes it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RlFile {
    pub(crate) group_size: Option<usize>,
    pub(crate) max_new_tokens: Option<usize>,
    pub(crate) temperature: Option<f64>,
    pub(crate) normalisation: Option<Normalisation>,
    pub(crate) clip: Option<[f64; 2]>,
    pub(crate) kl: Option<f64>,
    pub(crate) updates_per_rollout: Option<u32>,
    pub(crate) max_drift: Option<f64>,
    pub(crate) refill: Option<u32>,
    pub(crate) mask_truncated: Option<bool>,
    #[serde(default)]
    pub(crate) rewards: Vec<RewardFile>,
    pub(crate) environment: Option<EnvironmentFile>,
}

impl RlFile {
    pub(crate) fn resolve(&self, project: &Project, findings: &mut Findings<'_>) -> Option<Rl> {
        let max_new_tokens = findings.required(
            &["rl", "max_new_tokens"],
            self.max_new_tokens,
            "tokens of a completion, at most, as in `max_new_tokens = 64`",
        );
        let rewards = self.rewards.iter().enumerate();
        // All that is wrong with them is found at once.
        let rewards: Vec<Option<Reward>> =
            rewards.map(|(at, reward)| reward.resolve(at, project, findings)).collect();
        let environment = self.environment.as_ref();
        let environment = environment.map(|environment| environment.resolve(findings));
        Some(Rl {
            // Enough to tell good from bad, as most recipes have it.
            group_size: self.group_size.unwrap_or(8),
            max_new_tokens: max_new_tokens?,
            // As the model has it.
            temperature: self.temperature.unwrap_or(1.0),
            normalisation: self.normalisation.unwrap_or(Normalisation::Dapo),
            // Rare tokens may rise further than common ones fall (DAPO).
            clip: self.clip.unwrap_or([0.2, 0.28]),
            // Verifiers cannot be fooled as reward models can.
            kl: self.kl.unwrap_or(0.0),
            // On policy.
            updates_per_rollout: self.updates_per_rollout.unwrap_or(1),
            // Few updates do not lead far, and clipping holds back what does.
            max_drift: self.max_drift,
            // Sampling is most of a step.
            refill: self.refill.unwrap_or(0),
            // A completion that does not end is wrong.
            mask_truncated: self.mask_truncated.unwrap_or(false),
            rewards: rewards.into_iter().collect::<Option<_>>()?,
            environment: match environment {
                Some(environment) => Some(environment?),
                None => None,
            },
        })
    }
}
