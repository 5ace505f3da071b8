//! One process: asked over its standard input, heard from its standard output.
//!
//! ```text
//! asked ─► thread ─► stdin   ┐
//!            lines ◄─ stdout ├ the process, in a group of its own
//!    last few lines ◄ stderr ┘
//! ```
//!
//! Each pipe has a thread, so that a process that reads nothing, writes nothing or writes too much holds up
//! nobody for longer than the time it is given.

use std::collections::VecDeque;
use std::fmt;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{self, Child, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TryRecvError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::Command;
use super::lines::{self, Line};
use crate::reply::shown;

/// Lines of standard error that are kept.
const LAST_WORDS: usize = 10;

/// Lines of standard output that nobody asked for and that are held before the process is made to wait.
const MOST_UNASKED: usize = 16;

/// Lines that a process may write when its input has ended.
const MOST_LAST_LINES: usize = 100;

/// How long a process may take to end by itself, and its pipes to be read empty when it has been killed.
const GRACE: Duration = Duration::from_millis(500);

/// Why a process did not answer.
#[derive(Debug)]
pub(super) enum Silence {
    /// It ended, or closed its standard output.
    Ended,
    /// It took too long.
    Late(Duration),
    /// It wrote a line without an end.
    TooLong(String),
    /// It wrote before it was asked.
    Unasked(String),
}

impl Silence {
    /// Whether the process ended by itself.
    pub(super) fn is_end(&self) -> bool {
        matches!(self, Self::Ended)
    }
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended => f.write_str("it ended without a reply"),
            Self::Late(timeout) => {
                let seconds = timeout.as_secs_f64();
                let noun = if seconds == 1.0 { "second" } else { "seconds" };
                write!(f, "found no reply within {seconds} {noun}")
            }
            Self::TooLong(line) => write!(f, "found a line without an end, `{}`", shown(line)),
            Self::Unasked(line) => {
                write!(f, "found `{}` before it was asked", shown(line))
            }
        }
    }
}

/// A running process; dropped, it is asked to end by the end of its input, and then made to.
#[derive(Debug)]
pub(crate) struct Worker {
    child: Child,
    /// `None` once its input was ended.
    requests: Option<SyncSender<String>>,
    replies: Receiver<Line>,
    said: Arc<Mutex<VecDeque<String>>>,
    /// Is disconnected when standard error is read to its end.
    is_said: Receiver<()>,
}

impl Worker {
    pub(super) fn start(command: &Command) -> std::io::Result<Self> {
        let mut child = process::Command::new(&command.executable)
            .args(command.words.iter().skip(1))
            .current_dir(&command.root)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C in a terminal is for temper, which finishes its step; and all of a group can be killed.
            .process_group(0)
            .spawn()?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(mut stdin), Some(stdout), Some(stderr)) = pipes else {
            unreachable!("the three pipes were asked for")
        };
        let (requests, asked) = mpsc::sync_channel::<String>(1);
        thread::spawn(move || {
            // Whoever reads no more is noticed by the missing reply.
            while let Ok(request) = asked.recv() {
                if stdin.write_all(request.as_bytes()).and_then(|()| stdin.flush()).is_err() {
                    break;
                }
            }
        });
        let (answered, replies) = mpsc::sync_channel(MOST_UNASKED);
        thread::spawn(move || lines::read(stdout, |line| answered.send(line).is_ok()));
        let said = Arc::new(Mutex::new(VecDeque::new()));
        let (ending, is_said) = mpsc::channel();
        thread::spawn({
            let said = Arc::clone(&said);
            move || {
                let _ending: mpsc::Sender<()> = ending;
                lines::read(stderr, |line| {
                    let (Line::Whole(line) | Line::TooLong(line)) = line;
                    let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
                    if said.len() == LAST_WORDS {
                        said.pop_front();
                    }
                    said.push_back(shown(&line));
                    true
                })
            }
        });
        Ok(Self { child, requests: Some(requests), replies, said, is_said })
    }

    /// Sends a request and waits for the line that answers it.
    pub(super) fn ask(&self, request: &str, timeout: Duration) -> Result<String, Silence> {
        match self.replies.try_recv() {
            Ok(Line::Whole(line) | Line::TooLong(line)) => return Err(Silence::Unasked(line)),
            Err(TryRecvError::Disconnected) => return Err(Silence::Ended),
            Err(TryRecvError::Empty) => {}
        }
        let sent = self.requests.as_ref().map(|requests| requests.send(format!("{request}\n")));
        if !matches!(sent, Some(Ok(()))) {
            return Err(Silence::Ended);
        }
        match self.replies.recv_timeout(timeout) {
            Ok(Line::Whole(line)) => Ok(line),
            Ok(Line::TooLong(line)) => Err(Silence::TooLong(line)),
            Err(RecvTimeoutError::Timeout) => Err(Silence::Late(timeout)),
            Err(RecvTimeoutError::Disconnected) => Err(Silence::Ended),
        }
    }

    /// The last lines of its standard error, so far.
    pub(super) fn said(&self) -> Vec<String> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Ends it at once; how it ended, and the last lines of its standard error.
    pub(super) fn kill(mut self) -> (Option<ExitStatus>, Vec<String>) {
        let status = self.reap();
        (status, self.said())
    }

    /// Kills the process and all that it started. One that is ending already keeps its own status.
    fn reap(&mut self) -> Option<ExitStatus> {
        self.requests = None;
        kill_group(&self.child);
        let status = self.child.wait().ok();
        // Nothing is ever sent: this waits for the end, unless something outlived the group.
        let _ = self.is_said.recv_timeout(GRACE);
        status
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // A process that was killed has no input left to end.
        if self.requests.take().is_none() {
            return;
        }
        // What it still writes is of no use, and it may write without end.
        let _ended = (0..MOST_LAST_LINES).all(|_| self.replies.recv_timeout(GRACE).is_ok());
        self.reap();
    }
}

/// Sends SIGKILL to the group of a process that was not waited for, so that its number is still its own.
#[allow(unsafe_code, reason = "the standard library kills processes, not groups of them")]
fn kill_group(leader: &Child) {
    let Ok(group) = libc::pid_t::try_from(leader.id()) else { return };
    // SAFETY: `kill` takes two numbers and touches no memory of this process.
    unsafe { libc::kill(-group, libc::SIGKILL) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_second_is_singular() {
        let check = |milliseconds, expected: &str| {
            let late = Silence::Late(Duration::from_millis(milliseconds));
            assert_eq!(late.to_string(), format!("found no reply within {expected}"));
        };
        check(800, "0.8 seconds");
        check(1_000, "1 second");
        check(30_000, "30 seconds");
    }
}
