//! Continuing prompts token by token.
//!
//! ```text
//! prompts ──prefill──► logits ──choose──► tokens ──step──► logits ──choose──► …
//!            one pass            each by its own seed       one pass for all sequences
//! ```
//!
//! All sequences of a call advance together. The prompt of several samples is computed once. What a
//! sequence draws depends on its own seed and number alone, not on its neighbours.

use burn::module::Module;
use rayon::prelude::*;

use crate::{Config, Decoder, Error};

mod cpu;
mod engine;
mod sample;
mod sequence;
mod tensors;

use self::{engine::Engine, sequence::Sequence};

pub use self::sample::Sampling;
pub(crate) use self::tensors::LayerCache;

/// What to continue, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// Token ids.
    pub ids: Vec<u32>,
    /// How many continuations.
    pub n_samples: usize,
    /// Seed of the drawing; sample k draws from stream k of it.
    pub seed: u64,
}

/// Whether these ids end a continuation.
pub type IsComplete<'a> = dyn Fn(&[u32]) -> bool + Sync + 'a;

/// When continuations end, and from what their tokens are drawn.
pub struct GenerateOptions<'a> {
    /// At most this many tokens are generated.
    pub max_tokens: usize,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// Ids that end a continuation; the one that did is its last id.
    pub stop_ids: Vec<u32>,
    /// Asked after each token with all ids so far: true ends the continuation. This is where stop
    /// strings go, since only a tokenizer knows texts.
    pub is_complete: Option<&'a IsComplete<'a>>,
}

/// One continuation.
#[derive(Clone, Debug, PartialEq)]
pub struct Completion {
    /// The generated ids, a stop id among them; the prompt is not repeated.
    pub ids: Vec<u32>,
    /// For each id its log-probability under the model, in nats.
    pub logprobs: Vec<f32>,
    /// For each id its log-probability under the distribution it was drawn from, in nats; 0 where
    /// the likeliest was taken.
    pub sampled_logprobs: Vec<f32>,
    /// Why it ended.
    pub ending: Ending,
}

/// Why a continuation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// A stop id or stop string.
    Stop,
    /// As many tokens as asked for.
    MaxTokens,
    /// The model's context is full.
    Context,
}

/// Continues each prompt; the answer has the samples of each prompt in order.
///
/// Costs one pass over the prompts and then one pass over a single token of each sequence per
/// token. Log-probabilities of a sequence are the same within 1e-5 whatever else is in the batch; on
/// the CPU they have the same bits.
///
/// # Errors
///
/// [`Error::Prompt`] for an empty prompt or one that fills the context, [`Error::TokenId`] for an id
/// outside the vocabulary.
pub fn generate(
    decoder: &Decoder,
    prompts: &[Prompt],
    options: &GenerateOptions<'_>,
) -> Result<Vec<Vec<Completion>>, Error> {
    check(decoder, prompts)?;
    let decoder = decoder.valid();
    let context = decoder.config().context();
    let mut sequences: Vec<Sequence> =
        (0..prompts.len()).flat_map(|number| Sequence::of(prompts, number, context)).collect();
    if !sequences.is_empty() && options.max_tokens > 0 {
        let mut engine = Engine::new(&decoder, options.max_tokens);
        // Within the pool a product's pieces start at once; from outside each would wake it first.
        rayon::scope(|_| run(&mut engine, decoder.config(), prompts, &mut sequences, options));
    }
    let mut completions: Vec<_> =
        prompts.iter().map(|prompt| Vec::with_capacity(prompt.n_samples)).collect();
    for sequence in sequences {
        completions[sequence.prompt].push(sequence.into());
    }
    Ok(completions)
}

/// Draws until every sequence has ended.
fn run(
    engine: &mut Engine<'_>,
    config: &Config,
    prompts: &[Prompt],
    sequences: &mut [Sequence],
    options: &GenerateOptions<'_>,
) {
    let vocab_size = config.vocab_size;
    let ids: Vec<&[u32]> = prompts.iter().map(|prompt| &prompt.ids[..]).collect();
    let of_prompts = engine.prefill(&ids);
    let origins: Vec<usize> = sequences.iter().map(|sequence| sequence.prompt).collect();
    engine.select(&origins);
    let logits = origins.iter().flat_map(|prompt| &of_prompts[prompt * vocab_size..][..vocab_size]);
    let mut logits: Vec<f32> = logits.copied().collect();
    // The sequences that go on: each is a row of the engine.
    let mut going: Vec<&mut Sequence> = sequences.iter_mut().collect();
    loop {
        (going.par_iter_mut().zip(logits.par_chunks_exact(vocab_size)))
            .for_each(|(sequence, logits)| sequence.advance(logits, options));
        let rows: Vec<usize> =
            (0..going.len()).filter(|row| going[*row].ending.is_none()).collect();
        if rows.len() < going.len() {
            engine.select(&rows);
            going.retain(|sequence| sequence.ending.is_none());
        }
        if going.is_empty() {
            return;
        }
        let whole = |sequence: &&mut Sequence| sequence.whole(prompts);
        let lengths = going.iter().map(|one| prompts[one.prompt].ids.len() + one.ids.len());
        logits = if lengths.into_iter().any(|length| config.turns_anew_at(length)) {
            let whole: Vec<Vec<u32>> = going.iter().map(whole).collect();
            engine.prefill(&whole.iter().map(Vec::as_slice).collect::<Vec<_>>())
        } else {
            engine.step(&going.iter().map(|sequence| sequence.last()).collect::<Vec<_>>())
        };
    }
}

fn check(decoder: &Decoder, prompts: &[Prompt]) -> Result<(), Error> {
    let (context, vocab_size) = (decoder.config().context(), decoder.config().vocab_size);
    for prompt in prompts {
        if prompt.ids.is_empty() || prompt.ids.len() >= context {
            return Err(Error::Prompt { found: prompt.ids.len(), expected: context - 1 });
        }
        if let Some(&found) = prompt.ids.iter().find(|id| **id as usize >= vocab_size) {
            return Err(Error::TokenId { found, vocab_size });
        }
    }
    Ok(())
}

impl std::fmt::Debug for GenerateOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GenerateOptions")
            .field("max_tokens", &self.max_tokens)
            .field("sampling", &self.sampling)
            .field("stop_ids", &self.stop_ids)
            .field("is_complete", &self.is_complete.is_some())
            .finish()
    }
}

#[cfg(test)]
mod tests;
