//! A continuation in the making.

use std::collections::BTreeSet;

use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

use super::{
    Completion, Ending, GenerateOptions, Prompt,
    sample::{Choice, choose},
};

/// The tokens drawn so far for one sample of a prompt.
pub(super) struct Sequence {
    /// Number of its prompt.
    pub(super) prompt: usize,
    rng: ChaCha8Rng,
    /// Tokens that the repetition penalty applies to.
    seen: BTreeSet<u32>,
    /// Tokens that still fit the context.
    room: usize,
    choices: Vec<Choice>,
    pub(super) ids: Vec<u32>,
    pub(super) ending: Option<Ending>,
}

impl Sequence {
    /// The samples of a prompt.
    pub(super) fn of(
        prompts: &[Prompt],
        number: usize,
        context: usize,
    ) -> impl Iterator<Item = Self> + '_ {
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
    pub(super) fn advance(&mut self, logits: &[f32], options: &GenerateOptions<'_>) {
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

    /// The token drawn last, of a sequence that goes on.
    pub(super) fn last(&self) -> u32 {
        *self.ids.last().expect("a sequence that goes on has a token")
    }

    /// The prompt and what was drawn.
    pub(super) fn whole(&self, prompts: &[Prompt]) -> Vec<u32> {
        [&prompts[self.prompt].ids[..], &self.ids].concat()
    }
}

impl From<Sequence> for Completion {
    fn from(sequence: Sequence) -> Self {
        Self {
            ids: sequence.ids,
            logprobs: sequence.choices.iter().map(|choice| choice.model).collect(),
            sampled_logprobs: sequence.choices.iter().map(|choice| choice.sampled).collect(),
            ending: sequence.ending.unwrap_or(Ending::MaxTokens),
        }
    }
}
