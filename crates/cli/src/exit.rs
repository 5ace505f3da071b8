//! How a call ends: exit codes and the error that goes with them.

use std::process::ExitCode;

/// A call that did not do what was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Wrong usage or input: nothing was started. Exit code 2.
    Input(anyhow::Error),
    /// Failed while running. Exit code 3.
    Running(anyhow::Error),
    /// A gate or check said no; the reason is already printed. Exit code 1.
    Refused,
    /// Stopped by a signal, with the run saved. Exit code 130 or 143.
    Interrupted(i32),
}

impl Failure {
    /// Prints the error, if there is one, and gives the exit code.
    pub(crate) fn report(self) -> ExitCode {
        match self {
            Self::Input(error) => {
                crate::print::error(&error);
                ExitCode::from(2)
            }
            Self::Running(error) => {
                crate::print::error(&error);
                ExitCode::from(3)
            }
            Self::Refused => ExitCode::from(1),
            // Shells report a death by signal as 128 plus its number.
            Self::Interrupted(signal) => ExitCode::from(128 + signal as u8),
        }
    }
}

/// Errors before anything runs are errors of input.
impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Input(error.into())
    }
}
