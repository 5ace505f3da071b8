//! A program that a model's answers are said to: it begins episodes, and goes on with them answer by answer.
//!
//! ```text
//! {"id":"12/0/3","reset":{"source":"rooms","document":7,"messages":[…],"reference":"…"}}
//! {"id":"12/0/3","messages":[]}
//! {"id":"12/0/3","step":{"completion":"…","last":false}}
//! {"id":"12/0/3","messages":[{"role":"user","content":"…"}],"reward":0,"done":false}
//! ```
//!
//! A process has many episodes at a time, told apart by their ids; an episode stays with its process. One that
//! must be replaced has its episodes played to it again, and must say what was said before.

mod reply;

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::AtomicBool;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::asking::{Told, Unanswered, ask_each};
use crate::error::Error;
use crate::processes::{Process, Processes, Spec, Wanted};
use crate::reply::NoReply;
pub use reply::Reply;

/// An environment, found and not started yet.
///
/// Its processes start with the first episodes and stay until this is dropped.
#[derive(Debug)]
pub struct Environment {
    processes: Processes<Held>,
    range: [f64; 2],
}

/// The episodes that a process has, by id: how often it has replied in each.
type Held = BTreeMap<String, usize>;

/// An episode, and what there is to begin it with; as JSON, what a reset says.
#[derive(Clone, Debug, Serialize)]
pub struct Episode<'a> {
    /// Names the episode in its run.
    #[serde(skip)]
    pub id: &'a str,
    /// Its number among those that are played together: which process has it.
    #[serde(skip)]
    pub number: usize,
    /// The source of the prompt.
    pub source: &'a str,
    /// The number of the prompt in its source.
    pub document: u64,
    /// The prompt.
    pub messages: &'a [Map<String, Value>],
    /// The tools that the model could call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<&'a [Value]>,
    /// What the source says of the prompt; null where it says nothing.
    pub reference: Option<&'a str>,
    /// What else the source says of the prompt, by column.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<&'a Map<String, Value>>,
}

/// What a model answered; as JSON, what a step says.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Answer<'a> {
    /// What it wrote.
    pub completion: &'a str,
    /// Whether the episode ends with it, whatever the environment says.
    pub last: bool,
}

/// What an environment was asked, and what it replied.
#[derive(Clone, Debug)]
pub struct Exchange<'a> {
    /// `None` of the reset.
    pub answer: Option<Answer<'a>>,
    /// What it replied.
    pub reply: Reply,
}

/// The next thing that an environment is asked.
#[derive(Clone, Debug)]
pub struct Move<'a> {
    /// In which episode.
    pub episode: Episode<'a>,
    /// What was said before, the reset first; nothing before the reset.
    pub past: Vec<Exchange<'a>>,
    /// What the model answered; `None` asks for the reset.
    pub answer: Option<Answer<'a>>,
}

impl Environment {
    /// Looks for the program, a path from `root`, where it will run.
    ///
    /// # Errors
    /// [`Error::NoProgram`].
    pub fn find(spec: &temper_recipe::Environment, root: &Path) -> Result<Self, Error> {
        let range = spec.range;
        let spec = Spec {
            key: "rl.environment",
            kind: "environment",
            program: &spec.program,
            workers: spec.workers,
            timeout_seconds: spec.timeout_seconds,
            retries: spec.retries,
        };
        Ok(Self { processes: Processes::find(spec, root)?, range })
    }

    /// Where it lies.
    pub fn executable(&self) -> &Path {
        self.processes.executable()
    }

    /// Makes moves of different episodes, several at a time, and tells each reply as soon as it is known.
    ///
    /// Episodes that none of the moves is of are over.
    ///
    /// # Errors
    /// [`Unanswered`], when all that was under way has ended; what was answered was told.
    pub fn play(&self, moves: &[Move<'_>], told: &mut Told<'_, Reply>) -> Result<(), Unanswered> {
        let playing: BTreeSet<&str> = moves.iter().map(|next| next.episode.id).collect();
        self.processes.for_each_known(|held| held.retain(|id, _| playing.contains(id.as_str())));
        let n_processes = self.processes.n_processes();
        let process_of = |next: &Move<'_>| next.episode.number % n_processes;
        let ask = |process, next: &Move<'_>, is_over: &AtomicBool| self.ask(process, next, is_over);
        ask_each(n_processes, process_of, moves, ask, told)
    }

    /// Makes a move in the process that has the episode.
    fn ask(&self, process: usize, next: &Move<'_>, is_over: &AtomicBool) -> Result<Reply, Error> {
        let Move { episode, past, answer } = next;
        let has_changed = Cell::new(false);
        let exchange = |process: &mut Process<Held>| {
            let is_held = process.known.get(episode.id) == Some(&past.len());
            if !is_held {
                for (at, before) in past.iter().enumerate() {
                    let reply = self.exchange(process, episode, before.answer)?;
                    if let Some(refused) = difference(at, &reply, &before.reply) {
                        has_changed.set(true);
                        return Err(refused);
                    }
                }
            }
            // Until it has replied, nobody knows how far it is.
            process.known.remove(episode.id);
            let reply = self.exchange(process, episode, *answer)?;
            if !reply.done && !answer.is_some_and(|answer| answer.last) {
                process.known.insert(episode.id.to_owned(), past.len() + 1);
            }
            Ok(reply)
        };
        let example = match answer {
            None => format!("{{\"id\": \"{}\", \"messages\": []}}", episode.id),
            Some(_) => format!(
                "{{\"id\": \"{}\", \"messages\": [{{\"role\": \"user\", \"content\": \"…\"}}], \
                 \"reward\": 0.5, \"done\": false}}",
                episode.id
            ),
        };
        let wanted = Wanted { id: episode.id, example: &example };
        match self.processes.ask(process, wanted, is_over, exchange) {
            Err(Error::Refused { judge, id, found, expected, said }) if has_changed.get() => {
                Err(Error::Changed { judge, id, found, expected, said })
            }
            replied => replied,
        }
    }

    /// Asks for a reset, or says an answer.
    fn exchange(
        &self,
        process: &mut Process<Held>,
        episode: &Episode<'_>,
        answer: Option<Answer<'_>>,
    ) -> Result<Reply, NoReply> {
        let line = process.ask(&request(episode, answer))?;
        Reply::read(&line, episode.id, answer, self.range)
    }
}

/// What is asked, on one line.
fn request(episode: &Episode<'_>, answer: Option<Answer<'_>>) -> String {
    let request = match answer {
        None => serde_json::json!({ "id": episode.id, "reset": episode }),
        Some(answer) => serde_json::json!({ "id": episode.id, "step": answer }),
    };
    request.to_string()
}

/// What is wrong with a reply that is not what was replied before.
fn difference(at: usize, found: &Reply, expected: &Reply) -> Option<NoReply> {
    let which = match at {
        0 => "to the reset".to_owned(),
        at => format!("to answer {at}"),
    };
    (!found.is(expected)).then(|| NoReply::Refused {
        found: format!("its reply {which} is {found}"),
        expected: format!("{expected}, as before"),
    })
}

#[cfg(test)]
mod tests;
