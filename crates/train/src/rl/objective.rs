//! The loss of sampled completions, token by token.

use burn::tensor::{Tensor, TensorData};
use temper_model::PackedRows;
use temper_recipe::{Normalisation, Rl};

use super::sequence::Positions;

/// A completion that is learned from: a row of a lane.
#[derive(Clone, Debug)]
pub(crate) struct Learned {
    pub(crate) advantage: f64,
    /// Positions of the row whose targets are its tokens.
    pub(crate) positions: Positions,
    /// The log-probability of each token when it was sampled; `None` where the model is still the same.
    pub(crate) old: Option<Vec<f64>>,
    /// Under the starting model; `None` where it does not count.
    pub(crate) reference: Option<Vec<f64>>,
}

/// What the completions of a step are turned into.
#[derive(Debug)]
pub(crate) struct Objective<'a> {
    pub(crate) rl: &'a Rl,
    /// By lane, row by row.
    pub(crate) lanes: Vec<Vec<Learned>>,
    /// Completions of the step, those that are not learned from among them.
    pub(crate) n_completions: usize,
    /// Their tokens.
    pub(crate) n_tokens: usize,
}

/// What one completion adds to the step.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct CompletionLoss {
    /// Its part of the step's loss.
    pub(crate) loss: f64,
    /// The derivative with respect to the log-probability of each token.
    pub(crate) gradient: Vec<f64>,
    /// Sum over tokens of the divergence from the starting model.
    pub(crate) divergence: f64,
    /// Sum over tokens of the divergence from the model that sampled.
    pub(crate) drift: f64,
    /// Tokens whose ratio was clipped.
    pub(crate) clipped: usize,
}

impl Objective<'_> {
    /// The gradient of the step's loss with respect to the losses of one lane's positions.
    ///
    /// # Shapes
    /// - losses, output: `[n_rows, length]`
    pub(crate) fn gradient(&self, lane: usize, rows: &PackedRows, losses: Tensor<2>) -> Tensor<2> {
        let (shape, device) = (losses.dims(), losses.device());
        let losses = losses.into_data();
        let losses = losses.as_slice::<f32>().expect("losses are 32-bit floats");
        let mut gradient = vec![0.0; losses.len()];
        for (row, learned) in self.lanes[lane].iter().enumerate() {
            let first = row * rows.length;
            let of_row = self.loss(learned, &losses[first..first + rows.length]);
            for (at, d_log_prob) in learned.positions.iter().zip(of_row.gradient) {
                // A loss is a negative log-probability.
                gradient[first + at] = -d_log_prob as f32;
            }
        }
        Tensor::from_data(TensorData::new(gradient, shape), &device)
    }

    /// What a completion adds, from the losses of its row's positions.
    pub(crate) fn loss(&self, learned: &Learned, losses: &[f32]) -> CompletionLoss {
        let now: Vec<f64> = learned.positions.of(losses).map(|loss| -f64::from(loss)).collect();
        let old = learned.old.as_ref().unwrap_or(&now);
        let weight = self.token_weight(now.len());
        let mut of_completion = CompletionLoss::default();
        let [low, high] = self.rl.clip;
        let clipped = |ratio: f64| ratio.clamp(1.0 - low, 1.0 + high);
        let a = learned.advantage;
        // The smaller of the two gains; where the clipped one counts there is nothing to gain any more.
        let gain = |ratio: f64| {
            let (free, held) = (ratio * a, clipped(ratio) * a);
            if free <= held { (free, ratio * a, false) } else { (held, 0.0, true) }
        };
        match self.rl.normalisation {
            Normalisation::Rloo => {
                let difference: f64 = now.iter().zip(old).map(|(now, old)| now - old).sum();
                let (gain, derivative, is_clipped) = gain(difference.exp());
                of_completion.loss = -weight * gain;
                of_completion.gradient = vec![-weight * derivative; now.len()];
                of_completion.clipped = if is_clipped { now.len() } else { 0 };
            }
            Normalisation::Grpo | Normalisation::Dapo | Normalisation::DrGrpo => {
                for (now, old) in now.iter().zip(old) {
                    let (gain, derivative, is_clipped) = gain((now - old).exp());
                    of_completion.loss -= weight * gain;
                    of_completion.gradient.push(-weight * derivative);
                    of_completion.clipped += usize::from(is_clipped);
                }
            }
        }
        of_completion.drift = now.iter().zip(old).map(|(now, old)| k3(now - old)).sum();
        for ((at, now), reference) in now.iter().enumerate().zip(learned.reference.iter().flatten())
        {
            let apart = reference - now;
            let divergence = k3(apart);
            of_completion.divergence += divergence;
            of_completion.loss += weight * self.rl.kl * divergence;
            of_completion.gradient[at] += weight * self.rl.kl * (1.0 - apart.exp());
        }
        of_completion
    }

    /// The mean divergence from the model that sampled, nats per token that is learned from; `losses` are those
    /// of all lanes under the model as it is now.
    pub(crate) fn drift(&self, lanes: &[PackedRows], losses: &[Vec<f32>]) -> f64 {
        let (mut sum, mut n_tokens) = (0.0, 0);
        for ((learned, rows), losses) in self.lanes.iter().zip(lanes).zip(losses) {
            for (learned, losses) in learned.iter().zip(losses.chunks(rows.length)) {
                sum += self.loss(learned, losses).drift;
                n_tokens += learned.positions.n_tokens();
            }
        }
        sum / n_tokens.max(1) as f64
    }

    /// By which a token's loss is multiplied; of RLOO that of the whole completion.
    fn token_weight(&self, n_tokens: usize) -> f64 {
        let n_completions = self.n_completions as f64;
        match self.rl.normalisation {
            Normalisation::Grpo => 1.0 / (n_completions * n_tokens.max(1) as f64),
            Normalisation::Dapo => 1.0 / self.n_tokens.max(1) as f64,
            Normalisation::DrGrpo => 1.0 / (n_completions * self.rl.most_tokens() as f64),
            Normalisation::Rloo => 1.0 / n_completions,
        }
    }
}

/// One sample's estimate of the divergence of p from q, x ~ p, from log q(x) − log p(x): without bias and never
/// below 0 (Schulman 2020, "Approximating KL divergence").
fn k3(apart: f64) -> f64 {
    apart.exp() - apart - 1.0
}

#[cfg(test)]
mod tests;
