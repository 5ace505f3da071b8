//! Programs and services as one.

use std::path::Path;

use temper_ask::{Question, Told, Unanswered};
use temper_recipe::Reward;

use crate::case::Case;
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::program::Program;

/// Somebody outside who judges.
#[derive(Debug)]
pub enum Judge {
    /// A program.
    Program(Program),
    /// A service.
    Endpoint(Endpoint),
}

impl Judge {
    /// Who is to be asked for `reward`, not asked yet; `None` for one that is judged by a built-in rule.
    /// Programs are looked for and run in `root`.
    ///
    /// # Errors
    /// [`Error::NoProgram`], [`Error::Url`], [`Error::Client`].
    pub fn of(reward: &Reward, root: &Path) -> Result<Option<Self>, Error> {
        match reward {
            Reward::Verifier(_) => Ok(None),
            Reward::Program(reward) => Program::find(reward, root).map(Self::Program).map(Some),
            Reward::Endpoint(reward) => Endpoint::new(reward).map(Self::Endpoint).map(Some),
        }
    }

    /// Whether everything is there that asking needs from outside the recipe: a token in the environment.
    ///
    /// # Errors
    /// [`Error::Token`].
    pub fn is_ready(&self) -> Result<(), Error> {
        match self {
            Self::Program(_) => Ok(()),
            Self::Endpoint(endpoint) => endpoint.is_ready(),
        }
    }

    /// Asks, each question with what there is to judge by, several at a time, and tells each reward as soon as it is known.
    ///
    /// # Errors
    /// [`Unanswered`], when all that was under way has ended; what was answered was told.
    pub fn judge(
        &self,
        questions: &[(&Question<'_>, Case<'_>)],
        told: &mut Told<'_>,
    ) -> Result<(), Unanswered> {
        match self {
            Self::Program(program) => program.judge(questions, told),
            Self::Endpoint(endpoint) => endpoint.judge(questions, told),
        }
    }
}
