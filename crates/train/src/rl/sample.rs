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
use temper_model::Decoder;
use temper_recipe::Rl;

use super::Sampler;
use super::episodes::play;
use super::journal::Journal;
use super::judging::Judging;
use super::replies::Replies;
use super::rollout::{Rollouts, is_equal};
use super::sitting::Sitting;
use crate::error::Error;

/// What a step is sampled by.
#[derive(Clone, Copy)]
pub(crate) struct Sample<'a> {
    /// The model as it is now.
    pub(crate) decoder: &'a Decoder,
    pub(crate) plan: &'a Plan,
    /// Of the recipe.
    pub(crate) seed: u64,
    /// Inputs of a row, which holds a prompt and what follows it.
    pub(crate) sequence_length: usize,
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
    /// [`Error::Judge`], [`Error::Environment`]; a journal that cannot be written.
    pub(crate) fn step(&self, mut step: PlannedStep) -> Result<Rollouts, Error> {
        let (rl, world) = (self.rl, &self.sampler.world);
        let mut judging = Judging::begin(step.index, rl, self.sampler.judge, self.journal)?;
        let mut replies = world.as_ref().map(|_| self.journal.replies(step.index)).transpose()?;
        let mut rows: Vec<usize> = (0..step.own_rows().len()).collect();
        let (mut entries, mut sequences) = (Vec::new(), Vec::new());
        let mut groups = vec![0; rows.len()];
        for round in 0..=rl.refill {
            let sitting = self.sitting(&step, &rows);
            let sampled = match (world, &mut replies) {
                (Some(world), Some(replies)) => play(&sitting, world, replies)?,
                _ => sitting.completions()?,
            };
            let (mut of_round, said): (Vec<_>, Vec<_>) = sampled.into_iter().unzip();
            judging.judge(&mut of_round, &step)?;
            let firsts = (entries.len()..).step_by(rl.group_size);
            rows.iter().zip(firsts).for_each(|(row, first)| groups[*row] = first);
            entries.extend(of_round);
            sequences.extend(said);
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
        // From here on the journal has them.
        replies.map_or(Ok(()), Replies::remove)?;
        Ok(Rollouts { step, entries, sequences, groups, group_size: rl.group_size })
    }

    fn sitting<'b>(&'b self, step: &'b PlannedStep, rows: &'b [usize]) -> Sitting<'b> {
        Sitting {
            decoder: self.decoder,
            plan: self.plan,
            step,
            rows,
            rl: self.rl,
            sampler: self.sampler,
            seed: self.seed,
            sequence_length: self.sequence_length,
        }
    }
}
