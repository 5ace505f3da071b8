//! What a completion is rewarded for, and who says so.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::problem::{Findings, quoted};
use crate::project::Project;
use crate::project_file::ProjectFile;
use crate::resolve::one_of;

/// One part of the reward.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Reward {
    /// A rule that is built in judges.
    Verifier(VerifierReward),
    /// A program judges.
    Program(ProgramReward),
    /// A service judges.
    Endpoint(EndpointReward),
}

/// A reward by a rule that is built in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerifierReward {
    /// What judges.
    pub verifier: VerifierName,
    /// By which its score, 0 to 1, is multiplied.
    pub weight: f64,
    /// Of `regex`, in the place of the row's reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// Of `json-schema`, in the place of the row's reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<ProjectFile>,
}

/// A reward by a program, which answers lines of JSON with lines of JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProgramReward {
    /// Its name or path, and its arguments. A name is looked for in `PATH`, a path starts at the
    /// project's root, where the program runs.
    pub program: Vec<String>,
    /// By which what it answers is multiplied.
    pub weight: f64,
    /// The least and the most that it may answer.
    pub range: [f64; 2],
    /// Processes, each of which is asked for one completion at a time.
    pub workers: usize,
    /// Seconds that an answer may take; the first of a process includes its start.
    pub timeout_seconds: f64,
    /// How often a process is started anew and asked again before the run stops.
    pub retries: u32,
}

/// A reward by a service, which is sent JSON by POST and answers with JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndpointReward {
    /// Where it listens.
    pub url: String,
    /// By which what it answers is multiplied.
    pub weight: f64,
    /// The least and the most that it may answer.
    pub range: [f64; 2],
    /// Requests under way at a time.
    pub concurrency: usize,
    /// Seconds that an answer may take.
    pub timeout_seconds: f64,
    /// How often a request is made again before the run stops, each time after twice the wait.
    pub retries: u32,
    /// The environment variable with the token that requests carry; the token itself is written nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_env: Option<String>,
}

impl Reward {
    /// By which its score is multiplied.
    pub fn weight(&self) -> f64 {
        match self {
            Self::Verifier(reward) => reward.weight,
            Self::Program(reward) => reward.weight,
            Self::Endpoint(reward) => reward.weight,
        }
    }

    /// The least and the most that its score can be.
    pub fn range(&self) -> [f64; 2] {
        match self {
            Self::Verifier(_) => [0.0, 1.0],
            Self::Program(reward) => reward.range,
            Self::Endpoint(reward) => reward.range,
        }
    }

    /// What the ledger calls it, behind its number.
    pub fn name(&self) -> String {
        match self {
            Self::Verifier(reward) => reward.verifier.to_string(),
            Self::Program(_) => "program".to_owned(),
            Self::Endpoint(_) => "url".to_owned(),
        }
    }

    /// Whether it goes by what the prompt's row says of the right answer. Programs and services have to get along
    /// with what they are told.
    pub fn needs_reference(&self) -> bool {
        match self {
            Self::Verifier(reward) => reward.pattern.is_none() && reward.schema.is_none(),
            Self::Program(_) | Self::Endpoint(_) => false,
        }
    }

    /// Whether somebody outside is asked, so that an answer costs time or money and need not be the same
    /// twice.
    pub fn is_outside(&self) -> bool {
        match self {
            Self::Verifier(_) => false,
            Self::Program(_) | Self::Endpoint(_) => true,
        }
    }
}

/// How an answer is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VerifierName {
    /// A number.
    Number,
    /// A letter of a choice.
    Choice,
    /// A text.
    Exact,
    /// A pattern.
    Regex,
    /// JSON of a shape.
    Json,
    /// JSON that a schema admits.
    JsonSchema,
    /// A call of a tool.
    ToolCall,
    /// Instructions that can be checked.
    Constraints,
}

impl fmt::Display for VerifierName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Number => "number",
            Self::Choice => "choice",
            Self::Exact => "exact",
            Self::Regex => "regex",
            Self::Json => "json",
            Self::JsonSchema => "json-schema",
            Self::ToolCall => "tool-call",
            Self::Constraints => "constraints",
        })
    }
}

/// As a human writes it: one of `verifier`, `program` and `url`, and what goes with it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RewardFile {
    verifier: Option<VerifierName>,
    program: Option<Vec<String>>,
    url: Option<String>,
    weight: Option<f64>,
    pattern: Option<String>,
    schema: Option<String>,
    range: Option<[f64; 2]>,
    workers: Option<usize>,
    concurrency: Option<usize>,
    timeout_seconds: Option<f64>,
    retries: Option<u32>,
    token_env: Option<String>,
}

/// Who judges.
enum Judge {
    Verifier(VerifierName),
    Program(Vec<String>),
    Url(String),
}

impl RewardFile {
    /// Reward number `at`; `None` if anything was found wrong.
    pub(crate) fn resolve(
        &self,
        at: usize,
        project: &Project,
        findings: &mut Findings<'_>,
    ) -> Option<Reward> {
        let item = format!("[{at}]");
        let path = ["rl", "rewards", &item];
        let choices = [
            ("verifier", self.verifier.map(Judge::Verifier)),
            ("program", self.program.clone().map(Judge::Program)),
            ("url", self.url.clone().map(Judge::Url)),
        ];
        let hint = "say who judges, as in `{ verifier = \"number\" }`, \
                    `{ program = [\"python3\", \"judge.py\"] }` or `{ url = \"http://127.0.0.1:8000/judge\" }`";
        let judge = one_of(&path, choices, hint, findings)?;
        let (name, known): (_, &[&str]) = match judge {
            Judge::Verifier(_) => ("verifier", &["pattern", "schema"]),
            Judge::Program(_) => ("program", &["range", "workers", "timeout_seconds", "retries"]),
            Judge::Url(_) => {
                ("url", &["range", "concurrency", "timeout_seconds", "retries", "token_env"])
            }
        };
        let given = self.given().into_iter().filter(|(_, is_given)| *is_given);
        for (key, _) in given.filter(|(key, _)| !known.contains(key)) {
            let message = format!("found with `{name}`, expected {} or `weight`", quoted(known));
            let path = [&path[..], &[key]].concat();
            findings.add(&path, message, Some("leave it out".to_owned()));
        }
        let weight = self.weight.unwrap_or(1.0);
        // As the scores of verifiers.
        let range = self.range.unwrap_or([0.0, 1.0]);
        // A judge that is a model answers in seconds; more says that it hangs.
        let timeout_seconds = self.timeout_seconds.unwrap_or(30.0);
        Some(match judge {
            Judge::Verifier(verifier) => {
                let schema = match &self.schema {
                    None => None,
                    Some(schema) => Some(schema_file(schema, &path, project, findings)?),
                };
                let pattern = self.pattern.clone();
                Reward::Verifier(VerifierReward { verifier, weight, pattern, schema })
            }
            Judge::Program(program) => Reward::Program(ProgramReward {
                program,
                weight,
                range,
                // Judges often wait for something; a few share a machine.
                workers: self.workers.unwrap_or(4),
                timeout_seconds,
                // What fails three times in a row will fail again.
                retries: self.retries.unwrap_or(2),
            }),
            Judge::Url(url) => Reward::Endpoint(EndpointReward {
                url,
                weight,
                range,
                // A service has more than one thread, and others to serve.
                concurrency: self.concurrency.unwrap_or(8),
                timeout_seconds,
                // Half a minute of waiting: a restart is over by then.
                retries: self.retries.unwrap_or(6),
                token_env: self.token_env.clone(),
            }),
        })
    }

    /// The keys besides who judges and the weight, and whether they are given.
    fn given(&self) -> [(&'static str, bool); 8] {
        [
            ("pattern", self.pattern.is_some()),
            ("schema", self.schema.is_some()),
            ("range", self.range.is_some()),
            ("workers", self.workers.is_some()),
            ("concurrency", self.concurrency.is_some()),
            ("timeout_seconds", self.timeout_seconds.is_some()),
            ("retries", self.retries.is_some()),
            ("token_env", self.token_env.is_some()),
        ]
    }
}

fn schema_file(
    schema: &str,
    reward: &[&str],
    project: &Project,
    findings: &mut Findings<'_>,
) -> Option<ProjectFile> {
    match ProjectFile::find(schema, project) {
        Ok(file) => Some(file),
        Err(error) => {
            let message = format!("cannot read `{schema}`: {error}");
            let hint = "the path of a JSON Schema, relative to the project's root".to_owned();
            findings.add(&[reward, &["schema"]].concat(), message, Some(hint));
            None
        }
    }
}
