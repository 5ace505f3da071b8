//! Why nobody judges.

/// A judge or environment that cannot be asked, or does not answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A program that cannot be run.
    #[error(
        "{key}: program `{program}`: {problem}\n\n\
         hint: a name is looked for in PATH, a path starts at the project's root; a script needs its \
         interpreter, as in `[\"python3\", \"judge.py\"]`, or `chmod +x` and a first line that names it"
    )]
    NoProgram {
        /// The key of the recipe that names it.
        key: &'static str,
        /// As the recipe names it.
        program: String,
        /// What was found, and what was expected.
        problem: String,
    },
    /// An address that is none.
    #[error("rl.rewards: url `{url}`: {problem}\n\nhint: as in `http://127.0.0.1:8000/judge`")]
    Url {
        /// As the recipe has it.
        url: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A token that is not there.
    #[error(
        "rl.rewards: token_env: {problem}\n\nhint: set `{variable}` to the token where temper is started, \
         or leave `token_env` out"
    )]
    Token {
        /// The environment variable.
        variable: String,
        /// What was found.
        problem: &'static str,
    },
    /// No client of HTTP can be made.
    #[error(
        "rl.rewards: url: no client of HTTP can be made: {problem}\n\nhint: check the machine's certificates"
    )]
    Client {
        /// What is wrong.
        problem: String,
    },
    /// A program that was there cannot be started.
    #[error(
        "{judge}: it cannot be started: {source}\n\nhint: mend it; in a run, `temper resume` goes on, and \
         asks for nothing that was answered"
    )]
    Start {
        /// The program.
        judge: String,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// No answer, however often it was asked for.
    #[error(
        "{judge}, asked {} for `{id}`: {found}; expected {expected}{}\n\n\
         hint: mend it; in a run, `temper resume` goes on, and asks for nothing that was answered. To wait longer \
         or try more often, raise `timeout_seconds` or `retries` and start a new run",
        times(*n_tries),
        last_words(said)
    )]
    NoAnswer {
        /// The program or endpoint.
        judge: String,
        /// The request.
        id: String,
        /// How often it was asked.
        n_tries: u32,
        /// What was found the last time.
        found: String,
        /// What was expected.
        expected: String,
        /// The last lines of its standard error, of a program.
        said: Vec<String>,
    },
    /// An answer that is no reward.
    #[error(
        "{judge}, asked for `{id}`: {found}; expected {expected}{}\n\n\
         hint: mend it; in a run, `temper resume` goes on, and asks for nothing that was answered{}",
        last_words(said),
        keys.with_another()
    )]
    Refused {
        /// The program or endpoint.
        judge: String,
        /// The request.
        id: String,
        /// What was found.
        found: String,
        /// What was expected.
        expected: String,
        /// The last lines of its standard error, of a program.
        said: Vec<String>,
        /// What of the recipe may be wrong instead.
        keys: Keys,
    },
    /// An environment that says something else than it said before, to the same answers.
    #[error(
        "{judge}, which had to be started again, at `{id}`: {found}; expected {expected}{}\n\n\
         hint: an environment must say the same to the same answers: let what it draws follow from the `id` of \
         the episode; `temper resume` asks it again",
        last_words(said)
    )]
    Changed {
        /// The environment.
        judge: String,
        /// The episode.
        id: String,
        /// What was found.
        found: String,
        /// What was expected.
        expected: String,
        /// The last lines of its standard error.
        said: Vec<String>,
    },
    /// Another question of the same step had no answer, and this one was not asked again.
    #[error("{judge}: `{id}` was given up")]
    GivenUp {
        /// The program or endpoint.
        judge: String,
        /// The request.
        id: String,
    },
}

fn times(n: u32) -> String {
    if n == 1 { "once".to_owned() } else { format!("{n} times") }
}

/// Keys of a recipe that may be what is wrong where a reply is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// None.
    None,
    /// `range`, which the reward is outside of.
    Range,
    /// `url`.
    Url,
    /// Either of them.
    UrlOrRange,
}

impl Keys {
    fn with_another(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Range => ". With another `range`, start a new run",
            Self::Url => ". With another `url`, start a new run",
            Self::UrlOrRange => ". With another `url` or `range`, start a new run",
        }
    }
}

fn last_words(said: &[String]) -> String {
    if said.is_empty() {
        return String::new();
    }
    format!("\n  its standard error ends with\n    {}", said.join("\n    "))
}
