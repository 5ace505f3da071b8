//! A step sampled: a group of each prompt, and of other prompts in the place of those that teach nothing.
//!
//! ```text
//! round 0   all rows          ─► a group each ─► judged ─► rows whose completions are equally good
//! round 1   those rows, each with the next prompt of its source ─► a group each ─► judged ─► …
//! ```
//!
//! All groups of a round are sampled together. What a group is depends on its prompt, its step, row and round
//! alone. Everything goes into the journal, what is thrown away as well.

use temper_mix::{Plan, PlannedStep, RefillOrder};
use temper_model::{Decoder, Ending, GenerateOptions, Prompt, Sampling, generate};
use temper_recipe::{Digest, Hasher, Rl};

use super::Sampler;
use super::journal::{Journal, Rollout};
use super::judging::Judging;
use super::rollout::{Rollouts, is_equal};
use crate::error::Error;

/// What a step is sampled by.
#[derive(Clone, Copy)]
pub(crate) struct Sample<'a> {
    /// The model as it is now.
    pub(crate) decoder: &'a Decoder,
    pub(crate) plan: &'a Plan,
    /// Of the recipe.
    pub(crate) seed: u64,
    pub(crate) rl: &'a Rl,
    pub(crate) sampler: &'a Sampler<'a>,
    pub(crate) journal: &'a Journal,
    /// Where other prompts come from; `None` where no group is replaced.
    pub(crate) order: Option<&'a RefillOrder<'a>>,
}

impl Sample<'_> {
    /// Samples a group of each prompt of the step and judges it, or takes what the journal has of it; then
    /// replaces what teaches nothing. The rows of the step are in the end those that were sampled last.
    ///
    /// # Errors
    /// [`Error::Judge`]; a journal that cannot be written.
    pub(crate) fn step(&self, mut step: PlannedStep) -> Result<Rollouts, Error> {
        let rl = self.rl;
        let mut judging = Judging::begin(step.index, rl, self.sampler.judge, self.journal)?;
        let mut rows: Vec<usize> = (0..step.own_rows().len()).collect();
        let mut prompts = vec![Vec::new(); rows.len()];
        let mut entries = Vec::with_capacity(rows.len() * rl.group_size);
        let mut groups = vec![0; rows.len()];
        for round in 0..=rl.refill {
            rows.iter().for_each(|row| prompts[*row] = self.prompt(&step, *row));
            let mut of_round = self.complete(&step, &rows, &prompts)?;
            judging.judge(&mut of_round, &step)?;
            let firsts = (entries.len()..).step_by(rl.group_size);
            rows.iter().zip(firsts).for_each(|(row, first)| groups[*row] = first);
            entries.extend(of_round);
            let Some(order) = self.order.filter(|_| round < rl.refill) else { break };
            rows.retain(|row| {
                let group = &entries[groups[*row]..][..rl.group_size];
                is_equal(group) && order.replace(&mut step, *row)
            });
            if rows.is_empty() {
                break;
            }
        }
        judging.finish(&entries)?;
        Ok(Rollouts { step, prompts, entries, groups, group_size: rl.group_size })
    }

    /// The ids of the prompt in a row.
    fn prompt(&self, step: &PlannedStep, row: usize) -> Vec<u32> {
        let row = &step.rows[row];
        let document = row.segments[0].document as usize;
        let tokens = self.plan.tokens(row.source);
        let mut ids = vec![0; tokens.document_len(document)];
        tokens.read(document, 0, &mut ids);
        ids
    }

    /// A group of completions for each of `rows`, not judged yet.
    fn complete(
        &self,
        step: &PlannedStep,
        rows: &[usize],
        prompts: &[Vec<u32>],
    ) -> Result<Vec<Rollout>, Error> {
        let prompt = |row: &usize| Prompt {
            ids: prompts[*row].clone(),
            n_samples: self.rl.group_size,
            seed: seed(self.seed, step.index, *row as u64, step.rows[*row].refills),
        };
        let asked: Vec<Prompt> = rows.iter().map(prompt).collect();
        let options = GenerateOptions {
            max_tokens: self.rl.max_new_tokens,
            sampling: Sampling { temperature: self.rl.temperature, ..Sampling::default() },
            stop_ids: self.sampler.stop_ids.clone(),
            is_complete: None,
        };
        let groups = generate(self.decoder, &asked, &options)?;
        let mut entries = Vec::with_capacity(rows.len() * self.rl.group_size);
        for (row, completions) in rows.iter().zip(groups) {
            let planned = &step.rows[*row];
            for (sample, completion) in completions.into_iter().enumerate() {
                let is_truncated = completion.ending != Ending::Stop;
                // The id that ends a completion says nothing.
                let n_said = completion.ids.len() - usize::from(!is_truncated);
                let text = self.sampler.tokenizer.decode_sampled(&completion.ids[..n_said])?;
                entries.push(Rollout {
                    row: *row as u32,
                    refill: planned.refills,
                    sample: sample as u32,
                    source: self.plan.sources()[planned.source].name.clone(),
                    document: planned.segments[0].document,
                    ids: completion.ids,
                    text,
                    is_truncated,
                    // It is judged next.
                    rewards: Vec::new(),
                    reward: 0.0,
                    advantage: 0.0,
                });
            }
        }
        Ok(entries)
    }
}

/// The seed of what is drawn for a prompt; another one for each that takes the place of another.
fn seed(seed: u64, step: u64, row: u64, refill: u32) -> u64 {
    let mut stream = Hasher::new();
    stream.update(b"sampling");
    for number in [seed, step, row] {
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
        let seeds = steps.flat_map(|(step, row)| (0..4).map(move |of| seed(7, step, row, of)));
        assert_eq!(seeds.collect::<BTreeSet<u64>>().len(), 64);
    }
}
