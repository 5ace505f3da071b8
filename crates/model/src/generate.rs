//! Continuing a text token by token with a key and value cache.

use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use rand::Rng;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

use crate::{Config, Decoder, Error};

/// How to choose the next token, and when to stop.
#[derive(Clone, Debug, PartialEq)]
pub struct GenerateOptions {
    /// At most this many tokens are generated.
    pub max_tokens: usize,
    /// 0 takes the likeliest token; above, logits are divided by it and a token is drawn.
    pub temperature: f64,
    /// A token is drawn from the likeliest ones that together have at least this probability.
    pub top_p: f64,
    /// Seed of the drawing.
    pub seed: u64,
    /// Ids that end the text; they are not part of the answer.
    pub stop: Vec<u32>,
}

/// Continues a prompt; the answer does not repeat it.
///
/// Ends at a stop id, after `max_tokens`, or when the model's context is full. Costs one pass over
/// the prompt and then one pass over a single token each.
///
/// # Errors
///
/// [`Error::Prompt`] for an empty prompt or one that fills the context, [`Error::TokenId`] for an id
/// outside the vocabulary.
pub fn generate(
    decoder: &Decoder,
    prompt: &[u32],
    options: &GenerateOptions,
) -> Result<Vec<u32>, Error> {
    let decoder = decoder.valid();
    let config = decoder.config();
    let context = config.max_position_embeddings;
    if prompt.is_empty() || prompt.len() >= context {
        return Err(Error::Prompt { found: prompt.len(), expected: context - 1 });
    }
    let n_max = options.max_tokens.min(context - prompt.len());
    let mut caches = new_caches(config, prompt.len() + n_max, &decoder.device());
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
    let mut past = 0;
    let mut next = prompt.to_vec();
    let mut answer = Vec::new();
    while answer.len() < n_max {
        let logits = decoder.extend(&next, past, Some(&mut caches))?;
        past += next.len();
        let [_, seq, vocab_size] = logits.dims();
        let last: Vec<f32> = logits
            .slice([0..1, seq - 1..seq, 0..vocab_size])
            .into_data()
            .try_into_vec()
            .expect("logits are f32");
        let token = choose(&last, options, &mut rng);
        if options.stop.contains(&token) {
            break;
        }
        answer.push(token);
        next = vec![token];
    }
    Ok(answer)
}

/// Chooses a token of the vocabulary; the lower id wins a tie.
fn choose(logits: &[f32], options: &GenerateOptions, rng: &mut ChaCha8Rng) -> u32 {
    // The likeliest first; sort_by is stable, so equal logits stay in the order of ids.
    let mut order: Vec<u32> = (0..logits.len() as u32).collect();
    let logit = |id: u32| f64::from(logits[id as usize]);
    order.sort_by(|a, b| logit(*b).total_cmp(&logit(*a)));
    let best = order[0];
    if options.temperature <= 0.0 {
        return best;
    }
    let weights: Vec<f64> =
        order.iter().map(|&id| ((logit(id) - logit(best)) / options.temperature).exp()).collect();
    let total: f64 = weights.iter().sum();
    let mut kept = 0.0;
    let n_kept = 1 + weights
        .iter()
        .take_while(|weight| {
            kept += **weight;
            kept < options.top_p * total
        })
        .count();
    let n_kept = n_kept.min(weights.len());
    // 53 random bits make a number in [0, 1).
    let uniform = (rng.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
    let mut left = uniform * weights[..n_kept].iter().sum::<f64>();
    for (id, weight) in order.iter().zip(&weights[..n_kept]) {
        left -= weight;
        if left < 0.0 {
            return *id;
        }
    }
    order[n_kept - 1]
}

/// Keys and values of one block for the tokens seen so far.
#[derive(Debug)]
pub(crate) struct LayerCache {
    /// `[1, n_kv_heads, capacity, head_dim]`, filled up to `len`; taken out while it is written.
    key: Option<Tensor<4>>,
    value: Option<Tensor<4>>,
    len: usize,
}

/// One empty cache for each block.
pub(crate) fn new_caches(config: &Config, capacity: usize, device: &Device) -> Vec<LayerCache> {
    let zeros = || Some(Tensor::zeros([1, config.n_kv_heads, capacity, config.head_dim], device));
    (0..config.n_layers).map(|_| LayerCache { key: zeros(), value: zeros(), len: 0 }).collect()
}

impl LayerCache {
    /// Puts new keys and values behind the old ones and gives all of them.
    pub(crate) fn extend(&mut self, key: Tensor<4>, value: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        let [_, n_kv_heads, seq, head_dim] = key.dims();
        let past = self.len;
        self.len += seq;
        let append = |slot: &mut Option<Tensor<4>>, new: Tensor<4>| {
            // Taken out of its slot the buffer has one owner, so the assignment happens in place.
            let all = slot.take().expect("a cache is written by one block at a time");
            let all = all.slice_assign([0..1, 0..n_kv_heads, past..past + seq, 0..head_dim], new);
            *slot = Some(all.clone());
            all.slice([0..1, 0..n_kv_heads, 0..past + seq, 0..head_dim])
        };
        (append(&mut self.key, key), append(&mut self.value, value))
    }
}

#[cfg(test)]
mod tests;
