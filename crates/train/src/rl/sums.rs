//! What the ledger is told of a step's completions.

use temper_recipe::Rl;

use super::journal::Rollout;

/// Quantities summed over the completions of a source.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RolloutSums {
    pub(crate) groups: u64,
    pub(crate) loss: f64,
    pub(crate) equal_groups: u64,
    /// Groups that took the place of others.
    pub(crate) refills: u64,
    completions: u64,
    truncated: u64,
    empty: u64,
    tokens: u64,
    /// −log p of these tokens when they were sampled.
    entropy: f64,
    pub(crate) learned_tokens: u64,
    reward: f64,
    rewards: Vec<f64>,
    /// Of environments.
    environment: f64,
    turns: u64,
    /// From the starting model; 0 where that does not count.
    pub(crate) divergence: f64,
    /// The divergence from the model that sampled.
    pub(crate) drift: f64,
    pub(crate) clipped: u64,
}

impl RolloutSums {
    pub(crate) fn new(n_rewards: usize) -> Self {
        Self {
            groups: 0,
            loss: 0.0,
            equal_groups: 0,
            refills: 0,
            completions: 0,
            truncated: 0,
            empty: 0,
            tokens: 0,
            entropy: 0.0,
            learned_tokens: 0,
            reward: 0.0,
            rewards: vec![0.0; n_rewards],
            environment: 0.0,
            turns: 0,
            divergence: 0.0,
            drift: 0.0,
            clipped: 0,
        }
    }

    /// Adds a completion; `entropy` is −log p of its tokens when they were sampled.
    pub(crate) fn add(&mut self, entry: &Rollout, entropy: f64) {
        self.completions += 1;
        self.truncated += u64::from(entry.is_truncated);
        self.empty += u64::from(entry.text.trim().is_empty());
        self.tokens += entry.ids.len() as u64;
        self.entropy += entropy;
        self.reward += entry.reward;
        self.environment += entry.environment_reward();
        self.turns += entry.n_answers() as u64;
        self.rewards.iter_mut().zip(&entry.rewards).for_each(|(sum, part)| *sum += part);
    }

    /// As the ledger calls them; what was not measured is left out.
    pub(crate) fn named(&self, rl: &Rl) -> Vec<(String, f64)> {
        let plain = [
            ("groups", self.groups as f64),
            ("equal_groups", self.equal_groups as f64),
            ("refills", self.refills as f64),
            ("completions", self.completions as f64),
            ("truncated", self.truncated as f64),
            ("empty", self.empty as f64),
            ("tokens", self.tokens as f64),
            ("entropy", self.entropy),
            ("learned_tokens", self.learned_tokens as f64),
            ("reward", self.reward),
            ("drift", self.drift),
            ("clipped_tokens", self.clipped as f64),
        ];
        let parts = rl.rewards.iter().zip(&self.rewards).enumerate();
        let parts =
            parts.map(|(at, (reward, sum))| (format!("reward_{at}_{}", reward.name()), *sum));
        let played = [("turns", self.turns as f64), ("reward_environment", self.environment)];
        let played = played.into_iter().filter(|_| rl.environment.is_some());
        // There is no starting model to be away from where it does not count.
        let divergence = (rl.kl > 0.0).then_some(("divergence", self.divergence));
        let plain = plain.into_iter().chain(divergence).chain(played);
        plain.map(|(name, value)| (name.to_owned(), value)).chain(parts).collect()
    }
}
