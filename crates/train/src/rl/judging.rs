//! The rewards of what a step sampled: from the journal, or asked for and put there.

use temper_ask::{Question, Unanswered};
use temper_mix::PlannedStep;
use temper_recipe::Rl;

use super::advantage::advantages;
use super::awards::Awards;
use super::journal::{Journal, Rollout};
use super::{Judge, taken};
use crate::error::Error;

/// The judging of a step, round by round.
///
/// What a run that was killed was answered is taken from its journal, or from the awards of the step
/// that it was at.
pub(crate) struct Judging<'a> {
    rl: &'a Rl,
    judge: &'a dyn Judge,
    journal: &'a Journal,
    step: u64,
    /// From before the run was killed, in the order of the judging.
    before: Vec<Rollout>,
    awards: Awards,
    n_judged: usize,
}

impl<'a> Judging<'a> {
    /// Begins with step number `step`.
    ///
    /// # Errors
    /// Awards that cannot be read.
    pub(crate) fn begin(
        step: u64,
        rl: &'a Rl,
        judge: &'a dyn Judge,
        journal: &'a Journal,
    ) -> Result<Self, Error> {
        let before = journal.read(step).unwrap_or_default();
        let awards = journal.awards(step)?;
        Ok(Self { rl, judge, journal, step, before, awards, n_judged: 0 })
    }

    /// Gives every entry of a round its rewards, beside what an environment gave, and its advantage; `step` has the rows as they were sampled.
    ///
    /// # Errors
    /// [`Error::Judge`]; awards that cannot be written.
    pub(crate) fn judge(
        &mut self,
        entries: &mut [Rollout],
        step: &PlannedStep,
    ) -> Result<(), Error> {
        let rl = self.rl;
        let n_parts = rl.rewards.len();
        // Completion by completion, part by part.
        let mut rewards: Vec<Option<f64>> = Vec::with_capacity(entries.len() * n_parts);
        for (at, entry) in (self.n_judged..).zip(&*entries) {
            let journaled = self.before.get(at);
            let journaled = journaled
                .filter(|journaled| journaled.is_of(entry) && journaled.rewards.len() == n_parts);
            rewards.extend((0..n_parts).map(|part| match journaled {
                Some(journaled) => Some(journaled.rewards[part]),
                None => self.awards.of(entry, part),
            }));
        }
        let asked: Vec<usize> =
            (0..rewards.len()).filter(|slot| rewards[*slot].is_none()).collect();
        let sampled = &*entries;
        let question = |slot: &usize| {
            let (entry, part) = (&sampled[slot / n_parts], slot % n_parts);
            let source = step.rows[entry.row as usize].source;
            let id = id(step.index, entry);
            Question { part, id, source, document: entry.document, completion: &entry.text }
        };
        let questions: Vec<Question<'_>> = asked.iter().map(question).collect();
        let failed = |slot: usize, cause| {
            let Rollout { source, document, .. } = &sampled[slot / n_parts];
            Error::Judge { source_name: source.clone(), document: *document, cause }
        };
        let awards = &mut self.awards;
        let take = |at: usize, found: f64| {
            let (slot, part) = (asked[at], questions[at].part);
            let no_number =
                || failed(slot, format!("found {found}, expected a finite number").into());
            let reward = rounded(found).ok_or_else(no_number)?;
            rewards[slot] = Some(reward);
            match rl.rewards[part].is_outside() {
                true => awards.push(&sampled[slot / n_parts], part, reward),
                // What costs nothing is judged again.
                false => Ok(()),
            }
        };
        let answered = taken(|told| self.judge.judge(&questions, told), take)?;
        answered.map_err(|Unanswered { question, cause }| failed(asked[question], cause))?;
        if let Some(slot) = rewards.iter().position(Option::is_none) {
            return Err(failed(slot, "found no answer, expected a number".into()));
        }
        let rewards: Vec<f64> = rewards.into_iter().flatten().collect();
        for (at, entry) in entries.iter_mut().enumerate() {
            let rewards = &rewards[at * n_parts..][..n_parts];
            let weighted = rewards.iter().zip(&rl.rewards).map(|(part, of)| part * of.weight());
            let reward = entry.environment_reward() + weighted.sum::<f64>();
            // Sums in another order are as good.
            entry.reward = rounded(reward).unwrap_or(reward);
            entry.rewards = rewards.to_vec();
        }
        for group in entries.chunks_mut(rl.group_size) {
            let rewards: Vec<f64> = group.iter().map(|entry| entry.reward).collect();
            for (entry, advantage) in group.iter_mut().zip(advantages(rl.normalisation, &rewards)) {
                entry.advantage = advantage;
            }
        }
        self.n_judged += entries.len();
        Ok(())
    }

    /// Writes the journal of the step, which has `entries` in the order in which they were judged.
    ///
    /// # Errors
    /// A journal that cannot be written.
    pub(crate) fn finish(self, entries: &[Rollout]) -> Result<(), Error> {
        self.journal.write(self.step, entries)?;
        self.awards.remove()
    }
}

/// What names a completion in its run.
pub(super) fn id(step: u64, entry: &Rollout) -> String {
    let Rollout { row, refill, sample, .. } = entry;
    match refill {
        0 => format!("{step}/{row}/{sample}"),
        refill => format!("{step}/{row}.{refill}/{sample}"),
    }
}

/// Nine decimals, which every reader of JSON reads back as they were; `None` for what is no number.
pub(super) fn rounded(reward: f64) -> Option<f64> {
    let rounded = (reward * 1e9).round() / 1e9;
    rounded.is_finite().then_some(rounded)
}
