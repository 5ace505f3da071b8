//! Processes of a program, each of which does one thing at a time and is replaced when it fails.

mod lines;
mod worker;

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::error::{Error, Keys};
use crate::reply::NoReply;
use worker::Worker;

/// How a recipe has a program run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spec<'a> {
    /// The key of the recipe that names it.
    pub(crate) key: &'static str,
    /// What it is called in messages.
    pub(crate) kind: &'static str,
    pub(crate) program: &'a [String],
    pub(crate) workers: usize,
    pub(crate) timeout_seconds: f64,
    pub(crate) retries: u32,
}

/// The processes of a program, found and not started yet; each with what is known of it, `S`.
///
/// They start when they are needed and stay until this is dropped: what they load is loaded once. One that
/// crashes, hangs or writes nonsense is killed, with all that it started, and replaced.
#[derive(Debug)]
pub(crate) struct Processes<S> {
    kind: &'static str,
    command: Command,
    timeout: Duration,
    retries: u32,
    seats: Vec<Mutex<Option<Process<S>>>>,
}

/// A running process.
#[derive(Debug)]
pub(crate) struct Process<S> {
    worker: Worker,
    timeout: Duration,
    has_ended: bool,
    /// What is known of it; a new one is known nothing of.
    pub(crate) known: S,
}

/// What is wanted of a process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    /// Names the request.
    pub(crate) id: &'a str,
    /// A reply that would do.
    pub(crate) example: &'a str,
}

/// How a process is started.
#[derive(Debug)]
struct Command {
    /// As the recipe names it.
    words: Vec<String>,
    executable: PathBuf,
    root: PathBuf,
}

impl<S: Default> Processes<S> {
    /// Looks for the program, a path from `root`, where it will run.
    ///
    /// # Errors
    /// [`Error::NoProgram`].
    pub(crate) fn find(spec: Spec<'_>, root: &Path) -> Result<Self, Error> {
        let name = spec.program.first().map_or("", String::as_str);
        let executable = find(name, root).map_err(|problem| {
            let (key, program) = (spec.key, name.to_owned());
            Error::NoProgram { key, program, problem }
        })?;
        let words = spec.program.to_vec();
        Ok(Self {
            kind: spec.kind,
            command: Command { words, executable, root: root.to_owned() },
            timeout: Duration::from_secs_f64(spec.timeout_seconds),
            retries: spec.retries,
            seats: (0..spec.workers).map(|_| Mutex::new(None)).collect(),
        })
    }

    /// Where it lies.
    pub(crate) fn executable(&self) -> &Path {
        &self.command.executable
    }

    /// How many there may be.
    pub(crate) fn n_processes(&self) -> usize {
        self.seats.len()
    }

    /// Looks at what is known of each process that runs.
    pub(crate) fn for_each_known(&self, mut look: impl FnMut(&mut S)) {
        for seat in &self.seats {
            let mut seat = seat.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(process) = &mut *seat {
                look(&mut process.known);
            }
        }
    }

    /// Has process number `seat` do what `exchange` asks of it, and another one in its place where it fails,
    /// until it is done or nobody is to be asked again.
    pub(crate) fn ask<A>(
        &self,
        seat: usize,
        wanted: Wanted<'_>,
        is_over: &AtomicBool,
        exchange: impl Fn(&mut Process<S>) -> Result<A, NoReply>,
    ) -> Result<A, Error> {
        // A thread that panicked left a process that can still be asked or replaced.
        let mut seat = self.seats[seat].lock().unwrap_or_else(PoisonError::into_inner);
        let (judge, id) = (self.name(), wanted.id.to_owned());
        let mut n_tries = 0;
        loop {
            n_tries += 1;
            let process = match &mut *seat {
                Some(process) => process,
                none => match Worker::start(&self.command) {
                    Ok(worker) => none.insert(Process {
                        worker,
                        timeout: self.timeout,
                        has_ended: false,
                        known: S::default(),
                    }),
                    Err(source) => return Err(Error::Start { judge, source }),
                },
            };
            match exchange(process) {
                Ok(answer) => return Ok(answer),
                Err(NoReply::Refused { found, expected, is_outside }) => {
                    let said = process.worker.said();
                    let keys = if is_outside { Keys::Range } else { Keys::None };
                    return Err(Error::Refused { judge, id, found, expected, said, keys });
                }
                Err(NoReply::Nonsense { mut found }) => {
                    let has_ended = process.has_ended;
                    let killed = seat.take().map(|process| process.worker.kill());
                    let (status, said) = killed.unwrap_or_default();
                    if let Some(status) = status.filter(|_| has_ended) {
                        found = format!("{found} ({status})");
                    }
                    if n_tries > self.retries {
                        let expected = format!("a line like `{}`", wanted.example);
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
        format!("{} `{}`", self.kind, self.command.words.join(" "))
    }
}

impl<S> Process<S> {
    /// Sends a request and waits for the line that answers it.
    pub(crate) fn ask(&mut self, request: &str) -> Result<String, NoReply> {
        self.worker.ask(request, self.timeout).map_err(|silence| {
            self.has_ended = silence.is_end();
            NoReply::Nonsense { found: silence.to_string() }
        })
    }
}

/// The executable that a name or a path from `root` stands for, or what was found instead.
fn find(program: &str, root: &Path) -> Result<PathBuf, String> {
    if program.contains('/') {
        let path = root.join(program);
        return match fs::metadata(&path) {
            Err(error) => Err(format!("`{}`: {error}", path.display())),
            Ok(_) if !is_executable(&path) => {
                Err(format!("found `{}`, expected an executable file", path.display()))
            }
            Ok(_) => Ok(path),
        };
    }
    let folders = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&folders).map(|folder| root.join(folder).join(program));
    let missing = || "found no such executable in PATH".to_owned();
    found.into_iter().find(|path| is_executable(path)).ok_or_else(missing)
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_or_named() {
        let folder = tempfile::tempdir().unwrap();
        let find = |program: &str| {
            let program = [program.to_owned()];
            let (timeout_seconds, retries) = (1.0, 0);
            let (key, kind, workers) = ("rl.rewards", "program", 1);
            let spec = Spec { key, kind, program: &program, workers, timeout_seconds, retries };
            let found = Processes::<()>::find(spec, folder.path());
            found.map(|found| found.executable().to_owned()).map_err(|error| error.to_string())
        };
        assert!(find("sh").unwrap().ends_with("sh"));
        fs::write(folder.path().join("judge"), "#!/bin/sh\n").unwrap();
        let refused = find("./judge").unwrap_err();
        assert!(refused.contains("program `./judge`: found"), "{refused}");
        assert!(refused.contains("expected an executable file"), "{refused}");
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(folder.path().join("judge"), mode).unwrap();
        assert_eq!(find("./judge").unwrap(), folder.path().join("./judge"));
        for missing in ["./nobody", "no-such-program-anywhere", ""] {
            let refused = find(missing).unwrap_err();
            assert!(refused.contains(&format!("rl.rewards: program `{missing}`")), "{refused}");
            assert!(refused.contains("hint: a name is looked for in PATH"), "{refused}");
        }
    }
}
