//! A program that judges: several processes, each asked for one completion at a time.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use temper_ask::{Question, Told, Unanswered};
use temper_recipe::ProgramReward;

use crate::asking::ask_all;
use crate::case::Case;
use crate::error::Error;
use crate::processes::{Processes, Spec, Wanted};
use crate::reply::reward;
use crate::request::request;

/// A program, found and not started yet.
///
/// Its processes start with the first questions and stay until this is dropped.
#[derive(Debug)]
pub struct Program {
    processes: Processes<()>,
    range: [f64; 2],
}

impl Program {
    /// Looks for the program, a path from `root`, where it will run.
    ///
    /// # Errors
    /// [`Error::NoProgram`].
    pub fn find(spec: &ProgramReward, root: &Path) -> Result<Self, Error> {
        let range = spec.range;
        let spec = Spec {
            key: "rl.rewards",
            kind: "program",
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

    /// As [`Judge::judge`](crate::Judge::judge).
    ///
    /// # Errors
    /// [`Unanswered`].
    pub fn judge(
        &self,
        questions: &[(&Question<'_>, Case<'_>)],
        told: &mut Told<'_>,
    ) -> Result<(), Unanswered> {
        let ask = |process, asked: &(&Question<'_>, Case<'_>), is_over: &AtomicBool| {
            let (question, case) = asked;
            let (id, request) = (question.id.as_str(), request(question, case));
            let example = format!("{{\"id\": \"{id}\", \"reward\": 0.5}}");
            let wanted = Wanted { id, example: &example };
            self.processes.ask(process, wanted, is_over, |process| {
                reward(&process.ask(&request)?, id, self.range)
            })
        };
        ask_all(0..self.processes.n_processes(), questions, ask, told)
    }
}

#[cfg(test)]
mod tests;
