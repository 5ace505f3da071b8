//! Who gives one part of the reward: a verifier, or somebody outside.

use std::fmt;

use anyhow::Result;
use temper_judge::Judge;
use temper_recipe::{Project, Reward};
use temper_verify::Verifier;

use crate::references::verifier;

/// Whoever gives one part of the reward.
pub(super) enum OneJudge {
    Verifier(Verifier),
    Outside(Box<Judge>),
}

impl OneJudge {
    /// Nobody is asked yet.
    pub(super) fn of(reward: &Reward, project: &Project) -> Result<Self> {
        if let Some(judge) = Judge::of(reward, &project.root)? {
            return Ok(Self::Outside(Box::new(judge)));
        }
        let Reward::Verifier(reward) = reward else { unreachable!("all others are outside") };
        Ok(Self::Verifier(verifier(reward, project)?))
    }

    /// Whether everything is there that asking needs from outside the recipe.
    pub(super) fn is_ready(&self) -> Result<()> {
        match self {
            Self::Verifier(_) => Ok(()),
            Self::Outside(judge) => Ok(judge.is_ready()?),
        }
    }
}

impl fmt::Debug for OneJudge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Verifier(verifier) => verifier.fmt(f),
            Self::Outside(judge) => judge.fmt(f),
        }
    }
}
