//! Who gives one part of the reward: a verifier, or somebody outside.

use std::fmt;

use anyhow::Result;
use temper_judge::Judge as OutsideJudge;
use temper_recipe::{Project, Reward, Rl};
use temper_verify::Verifier;

use crate::references::verifier;

/// Whoever gives one part of the reward.
pub(super) enum OneJudge {
    Verifier(Verifier),
    Outside(Box<OutsideJudge>),
}

impl OneJudge {
    /// Nobody is asked yet.
    pub(super) fn of(reward: &Reward, project: &Project) -> Result<Self> {
        if let Some(judge) = OutsideJudge::of(reward, &project.root)? {
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

/// A line on each of the recipe's rewards. A program is looked for, and nobody is asked.
pub(crate) fn lines(project: &Project, rl: &Rl) -> Result<Vec<String>> {
    let line = |reward: &Reward| -> Result<String> {
        let weight = reward.weight();
        let line = match (reward, OutsideJudge::of(reward, &project.root)?) {
            (Reward::Program(reward), Some(OutsideJudge::Program(program))) => {
                let (words, workers) = (reward.program.join(" "), reward.workers);
                let executable = program.executable().display();
                format!("program `{words}` ({executable}, {workers} at a time)")
            }
            (Reward::Endpoint(reward), Some(endpoint)) => {
                let unset = match (&reward.token_env, endpoint.is_ready()) {
                    (Some(variable), Err(_)) => format!("; no token in `{variable}` here"),
                    (None, _) | (_, Ok(())) => String::new(),
                };
                format!("url `{}` ({} at a time{unset})", reward.url, reward.concurrency)
            }
            _ => {
                // A pattern that is none is found here already.
                OneJudge::of(reward, project)?;
                format!("verifier `{}`", reward.name())
            }
        };
        Ok(format!("  rewarded by the {line}, weight {weight}"))
    };
    rl.rewards.iter().map(line).collect()
}
