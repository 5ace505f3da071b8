//! The runs behind a checkpoint, in a file that it takes along when it leaves its run.

use std::path::Path;

use serde::{Deserialize, Serialize};
use temper_recipe::{Digest, Stage};

use crate::error::Error;
use crate::whole::{read_json_if_there, versioned};

/// A run behind a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ancestor {
    /// Its name.
    pub run: String,
    /// Its steps that count.
    pub steps: u64,
    /// The digest of its recipe.
    pub recipe: Digest,
    /// What its ledger says; `None` where the run was not there any more.
    pub trained: Option<Trained>,
}

/// What a run was trained on, up to the step where the next one began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trained {
    /// What kind of training it was.
    pub stage: Stage,
    /// By name.
    pub sources: Vec<Learned>,
}

/// What was learned from a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Learned {
    /// The source, by name.
    pub source: String,
    /// Rows trained on.
    pub rows: u64,
    /// Tokens trained on.
    pub tokens: u64,
    /// The digest of its manifest; `None` where the run has no plan on record that names the source.
    pub manifest: Option<Digest>,
}

impl Ancestor {
    /// Whether both are the same steps of the same run. Another run of its name has another recipe.
    pub fn is(&self, other: &Self) -> bool {
        (&self.run, self.steps, self.recipe) == (&other.run, other.steps, other.recipe)
    }
}

/// `lineage.json`: the runs behind the checkpoint that it lies beside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ancestors {
    /// The first one first.
    pub runs: Vec<Ancestor>,
}

impl Ancestors {
    /// Where it lies in the checkpoint's folder: beside the weights, to be published with them.
    pub const FILE: &'static str = "lineage.json";

    /// Those of the checkpoint in `folder`, the first one first; none where it never left a run.
    ///
    /// # Errors
    /// [`Error::Read`], and [`Error::Malformed`] or [`Error::Schema`] for a file that temper did not write.
    pub fn load(folder: &Path) -> Result<Vec<Ancestor>, Error> {
        let found: Option<Self> = read_json_if_there(&folder.join(Self::FILE))?;
        Ok(found.map_or_else(Vec::new, |found| found.runs))
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes =
            serde_json::to_vec_pretty(&versioned(self)).expect("names and numbers are JSON");
        bytes.push(b'\n');
        bytes
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    fn ancestor(run: &str, trained: Option<Trained>) -> Ancestor {
        Ancestor { run: run.to_owned(), steps: 4, recipe: Digest::of(run.as_bytes()), trained }
    }

    #[test]
    fn what_is_behind_a_checkpoint_survives_its_file() {
        let folder = TempDir::new().unwrap();
        assert_eq!(Ancestors::load(folder.path()).unwrap(), []);
        let manifest = Some(Digest::of(b"manifest"));
        let learned = Learned { source: "prose".to_owned(), rows: 8, tokens: 512, manifest };
        let trained = Trained { stage: Stage::Pretrain, sources: vec![learned] };
        let runs = vec![ancestor("one", None), ancestor("two", Some(trained))];
        let bytes = Ancestors { runs: runs.clone() }.to_bytes();
        fs::write(folder.path().join(Ancestors::FILE), bytes).unwrap();
        assert_eq!(Ancestors::load(folder.path()).unwrap(), runs);
    }

    #[test]
    fn a_file_of_somebody_else_is_refused_by_its_path() {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join(Ancestors::FILE), "{}").unwrap();
        let message = Ancestors::load(folder.path()).unwrap_err().to_string();
        assert!(message.contains(Ancestors::FILE), "{message}");
    }

    #[test]
    fn a_run_is_known_by_name_steps_and_recipe() {
        let one = ancestor("one", None);
        assert!(one.is(&one));
        assert!(!one.is(&Ancestor { steps: 5, ..one.clone() }));
        assert!(!one.is(&Ancestor { recipe: Digest::of(b"another"), ..one.clone() }));
        assert!(!one.is(&ancestor("two", None)));
    }
}
