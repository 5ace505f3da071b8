//! A step at which completions are sampled.

use temper_mix::{Plan, PlannedStep};
use temper_model::{Completion, Decoder, Ending, GenerateOptions, Prompt, Sampling, generate};
use temper_recipe::{Digest, Hasher, Rl};

use super::Sampler;
use super::journal::Rollout;
use super::sequence::Sequence;
use crate::error::Error;

/// All that decides what is sampled at a step.
#[derive(Clone, Copy)]
pub(crate) struct Sitting<'a> {
    pub(crate) decoder: &'a Decoder,
    pub(crate) plan: &'a Plan,
    pub(crate) step: &'a PlannedStep,
    pub(crate) rl: &'a Rl,
    pub(crate) sampler: &'a Sampler<'a>,
    /// That of the recipe.
    pub(crate) seed: u64,
    /// Inputs of a row, which holds a prompt and what follows it.
    pub(crate) sequence_length: usize,
}

impl Sitting<'_> {
    /// A completion of each prompt and sample, group after group, and what they come to with their prompts.
    pub(super) fn completions(&self) -> Result<Vec<(Rollout, Sequence)>, Error> {
        let prompts = self.prompts();
        let asked: Vec<Prompt> = (0..)
            .zip(&prompts)
            .map(|(row, ids)| Prompt {
                ids: ids.clone(),
                n_samples: self.rl.group_size,
                seed: self.seed_of(&[row]),
            })
            .collect();
        let groups = self.generate(&asked)?;
        let mut completions = Vec::with_capacity(groups.len() * self.rl.group_size);
        for (row, group) in groups.into_iter().enumerate() {
            for (sample, completion) in group.into_iter().enumerate() {
                let (text, is_truncated) = self.read(&completion)?;
                let mut sequence = Sequence::new(prompts[row].clone());
                sequence.answer(&completion.ids);
                let ids = completion.ids;
                let entry = Rollout { ids, text, is_truncated, ..self.entry(row, sample) };
                completions.push((entry, sequence));
            }
        }
        Ok(completions)
    }

    /// The ids of the step's prompts, row by row.
    pub(super) fn prompts(&self) -> Vec<Vec<u32>> {
        let prompt = |row: &temper_mix::PlannedRow| {
            let document = row.segments[0].document as usize;
            let tokens = self.plan.tokens(row.source);
            let mut ids = vec![0; tokens.document_len(document)];
            tokens.read(document, 0, &mut ids);
            ids
        };
        self.step.own_rows().iter().map(prompt).collect()
    }

    /// Goes on with prompts.
    pub(super) fn generate(&self, asked: &[Prompt]) -> Result<Vec<Vec<Completion>>, Error> {
        let options = GenerateOptions {
            max_tokens: self.rl.max_new_tokens,
            sampling: Sampling { temperature: self.rl.temperature, ..Sampling::default() },
            stop_ids: self.sampler.stop_ids.clone(),
            is_complete: None,
        };
        Ok(generate(self.decoder, asked, &options)?)
    }

    /// What a completion says, and whether it did not end by itself.
    pub(super) fn read(&self, completion: &Completion) -> Result<(String, bool), Error> {
        let is_cut = completion.ending != Ending::Stop;
        // The id that ends a completion says nothing.
        let n_said = completion.ids.len() - usize::from(!is_cut);
        Ok((self.sampler.tokenizer.decode_sampled(&completion.ids[..n_said])?, is_cut))
    }

    /// A completion of a row's prompt that says nothing and is not judged.
    pub(super) fn entry(&self, row: usize, sample: usize) -> Rollout {
        let planned = &self.step.rows[row];
        Rollout {
            row: row as u32,
            sample: sample as u32,
            source: self.plan.sources()[planned.source].name.clone(),
            document: planned.segments[0].document,
            ids: Vec::new(),
            text: String::new(),
            is_truncated: false,
            rewards: Vec::new(),
            reward: 0.0,
            advantage: 0.0,
            turns: Vec::new(),
        }
    }

    /// The seed of what is drawn at a place of the step: a row, or an answer of an episode.
    pub(super) fn seed_of(&self, place: &[u64]) -> u64 {
        let mut stream = Hasher::new();
        stream.update(b"sampling");
        for number in [self.seed, self.step.index].iter().chain(place) {
            stream.update(&number.to_le_bytes());
        }
        let digest: Digest = stream.finish();
        u64::from_le_bytes(digest.bytes()[..8].try_into().expect("a digest has 32 bytes"))
    }
}
