//! Threads for work that is not trusted.

use std::mem;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// A template can nest values as deep as its work allows, and nested values are parsed, printed,
/// compared and dropped one stack frame a level, a few hundred bytes each. Pages of the stack that
/// are not touched cost nothing.
const STACK_BYTES: usize = 512 << 20;

/// Does `work` on a deep stack and waits for it up to `limit`. What takes longer is abandoned: its
/// thread goes on until the process ends, so the caller had better end it soon.
///
/// # Errors
/// What stopped it: nothing else than the limit, or a thread that could not be had or panicked.
pub(super) fn guarded<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Stopped> {
    static WORKERS: Workers = Workers::new();
    WORKERS.run(limit, work)
}

/// Threads that do one piece of work after the other, since starting one takes longer than most renderings.
/// There are as many as ever worked at the same time; they wait until the process ends.
struct Workers {
    idle: Mutex<Vec<Worker>>,
}

struct Worker {
    jobs: Sender<Job>,
    thread: JoinHandle<()>,
}

type Job = Box<dyn FnOnce() + Send>;

impl Workers {
    const fn new() -> Self {
        Self { idle: Mutex::new(Vec::new()) }
    }

    fn run<T: Send + 'static>(
        &self,
        limit: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Stopped> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let worker = idle.map_or_else(Worker::start, Ok)?;
        let (sender, receiver) = sync_channel(1);
        let job = Box::new(move || {
            // Nobody waits any more when it is late.
            let _ = sender.send(work());
        });
        // A worker that is gone drops the job and its sender, as one that panics does.
        let _ = worker.jobs.send(job);
        match receiver.recv_timeout(limit) {
            Ok(done) => {
                self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(worker);
                Ok(done)
            }
            Err(RecvTimeoutError::Timeout) => {
                // Detaching a thread that ends at that moment reads memory that is gone (glibc, bug 19951): it is left as it is.
                mem::forget(worker.thread);
                Err(Stopped::Late)
            }
            Err(RecvTimeoutError::Disconnected) => {
                // It has panicked, and ends by itself.
                let _ = worker.thread.join();
                Err(Stopped::Broken("the template engine panicked".to_owned()))
            }
        }
    }
}

impl Worker {
    fn start() -> Result<Self, Stopped> {
        let (jobs, taken) = channel::<Job>();
        let thread =
            thread::Builder::new().name("chat template".to_owned()).stack_size(STACK_BYTES);
        let thread = thread.spawn(move || taken.into_iter().for_each(|job| job()));
        let thread =
            thread.map_err(|error| Stopped::Broken(format!("cannot start a thread: {error}")))?;
        Ok(Self { jobs, thread })
    }
}

/// Why there is no result.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stopped {
    Late,
    Broken(String),
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::thread;
    use std::time::Duration;

    use super::{Stopped, Workers};

    const LONG: Duration = Duration::from_secs(600);

    #[test]
    fn results_lateness_and_panics_are_told_apart() {
        // Its threads wait until the process ends, as they should.
        static WORKERS: Workers = Workers::new();
        assert_eq!(WORKERS.run(LONG, || 1), Ok(1));
        // Waits for what never comes, until the sender is dropped behind the assertion.
        let (sender, receiver) = channel::<()>();
        let late = WORKERS.run(Duration::ZERO, move || receiver.recv().is_err());
        assert_eq!(late, Err(Stopped::Late));
        drop(sender);
        let broken: Result<(), _> = WORKERS.run(LONG, || panic!("on purpose"));
        assert_eq!(broken, Err(Stopped::Broken("the template engine panicked".to_owned())));
        assert_eq!(WORKERS.run(LONG, || 2), Ok(2));
    }

    #[test]
    fn a_thread_is_replaced_only_when_it_is_late_or_gone() {
        static WORKERS: Workers = Workers::new();
        let id = || WORKERS.run(LONG, || thread::current().id()).unwrap();
        let first = id();
        assert!((0..100).all(|_| id() == first));
        let (sender, receiver) = channel::<()>();
        let late = WORKERS.run(Duration::ZERO, move || receiver.recv().is_err());
        assert_eq!(late, Err(Stopped::Late));
        let second = id();
        assert_ne!(second, first);
        // The late one ends its work, and gets no other.
        drop(sender);
        assert!((0..100).all(|_| id() == second));
        let _: Result<(), _> = WORKERS.run(LONG, || panic!("on purpose"));
        assert_ne!(id(), second);
    }
}
