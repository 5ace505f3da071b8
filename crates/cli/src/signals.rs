//! Ctrl-C and SIGTERM: the first finishes the step and saves, the second aborts.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// The number of the signal that came; a process has one set of handlers.
static RECEIVED: LazyLock<Arc<AtomicUsize>> = LazyLock::new(Arc::default);

/// What was asked for by signals.
#[derive(Clone, Debug, Default)]
pub(crate) struct Signals {
    stop: Arc<AtomicBool>,
}

impl Signals {
    /// Starts listening.
    ///
    /// # Errors
    /// The operating system refuses the handlers.
    pub(crate) fn listen() -> std::io::Result<Self> {
        let signals = Self::default();
        for signal in [SIGINT, SIGTERM] {
            // Order matters: this one looks at the flag that the next ones set.
            flag::register_conditional_shutdown(signal, 128 + signal, signals.stop.clone())?;
            flag::register_usize(signal, RECEIVED.clone(), signal as usize)?;
            flag::register(signal, signals.stop.clone())?;
        }
        Ok(signals)
    }

    /// True once a signal came.
    pub(crate) fn flag(&self) -> &AtomicBool {
        &self.stop
    }
}

/// The signal that stopped the work; Ctrl-C's when none is known.
pub(crate) fn received() -> u8 {
    match RECEIVED.load(Ordering::SeqCst) {
        0 => SIGINT as u8,
        signal => signal as u8,
    }
}
