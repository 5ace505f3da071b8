//! Of rewards and environments, and of those who are asked for them.

use super::Breach;
use crate::environment::Environment;
use crate::reward::{EndpointReward, ProgramReward, Reward, VerifierName};

/// A key of the recipe.
type Path = &'static [&'static str];

const PATH: Path = &["rl", "rewards"];

const ENVIRONMENT: Path = &["rl", "environment"];

/// Processes or requests at a time; each has a thread.
const MOST_AT_A_TIME: usize = 256;

/// A day.
const MOST_SECONDS: f64 = 86_400.0;

const MOST_RETRIES: u32 = 100;

const MOST_TURNS: usize = 1024;

pub(super) fn of_rewards(rewards: &[Reward]) -> Vec<Breach> {
    if rewards.is_empty() {
        let message = "found no reward, expected one or more".to_owned();
        let hint = "say what is right, as in `rewards = [{ verifier = \"number\" }]`".to_owned();
        return vec![Breach { path: PATH, message, hint: Some(hint) }];
    }
    rewards.iter().flat_map(of_reward).collect()
}

pub(super) fn of_environment(environment: &Environment) -> Vec<Breach> {
    let Environment { program, max_turns, range, workers, timeout_seconds, retries } = environment;
    let mut breaches = Vec::new();
    breaches.extend(of_program(ENVIRONMENT, program, "environment.py"));
    breaches.extend(of_count(ENVIRONMENT, "max_turns", *max_turns, MOST_TURNS));
    breaches.extend(of_count(ENVIRONMENT, "workers", *workers, MOST_AT_A_TIME));
    breaches.extend(of_asking(ENVIRONMENT, *range, *timeout_seconds, *retries));
    breaches
}

fn of_reward(reward: &Reward) -> Vec<Breach> {
    let weight = reward.weight();
    let mut breaches = Vec::new();
    if !(weight.is_finite() && weight != 0.0) {
        let breach = Breach::new(PATH, weight, "a weight that is not 0");
        breaches.push(breach.hint("leave the reward out"));
    }
    match reward {
        Reward::Verifier(reward) => {
            if reward.pattern.is_some() && reward.verifier != VerifierName::Regex {
                let found = format!("a pattern for {}", reward.verifier);
                let breach = Breach::new(PATH, found, "one for `regex` only");
                breaches.push(breach.hint("leave `pattern` out"));
            }
            if reward.schema.is_some() && reward.verifier != VerifierName::JsonSchema {
                let found = format!("a schema for {}", reward.verifier);
                let breach = Breach::new(PATH, found, "one for `json-schema` only");
                breaches.push(breach.hint("leave `schema` out"));
            }
        }
        Reward::Program(reward) => {
            let ProgramReward { program, range, workers, timeout_seconds, retries, .. } = reward;
            breaches.extend(of_program(PATH, program, "judge.py"));
            breaches.extend(of_count(PATH, "workers", *workers, MOST_AT_A_TIME));
            breaches.extend(of_asking(PATH, *range, *timeout_seconds, *retries));
        }
        Reward::Endpoint(reward) => {
            let EndpointReward { url, range, concurrency, timeout_seconds, retries, .. } = reward;
            breaches.extend(of_url(url));
            breaches.extend(reward.token_env.as_deref().and_then(of_variable));
            breaches.extend(of_count(PATH, "concurrency", *concurrency, MOST_AT_A_TIME));
            breaches.extend(of_asking(PATH, *range, *timeout_seconds, *retries));
        }
    }
    breaches
}

fn of_program(path: Path, program: &[String], example: &str) -> Option<Breach> {
    let is_named = program.first().is_some_and(|name| !name.trim().is_empty());
    let is_whole = program.iter().all(|word| !word.contains('\0'));
    let breach = || Breach::new(path, program.join(" "), "the name of a program and its arguments");
    let hint = format!("as in `program = [\"python3\", \"{example}\"]`");
    (!is_named || !is_whole).then(|| breach().hint(hint))
}

fn of_url(url: &str) -> Option<Breach> {
    let breach = |found: &str, expected: &str| Some(Breach::new(PATH, found, expected));
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    let host = rest.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
    match host {
        None | Some("") => breach(url, "an address that begins with `http://` or `https://`"),
        Some(_) if url.chars().any(char::is_whitespace) => breach(url, "an address without spaces"),
        // What is said here is written into the run: a password does not belong there.
        Some(host) if host.contains('@') => {
            let breach = breach("an address with a user", "one without");
            breach.map(|breach| {
                breach.hint("put a token into the environment and name it in `token_env`")
            })
        }
        Some(_) => None,
    }
}

fn of_variable(name: &str) -> Option<Breach> {
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    // It may be the token itself, which must not be shown.
    let breach = || Breach::new(PATH, "token_env", "the name of an environment variable in it");
    (!is_name).then(|| breach().hint("as in `token_env = \"JUDGE_TOKEN\"`"))
}

fn of_count(path: Path, key: &str, found: usize, most: usize) -> Option<Breach> {
    let found_key = format!("{key} = {found}");
    (!(1..=most).contains(&found)).then(|| Breach::new(path, found_key, &format!("1 to {most}")))
}

fn of_asking(path: Path, range: [f64; 2], seconds: f64, retries: u32) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let [least, most] = range;
    if !(least.is_finite() && most.is_finite() && least < most) {
        let found = format!("range = [{least}, {most}]");
        breaches.push(Breach::new(path, found, "the least and the most of a reward"));
    }
    if !(seconds > 0.0 && seconds <= MOST_SECONDS) {
        let found = format!("timeout_seconds = {seconds}");
        breaches.push(Breach::new(path, found, "more than 0 and at most a day"));
    }
    if retries > MOST_RETRIES {
        let found = format!("retries = {retries}");
        breaches.push(Breach::new(path, found, &format!("0 to {MOST_RETRIES}")));
    }
    breaches
}
