//! The rewards of what a step sampled: from the journal, or asked for and put there.

use std::ops::ControlFlow;

use temper_mix::PlannedStep;
use temper_recipe::Rl;

use super::advantage::advantages;
use super::journal::{Journal, Rollout};
use super::{Judge, Question, Unanswered};
use crate::error::Error;

/// Gives every entry its rewards, beside what an environment gave, and its advantage, and writes the step's journal.
///
/// What a run that was killed was answered is taken from its journal, or from the awards of the step
/// that it was at.
///
/// # Errors
/// [`Error::Judge`]; a journal that cannot be written.
pub(crate) fn judge(
    entries: &mut [Rollout],
    step: &PlannedStep,
    rl: &Rl,
    judge: &dyn Judge,
    journal: &Journal,
) -> Result<(), Error> {
    let n_parts = rl.rewards.len();
    let before = journal.read(step.index).unwrap_or_default();
    let mut awards = journal.awards(step.index)?;
    // Completion by completion, part by part.
    let mut rewards: Vec<Option<f64>> = Vec::with_capacity(entries.len() * n_parts);
    for (at, entry) in entries.iter().enumerate() {
        let journaled = before
            .get(at)
            .filter(|journaled| journaled.is_of(entry) && journaled.rewards.len() == n_parts);
        rewards.extend((0..n_parts).map(|part| match journaled {
            Some(journaled) => Some(journaled.rewards[part]),
            None => awards.of(entry, part),
        }));
    }
    let asked: Vec<usize> = (0..rewards.len()).filter(|slot| rewards[*slot].is_none()).collect();
    let sampled = &*entries;
    let question = |slot: &usize| {
        let (entry, part) = (&sampled[slot / n_parts], slot % n_parts);
        let id = format!("{}/{}/{}", step.index, entry.row, entry.sample);
        let source = step.rows[entry.row as usize].source;
        Question { part, id, source, document: entry.document, completion: &entry.text }
    };
    let questions: Vec<Question<'_>> = asked.iter().map(question).collect();
    let failed = |slot: usize, cause| {
        let Rollout { source, document, .. } = &sampled[slot / n_parts];
        Error::Judge { source_name: source.clone(), document: *document, cause }
    };
    let mut stopped = Ok(());
    let answered = judge.judge(&questions, &mut |at, found| {
        let (slot, part) = (asked[at], questions[at].part);
        let entry = &sampled[slot / n_parts];
        let taken = match rounded(found) {
            None => Err(failed(slot, format!("found {found}, expected a finite number").into())),
            Some(reward) => {
                rewards[slot] = Some(reward);
                match rl.rewards[part].is_outside() {
                    true => awards.push(entry, part, reward),
                    // What costs nothing is judged again.
                    false => Ok(()),
                }
            }
        };
        match taken {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                stopped = Err(error);
                ControlFlow::Break(())
            }
        }
    });
    stopped?;
    answered.map_err(|Unanswered { question, cause }| failed(asked[question], cause))?;
    if let Some(slot) = rewards.iter().position(Option::is_none) {
        return Err(failed(slot, "found no answer, expected a number".into()));
    }
    let rewards: Vec<f64> = rewards.into_iter().flatten().collect();
    for (at, entry) in entries.iter_mut().enumerate() {
        let rewards = &rewards[at * n_parts..][..n_parts];
        let weighted = rewards.iter().zip(&rl.rewards).map(|(part, of)| part * of.weight());
        entry.reward = entry.environment_reward() + weighted.sum::<f64>();
        entry.rewards = rewards.to_vec();
    }
    for group in entries.chunks_mut(rl.group_size) {
        let rewards: Vec<f64> = group.iter().map(|entry| entry.reward).collect();
        for (entry, advantage) in group.iter_mut().zip(advantages(rl.normalisation, &rewards)) {
            entry.advantage = advantage;
        }
    }
    journal.write(step.index, entries)?;
    awards.remove()
}

/// Nine decimals, which every reader of JSON reads back as they were; `None` for what is no number.
pub(super) fn rounded(reward: f64) -> Option<f64> {
    let rounded = (reward * 1e9).round() / 1e9;
    rounded.is_finite().then_some(rounded)
}
