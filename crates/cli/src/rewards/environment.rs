//! Episodes of the stage `rl` in an environment outside.

use temper_judge::{Answer, Episode, Exchange};
use temper_tokens::Conversation;
use temper_train::{Environment, Move, Reply, Told, Turn, Unanswered};

use super::Rewards;

impl Rewards {
    /// A move as the environment is asked.
    fn asked<'a>(&'a self, next: &'a Move<'_>) -> temper_judge::Move<'a> {
        let prompts = &self.prompts[next.source];
        let document = next.document as usize;
        let episode = Episode {
            id: &next.id,
            number: next.number,
            source: &prompts.source,
            document: next.document,
            messages: prompts.asked[document].messages(),
            tools: prompts.asked[document].tools(),
            reference: prompts.references[document].as_deref(),
            metadata: prompts.metadata(document),
        };
        let past = next.past.iter().enumerate().map(|(number, turn)| exchange(number, turn));
        let last = next.is_last;
        let answer = next.answer.map(|completion| Answer { completion, last });
        temper_judge::Move { episode, past: past.collect(), answer }
    }
}

/// What was said before; the first was the reset, and no answer was the last.
fn exchange(number: usize, turn: &Turn) -> Exchange<'_> {
    let answer = (number > 0).then_some(Answer { completion: &turn.text, last: false });
    let (messages, reward, done) = (turn.messages.clone(), turn.reward, turn.is_done);
    Exchange { answer, reply: temper_judge::Reply { messages, reward, done } }
}

impl Environment for Rewards {
    fn prompt(&self, source: usize, document: u64) -> &Conversation {
        &self.prompts[source].asked[document as usize]
    }

    fn play(&self, moves: &[Move<'_>], told: &mut Told<'_, Reply>) -> Result<(), Unanswered> {
        let environment = self.environment.as_ref().expect("only who has one is asked to play");
        let asked: Vec<temper_judge::Move<'_>> =
            moves.iter().map(|next| self.asked(next)).collect();
        let mut told = |at: usize, reply: temper_judge::Reply| {
            let temper_judge::Reply { messages, reward, done } = reply;
            told(at, Reply { messages, reward, is_done: done })
        };
        environment.play(&asked, &mut told).map_err(|unanswered| Unanswered {
            question: unanswered.question,
            cause: unanswered.error,
        })
    }
}
