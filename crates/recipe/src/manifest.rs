//! What describes data: manifests (one corpus), catalogs (curated corpora with default shares), suites (what is scored).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::condition::Condition;
use crate::digest::{Digest, Hasher};
use crate::share::Percent;

/// One corpus: where its rows lie, whose they are, what they may be used for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The version of the manifest grammar.
    pub schema: u32,
    /// The file name without `.toml`.
    pub id: String,
    /// `prose`, `technical`, `chemistry`, …
    pub category: String,
    /// SPDX expression.
    pub licence: String,
    /// Where the text comes from: repository, path, revision.
    pub source: String,
    /// Who must be named, where the licence asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attribution: Option<String>,
    /// Held-out rows are refused as a source of a mix.
    pub split: Split,
    /// Which columns hold what.
    pub columns: Columns,
    /// Rows that do not meet it are no documents: `lang = 'en' AND score >= 0.5`.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    pub condition: Option<Condition>,
    /// Of the rows that meet it, this part is taken, 0 to 1: the same rows every time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fraction: Option<f64>,
    /// Of those, at most so many are taken, the first ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_documents: Option<u64>,
    /// In reading order. Paths are relative to the folder of manifests.
    pub files: Vec<ManifestFile>,
}

impl Manifest {
    /// The digest of the manifest's values; formatting and comments do not change it.
    pub fn digest(&self) -> Digest {
        let text = toml::to_string(self).expect("a manifest holds nothing that TOML cannot say");
        Digest::of(text.as_bytes())
    }
}

/// What the rows of a corpus may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Split {
    /// Rows to train on.
    Train,
    /// Rows to score on.
    Heldout,
}

/// The names of a corpus's columns. A corpus has `text` or `messages`, or
/// `choices` and `gold`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Columns {
    /// Unique name of the row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The document (string); in a task with answers, the whole text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// A conversation: a list of structs with `role`, `content` and what else its chat template reads,
    /// or the same as JSON in a string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages: Option<String>,
    /// The conversation of `messages` with an answer that was liked less, in the same form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<String>,
    /// Whether the last answer of `messages` was liked (boolean).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The tools of a conversation: a list of structs, or JSON in a string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<String>,
    /// What comes before the scored part (string).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// The scored continuation (string) of `context`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// Continuations to choose from (list of strings).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choices: Option<String>,
    /// Index of the right choice (integer).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gold: Option<String>,
    /// What resampling keeps together: book, country, paradigm (string).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// A number that should not decide the answer, such as the prompt's length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confounder: Option<String>,
    /// Of prompts, what a judge from outside is told besides the reference.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metadata: Vec<String>,
}

/// One Parquet file of a corpus.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestFile {
    /// Relative to the folder of manifests.
    pub path: String,
    /// Of the whole file.
    pub sha256: Digest,
    /// Rows in the file.
    pub rows: u64,
}

/// A named set of curated corpora with default shares.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalog {
    /// The version of the catalog grammar.
    pub schema: u32,
    /// The file name without `.toml`.
    pub id: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The folder of the tokenizer that `tokens` were counted with, relative to the project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokenizer: Option<String>,
    /// What is in it, by category.
    pub categories: BTreeMap<String, CatalogCategory>,
}

/// One category of a catalog.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogCategory {
    /// What its text is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// SPDX expressions of its corpora, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub licences: Vec<String>,
    /// Documents in its corpora.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub documents: Option<u64>,
    /// Ids of its corpora, with BOS and EOS where the tokenizer has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// Default percent of the curated part.
    pub percent: Percent,
    /// Corpus id to percent of the category.
    pub corpora: BTreeMap<String, Percent>,
}

/// A named set of tasks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// The version of the suite grammar.
    pub schema: u32,
    /// The file name without `.toml`.
    pub id: String,
    /// Positions that documents are cut to for scoring; a model that reads fewer cuts them shorter.
    pub sequence_length: usize,
    /// In the order of the report.
    pub tasks: Vec<Task>,
}

/// A suite and the manifests of its corpora, by id.
#[derive(Clone, Debug, PartialEq)]
pub struct SuiteWithManifests {
    /// What is scored.
    pub suite: Suite,
    /// One for each corpus that a task names.
    pub manifests: BTreeMap<String, Manifest>,
}

impl SuiteWithManifests {
    /// The digest of the suite's values and of its manifests: it changes when what is scored changes.
    pub fn digest(&self) -> Digest {
        let text =
            toml::to_string(&self.suite).expect("a suite holds nothing that TOML cannot say");
        let mut hasher = Hasher::new();
        hasher.update(Digest::of(text.as_bytes()).bytes());
        for manifest in self.manifests.values() {
            hasher.update(manifest.digest().bytes());
        }
        hasher.finish()
    }
}

/// One measurement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// Unique in the suite.
    pub id: String,
    /// Who cares: general abilities are gated, customer tasks are the gain.
    pub group: Group,
    /// What is measured.
    pub kind: TaskKind,
    /// The manifest with the rows.
    pub corpus: String,
    /// Of choices, the likeliest by its mean per token is taken, not by its sum.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub per_token: bool,
    /// Scores the items of each period beside all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub periods: Option<Periods>,
}

/// How the items of a task are told apart by time, in UTC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Periods {
    /// The column that says when: ISO 8601 in a string, a timestamp or a date; null is no time.
    pub column: String,
    /// How long a period is.
    pub by: Period,
}

/// How long a period is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Period {
    /// `2026-07-26`
    Day,
    /// `2026-W30`, from Monday on, as ISO 8601 counts them.
    Week,
    /// `2026-07`
    Month,
    /// `2026-Q3`
    Quarter,
    /// `2026`
    Year,
}

/// Who cares about a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    /// What the model could do before; guarded by the gate.
    General,
    /// What the customer wants it to learn.
    Customer,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaskKind {
    /// Nats per token and bits per byte of whole documents (`text`).
    Loss,
    /// Nats per token of `answer` after `context`, or of the last answer of `messages`.
    AnswerLoss,
    /// Accuracy of the likeliest of `choices` after `context`; of a pair, of the answer that was preferred.
    Choice,
}
