//! How a call ends: exit codes and the error that goes with them.

use std::process::ExitCode;

use crate::{print, signals};

/// A call that did not do what was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Wrong usage or input: nothing was started. Exit code 2.
    Input(anyhow::Error),
    /// Failed while running. Exit code 3.
    Running(anyhow::Error),
    /// A gate or check said no; the reason is already printed. Exit code 1.
    Refused,
    /// Stopped by a signal. Exit code 130 or 143.
    Interrupted,
}

impl Failure {
    /// An error of something that had begun.
    pub(crate) fn running(error: impl Into<anyhow::Error>) -> Self {
        let error = error.into();
        if is_stop(&error) { Self::Interrupted } else { Self::Running(error) }
    }

    /// Prints the error, if there is one, and gives the exit code.
    pub(crate) fn report(self) -> ExitCode {
        match self {
            Self::Input(error) => {
                print::error(&error);
                ExitCode::from(2)
            }
            Self::Running(error) => {
                print::error(&error);
                ExitCode::from(3)
            }
            Self::Refused => ExitCode::from(1),
            // Shells report a death by signal as 128 plus its number.
            Self::Interrupted => ExitCode::from(128 + signals::received()),
        }
    }
}

/// Errors before anything runs are errors of input.
impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        let error = error.into();
        if is_stop(&error) { Self::Interrupted } else { Self::Input(error) }
    }
}

/// True when somebody asked for the end, so that it is no failure of the work.
fn is_stop(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        matches!(cause.downcast_ref(), Some(temper_corpus::Error::Stopped { .. }))
            || matches!(cause.downcast_ref(), Some(temper_eval::Error::Stopped { .. }))
    })
}
