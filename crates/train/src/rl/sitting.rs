//! Prompts of a step whose completions are sampled together.

use temper_mix::{Plan, PlannedStep};
use temper_model::{Completion, Decoder, Ending, GenerateOptions, Prompt, Sampling, generate};
use temper_recipe::{Digest, Hasher, Rl};

use super::Sampler;
use super::journal::Rollout;
use super::sequence::Sequence;
use crate::error::Error;

/// All that decides what is sampled.
#[derive(Clone, Copy)]
pub(super) struct Sitting<'a> {
    pub(super) decoder: &'a Decoder,
    pub(super) plan: &'a Plan,
    pub(super) step: &'a PlannedStep,
    /// Which of its rows.
    pub(super) rows: &'a [usize],
    pub(super) rl: &'a Rl,
    pub(super) sampler: &'a Sampler<'a>,
    /// That of the recipe.
    pub(super) seed: u64,
    /// Inputs of a row, which holds a prompt and what follows it.
    pub(super) sequence_length: usize,
}

impl Sitting<'_> {
    /// A completion of each prompt and sample, group after group, and what they come to with their prompts.
    pub(super) fn completions(&self) -> Result<Vec<(Rollout, Sequence)>, Error> {
        let prompts = self.prompts();
        let prompt = |(row, ids): (&usize, &Vec<u32>)| Prompt {
            ids: ids.clone(),
            n_samples: self.rl.group_size,
            seed: self.seed_of(*row, &[]),
        };
        let asked: Vec<Prompt> = self.rows.iter().zip(&prompts).map(prompt).collect();
        let groups = self.generate(&asked)?;
        let mut completions = Vec::with_capacity(groups.len() * self.rl.group_size);
        for ((row, prompt), group) in self.rows.iter().zip(prompts).zip(groups) {
            for (sample, completion) in group.into_iter().enumerate() {
                let (text, is_truncated) = self.read(&completion)?;
                let mut sequence = Sequence::new(prompt.clone());
                sequence.answer(&completion.ids, &completion.sampled_logprobs);
                let ids = completion.ids;
                let entry = Rollout { ids, text, is_truncated, ..self.entry(*row, sample) };
                completions.push((entry, sequence));
            }
        }
        Ok(completions)
    }

    /// The ids of the prompts, row by row.
    pub(super) fn prompts(&self) -> Vec<Vec<u32>> {
        let prompt = |row: &usize| {
            let row = &self.step.rows[*row];
            let document = row.segments[0].document as usize;
            let tokens = self.plan.tokens(row.source);
            let mut ids = vec![0; tokens.document_len(document)];
            tokens.read(document, 0, &mut ids);
            ids
        };
        self.rows.iter().map(prompt).collect()
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
            refill: planned.refills,
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

    /// The seed of what is drawn for a row, or at a place in its episodes; another one for each prompt that takes
    /// the place of another.
    pub(super) fn seed_of(&self, row: usize, place: &[u64]) -> u64 {
        seed(self.seed, self.step.index, row as u64, place, self.step.rows[row].refills)
    }
}

fn seed(seed: u64, step: u64, row: u64, place: &[u64], refill: u32) -> u64 {
    let mut stream = Hasher::new();
    stream.update(b"sampling");
    for number in [seed, step, row].iter().chain(place) {
        stream.update(&number.to_le_bytes());
    }
    if refill > 0 {
        stream.update(&refill.to_le_bytes());
    }
    let digest: Digest = stream.finish();
    u64::from_le_bytes(digest.bytes()[..8].try_into().expect("a digest has 32 bytes"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn what_takes_the_place_of_another_is_drawn_anew() {
        let steps = (0..4).flat_map(|step| (0..4).map(move |row| (step, row)));
        let places = [&[][..], &[0, 1], &[1, 1], &[1, 2]];
        let all = steps.flat_map(|(step, row)| places.map(|place| (step, row, place)));
        let seeds =
            all.flat_map(|(step, row, place)| (0..4).map(move |of| seed(7, step, row, place, of)));
        assert_eq!(seeds.collect::<BTreeSet<u64>>().len(), 256);
    }
}
