//! What completions are judged by, and when one passes.

use std::path::Path;

use anyhow::{Result, bail};
use temper_ledger::RunDir;
use temper_recipe::{Loaded, Project, Recipe, Reward, VerifierReward, load_chain};

use crate::args::EvalArguments;
use crate::print;

/// Rewards count to nine decimals.
const ROUNDING: f64 = 5e-10;

/// Rewards, and from when on a completion passes.
#[derive(Debug)]
pub(super) struct Standard {
    /// Where programs run and schemas lie.
    pub(super) project: Project,
    pub(super) rewards: Vec<Reward>,
    /// The least reward of a completion that passes.
    pub(super) pass_from: f64,
}

impl Standard {
    /// What `--verifier` or `--rewards` asks for.
    pub(super) fn of(arguments: &EvalArguments, project: &Project) -> Result<Self> {
        let (project, rewards) = match (arguments.verifier, &arguments.rewards) {
            (Some(verifier), _) => {
                let verifier = verifier.into();
                let reward = VerifierReward { verifier, weight: 1.0, pattern: None, schema: None };
                (project.clone(), vec![Reward::Verifier(reward)])
            }
            (None, Some(from)) => rewards_of(from)?,
            (None, None) => bail!(
                "--prompts: found neither `--verifier` nor `--rewards`, expected what judges completions\n\n\
                 hint: as in `--verifier number`, or `--rewards recipes/solve.toml`"
            ),
        };
        if rewards.is_empty() {
            bail!(
                "--rewards: found none beside an environment, expected one or more\n\n\
                 hint: one answer is asked for here; name what judges it, as in `--verifier exact`"
            );
        }
        let most = most(&rewards);
        let pass_from = arguments.pass_from.unwrap_or(most);
        if !pass_from.is_finite() || pass_from > most + ROUNDING {
            bail!(
                "--pass-from: found {pass_from}, expected a reward that these can reach, at most {most}\n\n\
                 hint: without it the most that can be reached passes"
            );
        }
        Ok(Self { project, rewards, pass_from })
    }

    /// The sum of a reward's parts, by weight.
    pub(super) fn reward(&self, parts: &[f64]) -> f64 {
        weighted(&self.rewards, parts)
    }

    /// Whether a completion with this reward passes.
    pub(super) fn passes(&self, reward: f64) -> bool {
        reward >= self.pass_from - ROUNDING
    }
}

/// The most that a completion can be rewarded with.
fn most(rewards: &[Reward]) -> f64 {
    let best = rewards.iter().map(|reward| {
        let [least, most] = reward.range();
        if reward.weight() > 0.0 { most } else { least }
    });
    let best: Vec<f64> = best.collect();
    weighted(rewards, &best)
}

fn weighted(rewards: &[Reward], parts: &[f64]) -> f64 {
    rewards.iter().zip(parts).map(|(reward, part)| reward.weight() * part).sum()
}

/// The rewards of a recipe or a run, and the project that they belong to.
fn rewards_of(from: &Path) -> Result<(Project, Vec<Reward>)> {
    let shown = print::path(from);
    if from.is_dir() {
        let run = RunDir::open(from)?;
        let recipe = Recipe::from_resolved(&run.resolved_recipe()?)?;
        let Some(rl) = recipe.rl else {
            bail!(
                "--rewards: `{shown}` is a run of the stage `{}`, expected one of `rl`\n\n\
                 hint: name a recipe or a run that has rewards",
                recipe.stage.name()
            );
        };
        return Ok((Project::find(from)?, rl.rewards));
    }
    let stages = load_chain(from, &[])?.into_iter();
    let mut rewarded: Vec<(Project, Vec<Reward>)> = stages
        .filter_map(|Loaded { project, recipe, .. }| Some((project, recipe.rl?.rewards)))
        .collect();
    match (rewarded.pop(), rewarded.len()) {
        (Some(found), 0) => Ok(found),
        (None, _) => bail!(
            "--rewards: `{shown}` has no stage `rl`, expected one with rewards\n\n\
             hint: name a recipe or a run that has some"
        ),
        (Some(_), others) => bail!(
            "--rewards: `{shown}` has {} stages with rewards, expected one\n\n\
             hint: name the run of one of them",
            others + 1
        ),
    }
}

#[cfg(test)]
mod tests {
    use temper_recipe::{ProgramReward, VerifierName};

    use super::*;

    fn verifier(weight: f64) -> Reward {
        let verifier = VerifierName::Exact;
        Reward::Verifier(VerifierReward { verifier, weight, pattern: None, schema: None })
    }

    fn program(weight: f64, range: [f64; 2]) -> Reward {
        Reward::Program(ProgramReward {
            program: vec!["judge".to_owned()],
            weight,
            range,
            workers: 1,
            timeout_seconds: 1.0,
            retries: 0,
        })
    }

    #[test]
    fn the_most_is_what_all_parts_reach() {
        let check = |rewards: &[Reward], expected: f64| assert_eq!(most(rewards), expected);
        check(&[verifier(1.0)], 1.0);
        check(&[verifier(1.0), verifier(0.5)], 1.5);
        check(&[verifier(1.0), program(-0.5, [-1.0, 3.0])], 1.5);
        check(&[program(2.0, [-1.0, 0.25])], 0.5);
    }

    #[test]
    fn sums_of_decimals_pass() {
        let check = |weights: &[f64], pass_from, expected| {
            let rewards: Vec<Reward> = weights.iter().map(|weight| verifier(*weight)).collect();
            let standard = Standard { project: Project { root: "x".into() }, rewards, pass_from };
            let reward = standard.reward(&vec![1.0; weights.len()]);
            assert_eq!(standard.passes(reward), expected, "{reward} from {pass_from}");
        };
        // A little less than 0.8 in binary.
        check(&[0.7, 0.1], 0.8, true);
        check(&[0.7, 0.1], 0.800_001, false);
        check(&[1.0, -1.0], 0.0, true);
        check(&[1.0, -1.0], 0.1, false);
    }
}
