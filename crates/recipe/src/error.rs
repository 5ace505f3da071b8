//! Why something a human wrote could not be used.

use std::io;
use std::path::{Path, PathBuf};

use crate::problem::{Problem, quoted, suggestion};

/// Why something a human wrote could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A recipe, manifest, catalog or suite that is there cannot be read.
    #[error("cannot read `{}`\n\nhint: check that the file is there and readable", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A recipe's extension is neither TOML's nor YAML's.
    #[error(
        "`{}` is no recipe by its extension, expected `.toml`, `.yaml` or `.yml`\n\n\
         hint: rename the file to what it is written in",
        path.display()
    )]
    Extension {
        /// The file.
        path: PathBuf,
    },
    /// A recipe, manifest, catalog or suite says something wrong; all that was found is listed.
    #[error("{name}: {}", listed(problems))]
    Problems {
        /// The file that was asked for.
        name: String,
        /// In the order of the text; some may lie in files that this one names.
        problems: Vec<Problem>,
    },
    /// A recipe of several stages where one is asked for.
    #[error(
        "`{name}` has the stages {}, expected a recipe of one\n\n\
         hint: `temper run` takes a chain; here name a recipe of its own",
        stages.join(", ")
    )]
    Chain {
        /// The file that was asked for.
        name: String,
        /// The names of its stages.
        stages: Vec<String>,
    },
    /// No folder around the recipe has a `data-manifests`.
    #[error(
        "`{}` lies in no temper project: no folder around it has a `data-manifests`\n\n\
         hint: make a folder `data-manifests` at the top of the project",
        start.display()
    )]
    NoProject {
        /// Where the search started.
        start: PathBuf,
    },
    /// A manifest, catalog or suite is asked for that is not in the project.
    #[error("{}", missing(*kind, id, known))]
    Missing {
        /// What was asked for.
        kind: Kind,
        /// The id that was asked for.
        id: String,
        /// The ids that are there.
        known: Vec<String>,
    },
    /// A file `recipe.resolved.toml` does not hold a resolved recipe of this version.
    #[error(
        "no resolved recipe: {message}\n\n\
         hint: a run's `recipe.resolved.toml` is written by temper and not meant to be edited; \
         start a new run from the recipe"
    )]
    Resolved {
        /// What was found and what was expected.
        message: String,
    },
}

/// What is described by a file in `data-manifests`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One corpus.
    Manifest,
    /// Curated corpora with default shares.
    Catalog,
    /// Tasks to score.
    Suite,
}

impl Kind {
    /// The word for it.
    pub(crate) fn noun(self) -> &'static str {
        match self {
            Self::Manifest => "manifest",
            Self::Catalog => "catalog",
            Self::Suite => "suite",
        }
    }

    /// The folder of its files, relative to the project.
    pub(crate) fn folder(self) -> &'static Path {
        Path::new(match self {
            Self::Manifest => "data-manifests",
            Self::Catalog => "data-manifests/catalogs",
            Self::Suite => "data-manifests/suites",
        })
    }
}

fn listed(problems: &[Problem]) -> String {
    let plural = if problems.len() == 1 { "" } else { "s" };
    let mut text = format!("{} problem{plural}\n", problems.len());
    for problem in problems {
        text.push_str(&format!("\n  {problem}"));
    }
    if problems.iter().all(|problem| problem.hint.is_none()) {
        text.push_str("\n\nhint: correct it there; `temper check` reads the recipe again");
    }
    text
}

fn missing(kind: Kind, id: &str, known: &[String]) -> String {
    let (message, hint) = missing_parts(kind, id, known);
    format!("{message}\n\nhint: {hint}")
}

/// Message and hint for something that is not in the project.
pub(crate) fn missing_parts(kind: Kind, id: &str, known: &[String]) -> (String, String) {
    let (noun, folder) = (kind.noun(), kind.folder().display());
    let message = format!("no {noun} `{id}`, expected `{folder}/{id}.toml`");
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let hint = suggestion(id, &known, "there are").unwrap_or_else(|| {
        format!("`{folder}` has no {noun} yet: write {}", quoted(&[format!("{id}.toml")]))
    });
    (message, hint)
}
