//! A program that goes on with the conversation after each answer.

use serde::{Deserialize, Serialize};

use crate::problem::Findings;

/// A program that a model's answers are said to: it says what follows, and what each answer was worth.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// Its name or path, and its arguments. A name is looked for in `PATH`, a path starts at the
    /// project's root, where the program runs.
    pub program: Vec<String>,
    /// Answers of an episode, at most.
    pub max_turns: usize,
    /// The least and the most that it may reward an answer with.
    pub range: [f64; 2],
    /// Processes, each of which has the episodes that fall to it.
    pub workers: usize,
    /// Seconds that a reply may take; the first of a process includes its start.
    pub timeout_seconds: f64,
    /// How often a process is started anew before the run stops.
    pub retries: u32,
}

/// As a human writes it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EnvironmentFile {
    program: Option<Vec<String>>,
    max_turns: Option<usize>,
    range: Option<[f64; 2]>,
    workers: Option<usize>,
    timeout_seconds: Option<f64>,
    retries: Option<u32>,
}

impl EnvironmentFile {
    /// `None` if anything was found wrong.
    pub(crate) fn resolve(&self, findings: &mut Findings<'_>) -> Option<Environment> {
        let program = findings.required(
            &["rl", "environment", "program"],
            self.program.clone(),
            "what is started, as in `program = [\"python3\", \"environment.py\"]`",
        );
        let max_turns = findings.required(
            &["rl", "environment", "max_turns"],
            self.max_turns,
            "answers of an episode, at most, as in `max_turns = 4`",
        );
        Some(Environment {
            program: program?,
            max_turns: max_turns?,
            // As the scores of verifiers.
            range: self.range.unwrap_or([0.0, 1.0]),
            // The rest as for programs that judge.
            workers: self.workers.unwrap_or(4),
            timeout_seconds: self.timeout_seconds.unwrap_or(30.0),
            retries: self.retries.unwrap_or(2),
        })
    }
}
