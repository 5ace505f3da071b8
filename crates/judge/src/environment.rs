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
use temper_ask::{Move, Reply, Told, Unanswered};

use crate::asking::ask_each;
use crate::case::Case;
use crate::error::Error;
use crate::processes::{Process, Processes, Spec, Wanted};
use crate::reply::NoReply;
use reply::{difference, read_reply};

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

/// What there is to begin an episode with; as JSON, what a reset says.
#[derive(Debug, Serialize)]
struct Reset<'a> {
    source: &'a str,
    document: u64,
    messages: &'a [Map<String, Value>],
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<&'a [Value]>,
    reference: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a Map<String, Value>>,
}

/// What a model answered; as JSON, what a step says.
#[derive(Clone, Copy, Debug, Serialize)]
struct Answer<'a> {
    /// What it wrote.
    completion: &'a str,
    /// Whether the episode ends with it, whatever the environment says.
    last: bool,
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

    /// Makes moves of different episodes, each with what there is to begin it with, several at a time, and tells
    /// each reply as soon as it is known.
    ///
    /// Episodes that none of the moves is of are over.
    ///
    /// # Errors
    /// [`Unanswered`], when all that was under way has ended; what was answered was told.
    pub fn play(
        &self,
        moves: &[(&Move<'_>, Case<'_>)],
        told: &mut Told<'_, Reply>,
    ) -> Result<(), Unanswered> {
        let playing: BTreeSet<&str> = moves.iter().map(|(next, _)| next.id.as_str()).collect();
        self.processes.for_each_known(|held| held.retain(|id, _| playing.contains(id.as_str())));
        let n_processes = self.processes.n_processes();
        let process_of = |(next, _): &(&Move<'_>, Case<'_>)| next.number % n_processes;
        let ask = |process, asked: &(&Move<'_>, Case<'_>), is_over: &AtomicBool| {
            let (next, case) = asked;
            self.ask(process, next, case, is_over)
        };
        ask_each(n_processes, process_of, moves, ask, told)
    }

    /// Makes a move in the process that has the episode.
    fn ask(
        &self,
        process: usize,
        next: &Move<'_>,
        case: &Case<'_>,
        is_over: &AtomicBool,
    ) -> Result<Reply, Error> {
        let (id, past) = (next.id.as_str(), next.past);
        let answer = next.answer.map(|completion| Answer { completion, last: next.is_last });
        let has_changed = Cell::new(false);
        let exchange = |process: &mut Process<Held>| {
            let is_held = process.known.get(id) == Some(&past.len());
            if !is_held {
                for (at, before) in past.iter().enumerate() {
                    // The first was the reset, and no answer was the last.
                    let answer = Answer { completion: &before.text, last: false };
                    let reply = self.exchange(process, next, case, (at > 0).then_some(answer))?;
                    if let Some(refused) = difference(at, &reply, before) {
                        has_changed.set(true);
                        return Err(refused);
                    }
                }
            }
            // Until it has replied, nobody knows how far it is.
            process.known.remove(id);
            let reply = self.exchange(process, next, case, answer)?;
            if !reply.is_done && !answer.is_some_and(|answer| answer.last) {
                process.known.insert(id.to_owned(), past.len() + 1);
            }
            Ok(reply)
        };
        let example = match answer {
            None => format!("{{\"id\": \"{id}\", \"messages\": []}}"),
            Some(_) => format!(
                "{{\"id\": \"{id}\", \"messages\": [{{\"role\": \"user\", \"content\": \"…\"}}], \
                 \"reward\": 0.5, \"done\": false}}"
            ),
        };
        let wanted = Wanted { id, example: &example };
        match self.processes.ask(process, wanted, is_over, exchange) {
            Err(Error::Refused { judge, id, found, expected, said, .. }) if has_changed.get() => {
                Err(Error::Changed { judge, id, found, expected, said })
            }
            replied => replied,
        }
    }

    /// Asks for a reset, or says an answer.
    fn exchange(
        &self,
        process: &mut Process<Held>,
        next: &Move<'_>,
        case: &Case<'_>,
        answer: Option<Answer<'_>>,
    ) -> Result<Reply, NoReply> {
        let line = process.ask(&request(next, case, answer))?;
        read_reply(&line, &next.id, answer, self.range)
    }
}

/// What is asked, on one line.
fn request(next: &Move<'_>, case: &Case<'_>, answer: Option<Answer<'_>>) -> String {
    let (id, document) = (next.id.as_str(), next.document);
    let request = match answer {
        None => {
            let Case { source, messages, tools, reference, metadata } = *case;
            let reset = Reset { source, document, messages, tools, reference, metadata };
            serde_json::json!({ "id": id, "reset": reset })
        }
        Some(answer) => serde_json::json!({ "id": id, "step": answer }),
    };
    request.to_string()
}

#[cfg(test)]
mod tests;
