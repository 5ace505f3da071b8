//! Continuing prompts token by token.
//!
//! ```text
//! prompts ──prefill──► logits ──choose──► tokens ──step──► logits ──choose──► …
//!            one pass            each by its own seed       one pass for all sequences
//! ```
//!
//! All sequences of a call advance together. The prompt of several samples is computed once. What a
//! sequence draws depends on its own seed and number alone, not on its neighbours.

use std::collections::BTreeSet;

use burn::module::Module;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use rayon::prelude::*;

use crate::{Decoder, Error};

mod sample;
mod tensors;

use self::{
    sample::{Choice, choose},
    tensors::TensorEngine,
};

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
/// token. Log-probabilities of a sequence are the same within 1e-5 whatever else is in the batch.
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
    let context = decoder.config().max_position_embeddings;
    let mut sequences: Vec<Sequence> =
        (0..prompts.len()).flat_map(|number| Sequence::of(prompts, number, context)).collect();
    if sequences.is_empty() || options.max_tokens == 0 {
        return Ok(finished(prompts, sequences));
    }
    let ids: Vec<&[u32]> = prompts.iter().map(|prompt| &prompt.ids[..]).collect();
    let mut engine = TensorEngine::new(&decoder, options.max_tokens);
    let of_prompts = engine.prefill(&ids);
    let vocab_size = decoder.config().vocab_size;
    // Which sequence each row of the engine carries.
    let mut rows: Vec<usize> = (0..sequences.len()).collect();
    let origins: Vec<usize> = sequences.iter().map(|sequence| sequence.prompt).collect();
    engine.select(&origins);
    let mut logits: Vec<f32> = origins
        .iter()
        .flat_map(|prompt| &of_prompts[prompt * vocab_size..][..vocab_size])
        .copied()
        .collect();
    loop {
        let mut active: Vec<&mut Sequence> = Vec::with_capacity(rows.len());
        let mut rest = &mut sequences[..];
        let mut passed = 0;
        for row in &rows {
            let (sequence, behind) = rest[row - passed..].split_first_mut().expect("rows ascend");
            passed = row + 1;
            active.push(sequence);
            rest = behind;
        }
        active
            .into_par_iter()
            .zip(logits.par_chunks_exact(vocab_size))
            .for_each(|(sequence, logits)| sequence.advance(logits, options));
        let going: Vec<usize> =
            (0..rows.len()).filter(|row| sequences[rows[*row]].ending.is_none()).collect();
        if going.is_empty() {
            return Ok(finished(prompts, sequences));
        }
        if going.len() < rows.len() {
            engine.select(&going);
            rows = going.iter().map(|row| rows[*row]).collect();
        }
        let last: Vec<u32> = rows.iter().map(|row| sequences[*row].last()).collect();
        logits = engine.step(&last);
    }
}

fn check(decoder: &Decoder, prompts: &[Prompt]) -> Result<(), Error> {
    let config = decoder.config();
    let (context, vocab_size) = (config.max_position_embeddings, config.vocab_size);
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

/// A continuation in the making.
struct Sequence {
    /// Number of its prompt.
    prompt: usize,
    rng: ChaCha8Rng,
    /// Tokens that the repetition penalty applies to.
    seen: BTreeSet<u32>,
    /// Tokens that still fit the context.
    room: usize,
    choices: Vec<Choice>,
    ids: Vec<u32>,
    ending: Option<Ending>,
}

impl Sequence {
    fn of(prompts: &[Prompt], number: usize, context: usize) -> impl Iterator<Item = Self> + '_ {
        let prompt = &prompts[number];
        (0..prompt.n_samples).map(move |sample| {
            let mut rng = ChaCha8Rng::seed_from_u64(prompt.seed);
            rng.set_stream(sample as u64);
            Self {
                prompt: number,
                rng,
                seen: prompt.ids.iter().copied().collect(),
                room: context - prompt.ids.len(),
                choices: Vec::new(),
                ids: Vec::new(),
                ending: None,
            }
        })
    }

    /// Draws the next token.
    fn advance(&mut self, logits: &[f32], options: &GenerateOptions<'_>) {
        let choice = choose(logits, &options.sampling, &self.seen, &mut self.rng);
        self.choices.push(choice);
        self.ids.push(choice.id);
        self.seen.insert(choice.id);
        self.ending = if options.stop_ids.contains(&choice.id)
            || options.is_complete.is_some_and(|is_complete| is_complete(&self.ids))
        {
            Some(Ending::Stop)
        } else if self.ids.len() == options.max_tokens {
            Some(Ending::MaxTokens)
        } else if self.ids.len() == self.room {
            Some(Ending::Context)
        } else {
            None
        };
    }

    fn last(&self) -> u32 {
        *self.ids.last().expect("a sequence that goes on has a token")
    }
}

fn finished(prompts: &[Prompt], sequences: Vec<Sequence>) -> Vec<Vec<Completion>> {
    let mut completions: Vec<_> =
        prompts.iter().map(|prompt| Vec::with_capacity(prompt.n_samples)).collect();
    for sequence in sequences {
        completions[sequence.prompt].push(Completion {
            ids: sequence.ids,
            logprobs: sequence.choices.iter().map(|choice| choice.model).collect(),
            sampled_logprobs: sequence.choices.iter().map(|choice| choice.sampled).collect(),
            ending: sequence.ending.unwrap_or(Ending::MaxTokens),
        });
    }
    completions
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
