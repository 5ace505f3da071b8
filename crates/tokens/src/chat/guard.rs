//! A thread for work that is not trusted.

use std::mem;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
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
    let (sender, receiver) = sync_channel(1);
    let thread = thread::Builder::new().name("chat template".to_owned()).stack_size(STACK_BYTES);
    let spawned = thread.spawn(move || {
        // Nobody waits any more when it is late.
        let _ = sender.send(work());
    });
    let thread =
        spawned.map_err(|error| Stopped::Broken(format!("cannot start a thread: {error}")))?;
    let found = receiver.recv_timeout(limit);
    if matches!(found, Err(RecvTimeoutError::Timeout)) {
        // Detaching a thread that ends at that moment reads memory that is gone (glibc, bug 19951): it is left as it is.
        mem::forget(thread);
        return Err(Stopped::Late);
    }
    // It has sent or panicked, and ends by itself.
    let ended = thread.join();
    found
        .ok()
        .filter(|_| ended.is_ok())
        .ok_or_else(|| Stopped::Broken("the template engine panicked".to_owned()))
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
    use std::time::Duration;

    use super::{Stopped, guarded};

    #[test]
    fn results_lateness_and_panics_are_told_apart() {
        let long = Duration::from_secs(600);
        assert_eq!(guarded(long, || 1), Ok(1));
        // Waits for what never comes, until the sender is dropped behind the assertion.
        let (sender, receiver) = channel::<()>();
        let late = guarded(Duration::ZERO, move || receiver.recv().is_err());
        assert_eq!(late, Err(Stopped::Late));
        drop(sender);
        let broken: Result<(), _> = guarded(long, || panic!("on purpose"));
        assert_eq!(broken, Err(Stopped::Broken("the template engine panicked".to_owned())));
    }
}
