//! Episodes: answers of a model and what an environment says to them, until each is over.
//!
//! ```text
//! reset ─► prompt ─► answer ─► environment ─► reward, and what it says ─┐
//!                      ▲                            (on disk first)     │
//!                      └── the template's text between two answers ◄────┘
//! ```
//!
//! All episodes of a round go on together, answer by answer. Answers stay the ids that were sampled; of what is
//! between them only ids are made, and nothing is learned from these.

use serde_json::Value;
use temper_ask::{Move, Reply, Turn, Unanswered};
use temper_model::{Completion, Prompt};
use temper_tokens::{Conversation, Message, RenderOptions};

use super::journal::Rollout;
use super::judging::{id, rounded};
use super::replies::Replies;
use super::sequence::Sequence;
use super::sitting::Sitting;
use super::{World, taken};
use crate::error::Error;

/// An episode under way.
struct Episode {
    entry: Rollout,
    /// The number of its source in the plan.
    source: usize,
    conversation: Conversation,
    sequence: Sequence,
    is_over: bool,
}

/// What a model answered.
struct Answer {
    ids: Vec<u32>,
    /// That each id was sampled by.
    log_probs: Vec<f32>,
    text: String,
    /// Whether it did not end by itself.
    is_cut: bool,
    /// Whether the episode ends with it, whatever is said to it.
    is_last: bool,
}

/// Plays an episode of each prompt and sample, group after group; gives them with what they come to with their
/// prompts. What is in `replies` is not asked for again.
///
/// # Errors
/// [`Error::Environment`] for an environment that does not answer, and a template that cannot go on with what it
/// says.
pub(super) fn play(
    sitting: &Sitting<'_>,
    world: &World<'_>,
    replies: &mut Replies,
) -> Result<Vec<(Rollout, Sequence)>, Error> {
    let mut episodes = episodes(sitting, world);
    let all: Vec<usize> = (0..episodes.len()).collect();
    let resets: Vec<Option<Answer>> = all.iter().map(|_| None).collect();
    let turns = told(sitting, world, &episodes, &all, &resets, replies)?;
    for (episode, turn) in episodes.iter_mut().zip(turns) {
        episode.begin(turn, sitting, world)?;
    }
    // With an answer it has as many ids as a row has inputs, and a last target.
    let fitting = sitting.sequence_length + 1 - sitting.rl.max_new_tokens;
    let most_ids = fitting.min(sitting.decoder.config().context() - 1);
    for number in 1..=world.max_turns {
        for episode in episodes.iter_mut().filter(|episode| !episode.is_over) {
            if episode.sequence.ids().len() > most_ids {
                (episode.is_over, episode.entry.is_truncated) = (true, true);
                // What is never answered may be longer than a row.
                episode.sequence.forget_unanswered();
            }
        }
        let going: Vec<usize> = (0..episodes.len()).filter(|at| !episodes[*at].is_over).collect();
        if going.is_empty() {
            break;
        }
        let answers = answers(sitting, world, &episodes, &going, number)?;
        let turns = told(sitting, world, &episodes, &going, &answers, replies)?;
        for ((at, answer), turn) in going.into_iter().zip(answers).zip(turns) {
            let answer = answer.expect("each of those that go on has answered");
            episodes[at].hear(answer, turn, sitting, world)?;
        }
    }
    Ok(episodes.into_iter().map(|episode| (episode.entry, episode.sequence)).collect())
}

/// The episodes of a step, nothing said in them.
fn episodes(sitting: &Sitting<'_>, world: &World<'_>) -> Vec<Episode> {
    let of_row = |(row, prompt): (usize, Vec<u32>)| {
        let source = sitting.step.rows[row].source;
        (0..sitting.rl.group_size).map(move |sample| {
            let entry = sitting.entry(row, sample);
            let conversation = world.environment.prompt(source, entry.document).clone();
            let sequence = Sequence::new(prompt.clone());
            Episode { entry, source, conversation, sequence, is_over: false }
        })
    };
    sitting.rows.iter().copied().zip(sitting.prompts()).flat_map(of_row).collect()
}

/// Samples answer `number` of each episode that goes on.
fn answers(
    sitting: &Sitting<'_>,
    world: &World<'_>,
    episodes: &[Episode],
    going: &[usize],
    number: usize,
) -> Result<Vec<Option<Answer>>, Error> {
    // A group that begins with the same prompt has it computed once.
    let is_shared = |a: &usize, b: &usize| {
        let (a, b) = (&episodes[*a], &episodes[*b]);
        number == 1 && a.entry.row == b.entry.row && a.sequence == b.sequence
    };
    let asked = going.chunk_by(is_shared).map(|group| {
        let Episode { entry, sequence, .. } = &episodes[group[0]];
        let (row, sample) = (entry.row as usize, u64::from(entry.sample));
        let seed = match (number, sample) {
            // As without an environment.
            (1, 0) => sitting.seed_of(row, &[]),
            _ => sitting.seed_of(row, &[sample, number as u64]),
        };
        Prompt { ids: sequence.ids().to_vec(), n_samples: group.len(), seed }
    });
    let completions = sitting.generate(&asked.collect::<Vec<_>>())?;
    let answer = |completion: Completion| {
        let (text, is_cut) = sitting.read(&completion)?;
        // What does not end cannot be followed.
        let is_last = is_cut || number == world.max_turns;
        let Completion { ids, sampled_logprobs: log_probs, .. } = completion;
        Ok(Some(Answer { ids, log_probs, text, is_cut, is_last }))
    };
    completions.into_iter().flatten().map(answer).collect()
}

/// What the environment says to the answers of the episodes `going`, or to a reset where there is none; what it
/// says is on disk before it is used.
fn told(
    sitting: &Sitting<'_>,
    world: &World<'_>,
    episodes: &[Episode],
    going: &[usize],
    answers: &[Option<Answer>],
    replies: &mut Replies,
) -> Result<Vec<Turn>, Error> {
    let known = |(at, answer): (&usize, &Option<Answer>)| {
        let ids = answer.as_ref().map_or(&[][..], |answer| &answer.ids);
        replies.of(&episodes[*at].entry, ids).cloned()
    };
    let mut turns: Vec<Option<Turn>> = going.iter().zip(answers).map(known).collect();
    let asked: Vec<usize> = (0..turns.len()).filter(|slot| turns[*slot].is_none()).collect();
    let next = |slot: &usize| {
        let Episode { entry, source, .. } = &episodes[going[*slot]];
        let answer = answers[*slot].as_ref();
        Move {
            id: id(sitting.step.index, entry),
            number: going[*slot],
            source: *source,
            document: entry.document,
            past: &entry.turns,
            answer: answer.map(|answer| answer.text.as_str()),
            is_last: answer.is_some_and(|answer| answer.is_last),
        }
    };
    let moves: Vec<Move<'_>> = asked.iter().map(next).collect();
    let take = |at: usize, Reply { messages, reward, is_done }: Reply| {
        let slot = asked[at];
        let episode = &episodes[going[slot]];
        let no_number = || {
            episode.failed(format!("found a reward of {reward}, expected a finite number").into())
        };
        let reward = rounded(reward).ok_or_else(no_number)?;
        let answer = answers[slot].as_ref();
        let (ids, text) =
            answer.map(|answer| (answer.ids.clone(), answer.text.clone())).unwrap_or_default();
        let turn = Turn { ids, text, messages, reward, is_done };
        let written = replies.push(&episode.entry, &turn);
        turns[slot] = Some(turn);
        written
    };
    let played = taken(|told| world.environment.play(&moves, told), take)?;
    let episode_of = |question: usize| &episodes[going[asked[question]]];
    played.map_err(|Unanswered { question, cause }| episode_of(question).failed(cause))?;
    let told = turns.into_iter().zip(going).map(|(turn, at)| {
        turn.ok_or_else(|| episodes[*at].failed("found no reply, expected one".into()))
    });
    told.collect()
}

impl Episode {
    /// Takes up what the environment says before the first answer.
    fn begin(
        &mut self,
        reset: Turn,
        sitting: &Sitting<'_>,
        world: &World<'_>,
    ) -> Result<(), Error> {
        if !reset.messages.is_empty() {
            let longer = self.conversation.extended(reset.messages.clone());
            let options = RenderOptions { add_generation_prompt: true, ..RenderOptions::default() };
            let begun = longer.and_then(|longer| {
                let text = world.template.render(&longer, &options)?.text;
                Ok((longer, sitting.sampler.tokenizer.encode_rendered(&text)?))
            });
            let (longer, tokens) = begun.map_err(|error| self.failed(Box::new(error)))?;
            self.conversation = longer;
            self.sequence = Sequence::new(tokens.into_iter().map(|(id, _)| id).collect());
        }
        self.entry.turns.push(reset);
        Ok(())
    }

    /// Takes up an answer and what is said to it.
    fn hear(
        &mut self,
        answer: Answer,
        turn: Turn,
        sitting: &Sitting<'_>,
        world: &World<'_>,
    ) -> Result<(), Error> {
        let Answer { ids, log_probs, text, is_cut, is_last } = answer;
        self.sequence.answer(&ids, &log_probs);
        self.is_over = turn.is_done || is_last;
        if !self.is_over {
            let said = [("role", "assistant"), ("content", text.as_str())];
            let said = said.map(|(key, value)| (key.to_owned(), Value::from(value)));
            let said = Message::from_iter(said);
            let longer =
                self.conversation.extended([said].into_iter().chain(turn.messages.clone()));
            let ended = *ids.last().expect("an answer that ended has an id that ended it");
            let tokenizer = sitting.sampler.tokenizer;
            let gone_on = longer.and_then(|longer| {
                let between = world.template.tokenize_between(&longer, ended, tokenizer)?;
                Ok((longer, between))
            });
            let (longer, between) = gone_on.map_err(|error| self.failed(Box::new(error)))?;
            self.conversation = longer;
            self.sequence.hear(&between);
        }
        self.entry.ids.extend(ids);
        (self.entry.text, self.entry.is_truncated) = (text, is_cut);
        self.entry.turns.push(turn);
        Ok(())
    }

    fn failed(&self, cause: Box<dyn std::error::Error + Send + Sync>) -> Error {
        let (source_name, document) = (self.entry.source.clone(), self.entry.document);
        Error::Environment { source_name, document, cause }
    }
}

#[cfg(test)]
mod tests;
