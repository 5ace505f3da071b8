//! What is wrong with a file a human wrote, said so that the human can mend it.

use std::fmt;

use crate::document::Document;
use crate::error::{Error, missing_parts};

/// One thing wrong with a recipe, manifest, catalog or suite.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where it was written.
    pub location: Location,
    /// The dotted key, `optimizer.lr`; empty for the file as a whole.
    pub key: String,
    /// What was found and what was expected.
    pub message: String,
    /// The way out.
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.location)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "{}", self.message.replace('\n', "\n    "))?;
        if let Some(hint) = &self.hint {
            write!(f, "\n    hint: {hint}")?;
        }
        Ok(())
    }
}

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Location {
    /// In a file, at no single place.
    File(String),
    /// In a file, with line and column counted from one.
    Text {
        /// As the user named it; relative to the project for manifests, catalogs and suites.
        file: String,
        /// Counted from one.
        line: usize,
        /// In characters, counted from one.
        column: usize,
    },
    /// An argument of `--set`.
    Argument(String),
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text { file, line, column } => write!(f, "{file}:{line}:{column}"),
            Self::File(file) => f.write_str(file),
            Self::Argument(argument) => write!(f, "`--set {argument}`"),
        }
    }
}

/// The problems of one document, collected while it is resolved.
#[derive(Debug)]
pub(crate) struct Findings<'a> {
    document: &'a Document,
    /// The table that paths lie in, where it is not the whole document.
    within: Vec<&'static str>,
    problems: Vec<Problem>,
    /// Those of files that this document names.
    elsewhere: Vec<Problem>,
}

impl<'a> Findings<'a> {
    pub(crate) fn new(document: &'a Document, problems: Vec<Problem>) -> Self {
        Self { document, within: Vec::new(), problems, elsewhere: Vec::new() }
    }

    /// What `resolve` finds in the table `name`, which it takes for the whole document.
    pub(crate) fn within<T>(
        &mut self,
        name: &'static str,
        resolve: impl FnOnce(&mut Self) -> T,
    ) -> T {
        self.within.push(name);
        let resolved = resolve(self);
        self.within.pop();
        resolved
    }

    /// `path` from the top of the document.
    fn whole<'p>(&self, path: &[&'p str]) -> Vec<&'p str> {
        self.within.iter().chain(path).copied().collect()
    }

    /// Notes a problem with the value at `path`, or with its absence.
    pub(crate) fn add(&mut self, path: &[&str], message: String, hint: Option<String>) {
        let path = self.whole(path);
        let (location, key) = (self.document.location_of(&path), dotted(&path));
        self.problems.push(Problem { location, key, message, hint });
    }

    /// `value`, or a problem that names the missing key, unless its value was refused before.
    pub(crate) fn required<T>(&mut self, path: &[&str], value: Option<T>, hint: &str) -> Option<T> {
        if value.is_none() && !self.refused(path) {
            self.add(path, "missing".to_owned(), Some(hint.to_owned()));
        }
        value
    }

    /// True if the value at `path`, or a table it lies in, already has a problem.
    pub(crate) fn refused(&self, path: &[&str]) -> bool {
        let path = self.whole(path);
        (1..=path.len()).any(|n| {
            let key = dotted(&path[..n]);
            self.problems.iter().any(|problem| problem.key == key)
        })
    }

    /// True if a value somewhere inside the table at `path` already has a problem.
    pub(crate) fn refused_below(&self, path: &[&str]) -> bool {
        let inside = |key: &str| {
            key.strip_prefix(&dotted(&self.whole(path)))
                .is_some_and(|rest| rest.starts_with(['.', '[']))
        };
        self.problems.iter().any(|problem| inside(&problem.key))
    }

    /// Notes why what the value at `path` refers to cannot be used.
    pub(crate) fn add_error(&mut self, path: &[&str], error: Error) {
        match error {
            Error::Problems { problems, .. } => self.elsewhere.extend(problems),
            Error::Missing { kind, id, known } => {
                let (message, hint) = missing_parts(kind, &id, &known);
                self.add(path, message, Some(hint));
            }
            Error::Read { source, .. } => {
                let message = format!("what it names cannot be read: {source}");
                self.add(path, message, Some("see to the permissions of the file".to_owned()));
            }
            Error::Extension { .. }
            | Error::NoProject { .. }
            | Error::Resolved { .. }
            | Error::Chain { .. } => {
                self.add(path, error.to_string(), None);
            }
        }
    }

    /// The problems in the order of the text, then those of other files.
    pub(crate) fn into_problems(mut self) -> Vec<Problem> {
        // Stable, so that problems of one place stay in the order in which they were found.
        self.problems.sort_by(|a, b| a.location.cmp(&b.location));
        self.elsewhere.sort();
        // The same corpus may be met twice.
        self.elsewhere.dedup();
        self.problems.append(&mut self.elsewhere);
        self.problems
    }
}

/// `["files", "[0]", "sha256"]` as `files[0].sha256`.
pub(crate) fn dotted<S: AsRef<str>>(path: &[S]) -> String {
    let mut key = String::new();
    for segment in path.iter().map(AsRef::as_ref) {
        if !key.is_empty() && !segment.starts_with('[') {
            key.push('.');
        }
        key.push_str(segment);
    }
    key
}

/// The candidate a typing mistake away from `word`, if there is one.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    // Two slips in short words and one in three letters of longer ones still point to one word.
    let limit = (word.chars().count() / 3).max(2);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= limit && *distance < candidate.len())
        .min()
        .map(|(_, candidate)| candidate)
}

/// `did you mean …?` where a near candidate exists, else the list of candidates.
pub(crate) fn suggestion(word: &str, candidates: &[&str], what: &str) -> Option<String> {
    match nearest(word, candidates.iter().copied()) {
        Some(candidate) => Some(format!("did you mean `{candidate}`?")),
        None if candidates.is_empty() => None,
        None => Some(format!("{what}: {}", quoted(candidates))),
    }
}

/// `` `a`, `b` ``
pub(crate) fn quoted<S: AsRef<str>>(words: &[S]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("`{}`", word.as_ref())).collect();
    words.join(", ")
}
