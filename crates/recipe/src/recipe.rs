//! The resolved recipe: every value that changes a result, with no option left open.

use serde::{Deserialize, Serialize};

use crate::anchor::Anchor;
use crate::digest::Digest;
use crate::ema::Ema;
use crate::error::Error;
use crate::limits;
use crate::lora::Lora;
use crate::mixture::{Mixture, Source};
pub use crate::optimizer::{Optimizer, OptimizerName, OptimizerState};
use crate::preference::Preference;
use crate::problem::dotted;
use crate::project_file::ProjectFile;
use crate::replay::Replay;
use crate::rl::{Rl, group_size};
use crate::sft::Sft;
pub use crate::training::{Budget, GradientSum, Precision, Training};

/// One run, fully stated.
///
/// It is written to the run directory as `recipe.resolved.toml`; its [`Recipe::digest`] names it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// The version of the recipe grammar.
    pub schema: u32,
    /// The run goes to `runs/<name>`.
    pub name: String,
    /// What kind of training this is.
    pub stage: Stage,
    /// The seed that every named random stream is derived from.
    pub seed: u64,
    /// Where the weights come from, and what is changed about them before step 0.
    pub model: ModelSpec,
    /// Budget and shapes.
    pub training: Training,
    /// How documents become token ids.
    pub tokenization: Tokenization,
    /// What is trained on, in which proportion.
    pub mixture: Mixture,
    /// What of conversations is learned, in the stage `sft`.
    #[serde(default, skip_serializing_if = "Sft::is_default")]
    pub sft: Sft,
    /// What is learned from pairs, in the stage `dpo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preference: Option<Preference>,
    /// How completions are sampled and rewarded, in the stage `rl`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rl: Option<Rl>,
    /// Rows that are learned from beside pairs and rewards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<Replay>,
    /// The factors that are trained in the place of weights; `None` trains all weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lora: Option<Lora>,
    /// What holds the model near its start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchor: Option<Anchor>,
    /// The mean of weights that is kept beside them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ema: Option<Ema>,
    /// How weights move.
    pub optimizer: Optimizer,
    /// What is kept on disk.
    pub checkpoint: CheckpointPolicy,
    /// What must not be lost; `None` trains without a forgetting report.
    pub forgetting: Option<ForgettingPolicy>,
}

impl Recipe {
    /// All that is trained on: the sources of the mix, then those of what is replayed.
    pub fn sources(&self) -> impl Iterator<Item = &Source> {
        let replayed = self.replay.iter().flat_map(|replay| &replay.mixture.sources);
        self.mixture.sources.iter().chain(replayed)
    }

    /// Whether documents of `corpus` are left out that the runs behind the start trained on.
    pub fn skips_seen(&self, corpus: &str) -> bool {
        let replayed = self.replay.iter().flat_map(|replay| &replay.mixture.skip_seen);
        self.mixture.skip_seen.iter().chain(replayed).any(|skipped| skipped == corpus)
    }

    /// Rows that a step learns from, in RL completions; what is replayed comes on top.
    pub fn learned_rows(&self) -> usize {
        self.training.global_batch_size.saturating_mul(group_size(self.rl.as_ref()))
    }

    /// What a step holds in memory together: its shapes, with the longest of its rows.
    pub fn largest_lanes(&self) -> Training {
        let replayed = self.replay.as_ref().map_or(0, |replay| replay.sequence_length);
        let sequence_length = self.training.sequence_length.max(replayed);
        Training { sequence_length, ..self.training.clone() }
    }

    /// The digest of the resolved text without the name: formatting does not change it, any value does.
    pub fn digest(&self) -> Digest {
        let nameless = Self { name: String::new(), ..self.clone() };
        Digest::of(nameless.to_toml().as_bytes())
    }

    /// Reads a resolved text back: `from_resolved(recipe.to_toml())` is the recipe.
    ///
    /// # Errors
    /// [`Error::Resolved`] for a text that [`Recipe::to_toml`] of this version cannot have written.
    pub fn from_resolved(text: &str) -> Result<Self, Error> {
        let refused = |message: String| Error::Resolved { message };
        let recipe: Self = toml::from_str(text)
            .map_err(|error| refused(error.to_string().trim_end().to_owned()))?;
        match limits::of_recipe(&recipe).first() {
            Some(breach) => Err(refused(format!("{}: {}", dotted(breach.path), breach.message))),
            None => Ok(recipe),
        }
    }

    /// The resolved text.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a recipe holds nothing that TOML cannot say")
    }
}

/// The stages this version trains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Next-token training from random weights or an early checkpoint.
    Pretrain,
    /// Next-token training that continues a checkpoint on a mix.
    MidTrain,
    /// Supervised fine-tuning: of conversations what the assistant says carries loss, of texts all.
    Sft,
    /// Direct preference optimisation: of two answers to a question one was preferred.
    Dpo,
    /// Reinforcement learning with rewards that can be checked.
    Rl,
}

impl Stage {
    /// As recipes write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pretrain => "pretrain",
            Self::MidTrain => "mid-train",
            Self::Sft => "sft",
            Self::Dpo => "dpo",
            Self::Rl => "rl",
        }
    }
}

/// The model a run starts from. Paths are relative to the project root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSpec {
    /// Whether weights that the checkpoint lacks are drawn from the seed instead of refused.
    pub partial: bool,
    /// Special tokens that the tokenizer gets where it lacks them; embedding and output matrix grow
    /// with it.
    pub added_tokens: Vec<String>,
    /// Where the weights come from.
    pub origin: ModelOrigin,
    /// The chat template, a Jinja file, where it is not the one that came with the tokenizer.
    pub chat_template: Option<ProjectFile>,
}

/// Where the starting weights come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ModelOrigin {
    /// A Hugging Face folder, a LoRA adapter's, a transformers Trainer's checkpoint, a model of the
    /// Hub in the local cache (`org/name`, `org/name@revision`) or a run's checkpoint (`runs/x`,
    /// `runs/x@400`).
    From(String),
    /// A folder with `config.json` and tokenizer files; the weights are drawn from the seed.
    Init(String),
}

/// How documents become token ids. Ids inserted here carry loss and count as tokens, except that
/// nothing precedes the first id of a document, so it is never a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tokenization {
    /// The tokenizer's BOS id is put before each document.
    pub bos: bool,
    /// The tokenizer's EOS id is put after each document.
    pub eos: bool,
}

/// What is kept on disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointPolicy {
    /// Steps between checkpoints; the last step always makes one.
    pub every: u64,
    /// How many of the newest stay.
    pub keep_last: usize,
    /// Checkpoints at multiples of this many steps stay as well; 0 keeps none.
    pub keep_every: u64,
    /// How weights are stored; with `bf16` the exact weights lie beside as training state.
    pub dtype: StoredDtype,
}

/// How weights are stored in `model.safetensors`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StoredDtype {
    /// 32-bit floats.
    F32,
    /// bfloat16, rounded to nearest even.
    Bf16,
}

/// What must not be lost.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForgettingPolicy {
    /// The suite's id.
    pub suite: String,
    /// The digest of the suite and its manifests.
    pub suite_digest: Digest,
    /// The checkpoint since which nothing must be lost, as [`ModelOrigin::From`]; the one that the run starts
    /// from if not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Steps between evaluations; 0 evaluates before and after only.
    pub every: u64,
    /// How much harm is accepted on each general task.
    pub tolerance: Tolerance,
    /// What a breach does.
    pub action: Action,
    /// What an undecided gate does.
    pub on_undecided: Action,
    /// Tasks that are scored although items of theirs stand in what is trained on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accept_contaminated: Vec<String>,
}

/// How much harm is accepted on each general task.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tolerance {
    /// Rise of the loss, nats per token.
    pub loss: f64,
    /// Fall of the accuracy, 0 to 1.
    pub accuracy: f64,
}

/// What a gate does to the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// The run saves and stops; exit code 1.
    Stop,
    /// The run goes on and says so.
    Warn,
}
