//! A small project on disk for tests.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::project::Project;

/// A project with a customer's corpora, a catalog of three categories and a suite.
pub(crate) struct Fixture {
    folder: TempDir,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let fixture = Self { folder: TempDir::new().unwrap() };
        for (id, category) in [
            ("chem", "chemistry"),
            ("notes", "chemistry"),
            ("novels", "prose"),
            ("essays", "prose"),
            ("wiki", "encyclopedic"),
            ("manuals", "technical"),
        ] {
            fixture.manifest(id, category, "train", "{ text = 'text' }");
        }
        fixture.manifest("held-prose", "prose", "heldout", "{ id = 'id', text = 'text' }");
        fixture.manifest("held-chem", "chemistry", "heldout", "{ context = 'c', answer = 'a' }");
        fixture.manifest("held-pairs", "grammar", "heldout", "{ choices = 'c', gold = 'g' }");
        fixture.write(
            "data-manifests/catalogs/small.toml",
            "schema = 1\nid = 'small'\n\
             [categories]\n\
             prose = { percent = 50, corpora = { novels = 75, essays = 25 } }\n\
             encyclopedic = { percent = 30, corpora = { wiki = 100 } }\n\
             technical = { percent = 20, corpora = { manuals = 100 } }\n",
        );
        fixture.write(
            "data-manifests/suites/small.toml",
            "schema = 1\nid = 'small'\nsequence_length = 512\n\
             [[tasks]]\nid = 'prose'\ngroup = 'general'\nkind = 'loss'\ncorpus = 'held-prose'\n\
             [[tasks]]\nid = 'chem'\ngroup = 'customer'\nkind = 'answer-loss'\ncorpus = 'held-chem'\n\
             [[tasks]]\nid = 'pairs'\ngroup = 'general'\nkind = 'choice'\ncorpus = 'held-pairs'\n",
        );
        fixture
    }

    /// Writes a manifest of one file.
    pub(crate) fn manifest(&self, id: &str, category: &str, split: &str, columns: &str) {
        let sha256 = "ab".repeat(32);
        let text = format!(
            "schema = 1\nid = '{id}'\ncategory = '{category}'\nlicence = 'CC0-1.0'\n\
             source = 'a test'\nsplit = '{split}'\ncolumns = {columns}\n\
             [[files]]\npath = '../data/{id}.parquet'\nsha256 = '{sha256}'\nrows = 10\n"
        );
        self.write(&format!("data-manifests/{id}.toml"), &text);
    }

    /// Writes a file of the project and returns its path.
    pub(crate) fn write(&self, path: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn project(&self) -> Project {
        Project::find(self.folder.path()).unwrap()
    }

    /// `text` with the temporary folder taken out.
    pub(crate) fn neutral(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.folder.path().display()), "")
    }
}

/// A recipe that uses most keys.
pub(crate) const RECIPE: &str = r#"schema = 1
name = "chem"
stage = "mid-train"
seed = 17

[model]
from = "checkpoints/nano"

[training]
max_tokens = "1M"
sequence_length = 512
global_batch_size = 12

[data_mixing]
dataset_catalog = "small"
[data_mixing.sources]
customer_data = { percent = 75, corpora = { notes = 20, chem = 80 }, max_epochs = 9 }
curated_data = { prose = 40, technical = 60 }

[optimizer]
lr = 3e-4

[forgetting]
suite = "small"
"#;
