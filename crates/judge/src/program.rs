//! A program that judges: several processes, each asked for one completion at a time.

mod lines;
mod worker;

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use temper_recipe::ProgramReward;

use crate::asking::{Told, Unanswered, ask_all};
use crate::error::Error;
use crate::question::Question;
use crate::reply::{NoReward, reward};
use worker::Worker;

/// A program, found and not started yet.
///
/// Its processes start with the first questions and stay until this is dropped: what they load is loaded
/// once. One that crashes, hangs or writes nonsense is killed, with all that it started, and replaced.
#[derive(Debug)]
pub struct Program {
    command: Command,
    range: [f64; 2],
    timeout: Duration,
    retries: u32,
    workers: Vec<Mutex<Option<Worker>>>,
}

/// How a process is started.
#[derive(Debug)]
struct Command {
    /// As the recipe names it.
    words: Vec<String>,
    executable: PathBuf,
    root: PathBuf,
}

impl Program {
    /// Looks for the program, a path from `root`, where it will run.
    ///
    /// # Errors
    /// [`Error::NoProgram`].
    pub fn find(spec: &ProgramReward, root: &Path) -> Result<Self, Error> {
        let words = spec.program.clone();
        let executable = find(words.first().map_or("", String::as_str), root)?;
        Ok(Self {
            command: Command { words, executable, root: root.to_owned() },
            range: spec.range,
            timeout: Duration::from_secs_f64(spec.timeout_seconds),
            retries: spec.retries,
            workers: (0..spec.workers).map(|_| Mutex::new(None)).collect(),
        })
    }

    /// Where it lies.
    pub fn executable(&self) -> &Path {
        &self.command.executable
    }

    /// As [`Judge::judge`](crate::Judge::judge).
    ///
    /// # Errors
    /// [`Unanswered`].
    pub fn judge(&self, questions: &[Question<'_>], told: &mut Told<'_>) -> Result<(), Unanswered> {
        let ask = |worker: &Mutex<_>, question: &Question<'_>, is_over: &AtomicBool| {
            // A thread that panicked left a process that can still be asked or replaced.
            let mut worker = worker.lock().unwrap_or_else(PoisonError::into_inner);
            self.ask(&mut worker, question, is_over)
        };
        ask_all(self.workers.iter(), questions, ask, told)
    }

    /// Asks until there is an answer or nobody is to be asked again.
    fn ask(
        &self,
        worker: &mut Option<Worker>,
        question: &Question<'_>,
        is_over: &AtomicBool,
    ) -> Result<f64, Error> {
        let (judge, id) = (self.name(), question.id.to_owned());
        let request = question.request();
        let mut n_tries = 0;
        loop {
            n_tries += 1;
            let asked = match &mut *worker {
                Some(worker) => worker,
                none => match Worker::start(&self.command) {
                    Ok(started) => none.insert(started),
                    Err(source) => return Err(Error::Start { judge, source }),
                },
            };
            let reply = asked.ask(&request, self.timeout);
            let answer = match &reply {
                Ok(reply) => reward(reply, &id, self.range),
                Err(silence) => Err(NoReward::Nonsense { found: silence.to_string() }),
            };
            match answer {
                Ok(reward) => return Ok(reward),
                Err(NoReward::Refused { found, expected }) => {
                    let said = asked.said();
                    return Err(Error::Refused { judge, id, found, expected, said });
                }
                Err(NoReward::Nonsense { mut found }) => {
                    let (status, said) = worker.take().map(Worker::kill).unwrap_or_default();
                    if let (Err(silence), Some(status)) = (&reply, status)
                        && silence.is_end()
                    {
                        found = format!("{found} ({status})");
                    }
                    if n_tries > self.retries {
                        let expected =
                            format!("a line like `{{\"id\": \"{id}\", \"reward\": 0.5}}`");
                        return Err(Error::NoAnswer { judge, id, n_tries, found, expected, said });
                    }
                    if is_over.load(Ordering::SeqCst) {
                        return Err(Error::GivenUp { judge, id });
                    }
                }
            }
        }
    }

    fn name(&self) -> String {
        format!("program `{}`", self.command.words.join(" "))
    }
}

/// The executable that a name or a path from `root` stands for.
fn find(program: &str, root: &Path) -> Result<PathBuf, Error> {
    let refuse = |problem: String| Error::NoProgram { program: program.to_owned(), problem };
    if program.contains('/') {
        let path = root.join(program);
        return match fs::metadata(&path) {
            Err(error) => Err(refuse(format!("`{}`: {error}", path.display()))),
            Ok(_) if !is_executable(&path) => {
                Err(refuse(format!("found `{}`, expected an executable file", path.display())))
            }
            Ok(_) => Ok(path),
        };
    }
    let folders = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&folders).map(|folder| root.join(folder).join(program));
    let missing = || refuse("found no such executable in PATH".to_owned());
    found.into_iter().find(|path| is_executable(path)).ok_or_else(missing)
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests;
