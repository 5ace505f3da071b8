//! What a load did, or why it did not.

use std::{fmt, path::PathBuf};

use super::json::short;

/// How the tensors of a folder fit the decoder that its `config.json` describes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadReport {
    /// The folder of the weights.
    pub folder: PathBuf,
    /// Tensors that became weights, in their fixed order.
    pub loaded: Vec<String>,
    /// Those of [`Self::loaded`] that an adapter changed.
    pub merged: Vec<String>,
    /// Tensors that the configuration implies and no file has.
    pub missing: Vec<Missing>,
    /// Tensors that have another shape than the configuration implies.
    pub mismatched: Vec<Mismatched>,
    /// Tensors that this decoder does not have.
    pub unused: Vec<String>,
    /// Tensors that repeat what is known already, left as transformers leaves them.
    pub ignored: Vec<Ignored>,
    /// Tensors that a partial load drew as fresh weights are drawn.
    pub drawn: Vec<String>,
}

/// A tensor that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Its name.
    pub name: String,
    /// An unused tensor whose name is so like it that it may be meant.
    pub resembles: Option<String>,
}

/// A tensor of another shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatched {
    /// Its name.
    pub name: String,
    /// The shape it has.
    pub found: Vec<usize>,
    /// The shape that the configuration implies.
    pub expected: Vec<usize>,
}

/// A tensor that was left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignored {
    /// Its name.
    pub name: String,
    /// True for an output matrix that is not the tied embedding, which counts in its place.
    pub differs: bool,
}

impl LoadReport {
    /// Whether every tensor has its place and every place its tensor.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.mismatched.is_empty() && self.unused.is_empty()
    }
}

/// Names of one kind that a message lists; the report itself has all of them.
const SHOWN: usize = 8;

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {} tensors loaded", self.folder.display(), self.loaded.len())?;
        for (n, what) in [
            (self.merged.len(), "changed by the adapter"),
            (self.missing.len(), "missing"),
            (self.mismatched.len(), "of another shape"),
            (self.unused.len(), "unused"),
            (self.ignored.len(), "ignored"),
            (self.drawn.len(), "drawn afresh"),
        ] {
            if n > 0 {
                write!(f, ", {n} {what}")?;
            }
        }
        list(f, &self.missing, |missing, f| {
            write!(f, "missing: `{}`", missing.name)?;
            match &missing.resembles {
                Some(name) => write!(f, " (did you mean the unused `{}`?)", short(name)),
                None => Ok(()),
            }
        })?;
        list(f, &self.mismatched, |tensor, f| {
            let Mismatched { name, found, expected } = tensor;
            write!(f, "`{name}` has shape {found:?}, config.json implies {expected:?}")
        })?;
        list(f, &self.unused, |name, f| write!(f, "unused: `{}`", short(name)))?;
        list(f, &self.ignored, |ignored, f| {
            let what = match ignored.differs {
                true => ", which differs from the tied embedding that counts in its place",
                false => "",
            };
            write!(f, "ignored: `{}`{what}", short(&ignored.name))
        })
    }
}

fn list<T>(
    f: &mut fmt::Formatter<'_>,
    all: &[T],
    one: impl Fn(&T, &mut fmt::Formatter<'_>) -> fmt::Result,
) -> fmt::Result {
    for entry in all.iter().take(SHOWN) {
        f.write_str("\n  ")?;
        one(entry, f)?;
    }
    match all.len().saturating_sub(SHOWN) {
        0 => Ok(()),
        more => write!(f, "\n  … and {more} more"),
    }
}

/// The name that comes so near that it may be meant.
pub(super) fn resembling<'a>(name: &str, others: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    /// Comparing costs the product of the lengths, and a file may have any number of any names.
    const MOST: usize = 1000;
    const LONGEST: usize = 200;
    others
        .filter(|other| other.len() <= LONGEST)
        .take(MOST)
        .map(|other| (strsim::levenshtein(name, other), other))
        .min()
        .filter(|(distance, _)| *distance <= name.len() / 3)
        .map(|(_, other)| other)
}
