//! What `temper check` says of who rewards.

use anyhow::Result;
use temper_judge::{Environment, Judge};
use temper_recipe::{self as recipe, Project, Reward, Rl};

use super::one_judge::OneJudge;
use crate::print::counted;

/// A line on the environment, on each of the recipe's rewards, and on what is sampled in the place of what teaches
/// nothing. A program is looked for, and nobody is asked.
pub(crate) fn lines(project: &Project, rl: &Rl) -> Result<Vec<String>> {
    let line = |reward: &Reward| -> Result<String> {
        let weight = reward.weight();
        let line = match (reward, Judge::of(reward, &project.root)?) {
            (Reward::Program(reward), Some(Judge::Program(program))) => {
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
    let environment = |spec: &recipe::Environment| -> Result<String> {
        let environment = Environment::find(spec, &project.root)?;
        let executable = environment.executable().display();
        let words = spec.program.join(" ");
        let processes = counted(spec.workers as u64, "process", "processes");
        let turns = counted(spec.max_turns as u64, "turn", "turns");
        Ok(format!(
            "  answered by the environment `{words}` ({executable}, {processes}), {turns} at most"
        ))
    };
    let refills = match rl.refill {
        0 => None,
        1 => Some("once at most".to_owned()),
        n => Some(format!("{n} times at most")),
    };
    let refills =
        refills.map(|times| Ok(format!("  groups that teach nothing are replaced, {times}")));
    let environment = rl.environment.iter().map(environment);
    environment.chain(rl.rewards.iter().map(line)).chain(refills).collect()
}
