//! Choosing the next token from logits.
//!
//! Filters apply in the order of transformers: repetition penalty, temperature, top-k, top-p, min-p.

use std::collections::BTreeSet;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::cpu::vector::{exp_sum, max, vectorized};

/// From which distribution tokens are drawn; the default is the model's own.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampling {
    /// Logits are divided by it; 0 takes the likeliest token.
    pub temperature: f64,
    /// Keeps this many of the likeliest tokens; 0 keeps all.
    pub top_k: usize,
    /// Keeps the likeliest tokens that together have at least this probability.
    pub top_p: f64,
    /// Keeps tokens at least this probable relative to the likeliest.
    pub min_p: f64,
    /// Divides the positive and multiplies the negative logits of tokens that occurred already, in
    /// the prompt too (Keskar et al. 2019, arXiv:1909.05858); 1 leaves them.
    pub repetition_penalty: f64,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { temperature: 1.0, top_k: 0, top_p: 1.0, min_p: 0.0, repetition_penalty: 1.0 }
    }
}

impl Sampling {
    /// The likeliest token each time.
    pub fn greedy() -> Self {
        Self { temperature: 0.0, ..Self::default() }
    }
}

/// A token and how probable it was, in nats.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Choice {
    pub(super) id: u32,
    /// Under the distribution it was drawn from; 0 when the likeliest is taken.
    pub(super) sampled: f32,
    /// Under the model: before penalty, temperature and filters.
    pub(super) model: f32,
}

/// Chooses a token of the vocabulary; the lower id wins a tie.
///
/// `seen` are the tokens that the repetition penalty applies to.
pub(super) fn choose(
    logits: &[f32],
    sampling: &Sampling,
    seen: &BTreeSet<u32>,
    rng: &mut ChaCha8Rng,
) -> Choice {
    let is_plain = sampling.temperature == 0.0 && sampling.repetition_penalty == 1.0;
    let largest = vectorized(
        #[inline(always)]
        || max(logits),
    );
    let (id, sampled) = if is_plain {
        let first = logits.iter().position(|logit| *logit == largest);
        (first.unwrap_or(0) as u32, 0.0)
    } else {
        let mut scores: Vec<f64> = logits.iter().map(|logit| f64::from(*logit)).collect();
        if sampling.repetition_penalty != 1.0 {
            for id in seen {
                let score = &mut scores[*id as usize];
                let penalty = sampling.repetition_penalty;
                *score = if *score > 0.0 { *score / penalty } else { *score * penalty };
            }
        }
        match sampling.temperature > 0.0 {
            true => draw(&scores, sampling, rng),
            false => (likeliest(&scores), 0.0),
        }
    };
    let model = f64::from(logits[id as usize]) - log_sum(logits, largest);
    Choice { id, sampled: sampled as f32, model: model as f32 }
}

/// The first of the largest.
fn likeliest(scores: &[f64]) -> u32 {
    let mut best = 0;
    for (id, score) in scores.iter().enumerate() {
        if *score > scores[best] {
            best = id;
        }
    }
    best as u32
}

/// `ln Σ e^x` of all logits, of which `largest` is the largest: parts in single precision, their sum
/// in double.
fn log_sum(logits: &[f32], largest: f32) -> f64 {
    const PART: usize = 1024;
    vectorized(
        #[inline(always)]
        || {
            let mut sum = 0.0;
            for part in logits.chunks(PART) {
                sum += f64::from(exp_sum(part, largest));
            }
            f64::from(largest) + sum.ln()
        },
    )
}

/// A token from what the filters keep, and its log-probability among them.
fn draw(scores: &[f64], sampling: &Sampling, rng: &mut ChaCha8Rng) -> (u32, f64) {
    let kept = filter(scores, sampling);
    let log_sum = log_sum_exp(kept.iter().map(|(_, score)| *score));
    // 53 random bits make a number in [0, 1).
    let mut left = (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
    let mut chosen = kept[kept.len() - 1];
    for candidate in &kept {
        left -= (candidate.1 - log_sum).exp();
        if left < 0.0 {
            chosen = *candidate;
            break;
        }
    }
    (chosen.0, chosen.1 - log_sum)
}

/// The tokens the filters keep with their scores over the temperature: the likeliest first where a
/// filter needs that order, else by id.
fn filter(scores: &[f64], sampling: &Sampling) -> Vec<(u32, f64)> {
    let mut kept: Vec<(u32, f64)> = scores
        .iter()
        .enumerate()
        .map(|(id, score)| (id as u32, *score / sampling.temperature))
        .collect();
    let all = sampling.top_k == 0 && sampling.top_p >= 1.0 && sampling.min_p <= 0.0;
    if all {
        return kept;
    }
    // Equal scores stay in the order of ids.
    let by_score = |a: &(u32, f64), b: &(u32, f64)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    if (1..kept.len()).contains(&sampling.top_k) {
        kept.select_nth_unstable_by(sampling.top_k - 1, by_score);
        kept.truncate(sampling.top_k);
    }
    kept.sort_unstable_by(by_score);
    if sampling.top_p < 1.0 {
        let log_sum = log_sum_exp(kept.iter().map(|(_, score)| *score));
        let mut mass = 0.0;
        let before = kept.iter().take_while(|(_, score)| {
            let goes_on = mass < sampling.top_p;
            mass += (score - log_sum).exp();
            goes_on
        });
        let n = before.count().max(1);
        kept.truncate(n);
    }
    if sampling.min_p > 0.0 {
        let least = kept[0].1 + sampling.min_p.ln();
        let n = kept.iter().take_while(|(_, score)| *score >= least).count();
        kept.truncate(n.max(1));
    }
    kept
}

/// `ln Σ e^x`, over the values in order.
fn log_sum_exp(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let largest = values.clone().fold(f64::NEG_INFINITY, f64::max);
    largest + values.map(|value| (value - largest).exp()).sum::<f64>().ln()
}

#[cfg(test)]
mod tests;
