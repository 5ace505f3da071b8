//! What a human writes: recipes, manifests, catalogs and suites; parsed, resolved, validated and digested.
//!
//! ```text
//! recipe.toml | .yaml ─► document ─► file ──► resolve ──► Recipe ─► digest
//!          --set ────────►  (values   (serde   (defaults,              │
//! data-manifests/*.toml ─►  and their  form)    limits)   resolved text ◄► from_resolved
//!                           places)
//! ```
//!
//! A recipe names a checkpoint, a budget and a mix. [`load`] reads it with the manifests, the catalog
//! and the suite that it names, and returns a [`Recipe`] in which every value that changes a result is
//! stated. Reading goes on after a mistake: [`Error::Problems`] lists all of them, each with its place
//! and the way out.
//!
//! # Example
//!
//! ```
//! # let folder = tempfile::tempdir()?;
//! # let project = folder.path();
//! # std::fs::create_dir(project.join("data-manifests"))?;
//! // A project is a folder with `data-manifests`; each corpus has a manifest there.
//! std::fs::write(project.join("data-manifests/chem.toml"), r#"
//! schema = 1
//! id = "chem"
//! category = "chemistry"
//! licence = "CC0-1.0"
//! source = "measured in our laboratory"
//! split = "train"
//! columns = { text = "text" }
//! [[files]]
//! path = "../data/chem.parquet"
//! sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
//! rows = 1200
//! "#)?;
//! let path = project.join("recipe.toml");
//! std::fs::write(&path, r#"
//! schema = 1
//! name = "chem-only"
//! stage = "mid-train"
//! model = { from = "checkpoints/nano/pretrained" }
//! [training]
//! max_tokens = "600k"
//! sequence_length = 512
//! global_batch_size = 16
//! [data_mixing.sources]
//! customer_data = { percent = 100, corpora = { chem = 100 } }
//! [optimizer]
//! lr = 3e-4
//! "#)?;
//!
//! let loaded = temper_recipe::load(&path, &["optimizer.lr=1e-3".to_owned()])?;
//! assert_eq!(loaded.recipe.optimizer.lr, 1e-3);
//! assert_eq!(loaded.recipe.training.micro_batch_size, 8);
//!
//! let error = temper_recipe::load(&path, &["training.max_step=10".to_owned()]).unwrap_err();
//! assert!(error.to_string().contains("did you mean `max_steps`?"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Invariants
//!
//! * The shares of a mixture are fractions that sum to exactly one; a sum that does not is refused, never normalised.
//! * Defaults are written in `resolve` alone. `from_resolved(recipe.to_toml())` is the recipe.
//! * The digest of a recipe covers its values and, through the digests of manifests and suite, the data. It
//!   ignores formatting, the order of keys and the name.
//! * Nothing here reads data, tensors, the clock or the environment.

mod anchor;
mod chain;
mod condition;
mod data_limits;
mod diff;
mod digest;
mod document;
mod ema;
mod environment;
mod error;
mod file;
mod limits;
mod load;
mod lora;
mod manifest;
mod memory;
mod mixing;
mod mixture;
mod optimizer;
mod overrides;
mod preference;
mod problem;
mod project;
mod project_file;
mod read;
mod recipe;
mod remix;
mod replay;
mod resolve;
mod reward;
mod rl;
mod schedule;
mod sft;
mod share;
#[cfg(test)]
mod testing;
mod training;

pub use anchor::Anchor;
pub use condition::{Comparison, Condition, Predicate, Scalar};
pub use diff::diff;
pub use digest::{Digest, Hasher};
pub use ema::Ema;
pub use environment::Environment;
pub use error::{Error, Kind};
pub use file::parse_token_count;
pub use load::{Loaded, load, load_chain};
pub use lora::Lora;
pub use manifest::{
    Catalog, CatalogCategory, Columns, Group, Manifest, ManifestFile, Period, Periods, Split,
    Suite, SuiteWithManifests, Task, TaskKind,
};
pub use memory::Bytes;
pub use mixture::{
    Exhausted, Mixture, Moment, OnBadRow, Packing, PhaseSpec, Shares, Side, Source, Unit,
};
pub use preference::{AnswerWeights, Preference, PreferenceLoss};
pub use problem::{Location, Problem};
pub use project::Project;
pub use project_file::ProjectFile;
pub use recipe::{
    Action, Budget, CheckpointPolicy, ForgettingPolicy, GradientSum, ModelOrigin, ModelSpec,
    Optimizer, OptimizerName, OptimizerState, Precision, Recipe, Stage, StoredDtype, Tokenization,
    Tolerance, Training,
};
pub use remix::remix;
pub use replay::Replay;
pub use reward::{EndpointReward, ProgramReward, Reward, VerifierName, VerifierReward};
pub use rl::{Normalisation, Rl};
pub use schedule::{Schedule, ScheduleKind};
pub use sft::{LearnedTurns, Sft};
pub use share::{Percent, Share};

/// The version of the grammar of recipes, manifests, catalogs and suites.
pub const SCHEMA: u32 = 1;
