//! Verbs that take a checkpoint.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use temper_recipe::VerifierName;

use super::DeviceArgument;

#[derive(Debug, Args)]
pub(crate) struct EvalArguments {
    /// Hugging Face folder, adapter, model of the Hub (org/name) or run (runs/x, runs/x@400)
    pub(crate) checkpoint: String,
    /// Suite id
    #[arg(long, required_unless_present = "prompts", conflicts_with = "prompts")]
    pub(crate) suite: Option<String>,
    /// Chat template (Jinja), if the checkpoint has none, such as a base model
    #[arg(long, value_name = "FILE")]
    pub(crate) chat_template: Option<PathBuf>,
    /// Instead of a suite a corpus of prompts; completions are judged
    #[arg(long, value_name = "CORPUS")]
    pub(crate) prompts: Option<String>,
    /// What judges completions
    #[arg(long, value_enum, requires = "prompts", conflicts_with = "rewards")]
    pub(crate) verifier: Option<VerifierArgument>,
    /// Judge completions by the rewards of this recipe or run: verifiers, programs and services
    #[arg(long, value_name = "RECIPE", requires = "prompts")]
    pub(crate) rewards: Option<PathBuf>,
    /// The reward from which on a completion passes; without it the most that the rewards can reach
    #[arg(long, value_name = "REWARD", requires = "rewards", allow_negative_numbers = true)]
    pub(crate) pass_from: Option<f64>,
    /// Completions of each prompt
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) samples: u32,
    /// At most this many new tokens
    #[arg(long, default_value_t = 64)]
    pub(crate) max_tokens: usize,
    /// 0 takes the likeliest token
    #[arg(long, default_value_t = 1.0)]
    pub(crate) temperature: f64,
    /// Seed of the sampling
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Machine-readable output, with the score of every item
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) device: DeviceArgument,
}

#[derive(Debug, Args)]
pub(crate) struct CompareArguments {
    /// The checkpoint before
    pub(crate) before: String,
    /// The checkpoint after
    pub(crate) after: String,
    /// Suite id; without it that of the run that AFTER comes from
    #[arg(long)]
    pub(crate) suite: Option<String>,
    /// Chat template (Jinja) of a checkpoint that has none, such as a base model
    #[arg(long, value_name = "FILE")]
    pub(crate) chat_template: Option<PathBuf>,
    /// Machine-readable output
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) device: DeviceArgument,
}

#[derive(Debug, Args)]
pub(crate) struct GenerateArguments {
    /// Hugging Face folder, adapter, model of the Hub (org/name) or run (runs/x, runs/x@400)
    pub(crate) checkpoint: String,
    /// What to continue; may be given again
    #[arg(long, required_unless_present = "ids", conflicts_with = "ids")]
    pub(crate) prompt: Vec<String>,
    /// Token ids to continue, separated by commas; may be given again
    #[arg(long, value_name = "IDS")]
    pub(crate) ids: Vec<String>,
    /// Prompts are a user's messages: written by the checkpoint's chat template, and answered
    #[arg(long, conflicts_with = "ids")]
    pub(crate) chat: bool,
    /// At most this many new tokens
    #[arg(long, default_value_t = 64)]
    pub(crate) max_tokens: usize,
    /// Continuations of each prompt
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) samples: usize,
    /// 0 takes the likeliest token
    #[arg(long, default_value_t = 0.0)]
    pub(crate) temperature: f64,
    /// Sample from this many of the likeliest tokens; 0 from all
    #[arg(long, default_value_t = 0)]
    pub(crate) top_k: usize,
    /// Sample from the likeliest tokens that hold this much probability
    #[arg(long, default_value_t = 1.0)]
    pub(crate) top_p: f64,
    /// Sample from tokens at least this probable relative to the likeliest
    #[arg(long, default_value_t = 0.0)]
    pub(crate) min_p: f64,
    /// Above 1, tokens that occurred already become less likely
    #[arg(long, default_value_t = 1.0)]
    pub(crate) repetition_penalty: f64,
    /// A text that ends a continuation; may be given again
    #[arg(long)]
    pub(crate) stop: Vec<String>,
    /// Go on behind the token that ends a text
    #[arg(long)]
    pub(crate) ignore_eos: bool,
    /// Seed of the sampling
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Machine-readable output: ids and their log-probabilities
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) device: DeviceArgument,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CheckpointVerb {
    /// Family, shapes, parameters, types, tokenizer and lineage
    Show(CheckpointShowArguments),
    /// Write a checkpoint to a new folder in another type, with its lineage; an adapter is merged
    Convert(CheckpointConvertArguments),
    /// Make one checkpoint of several that were trained from the same one
    Merge(CheckpointMergeArguments),
    /// How far apart the tensors of two checkpoints lie
    Diff(CheckpointDiffArguments),
    /// The logits after each token id
    Logits(CheckpointLogitsArguments),
}

#[derive(Debug, Args)]
pub(crate) struct CheckpointShowArguments {
    /// Hugging Face folder, adapter, model of the Hub (org/name) or run (runs/x, runs/x@400)
    pub(crate) checkpoint: String,
    /// Also every run behind it, and what these were trained on
    #[arg(long)]
    pub(crate) lineage: bool,
    /// Machine-readable output, with every tensor
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CheckpointConvertArguments {
    /// Hugging Face folder, adapter, model of the Hub (org/name) or run (runs/x, runs/x@400)
    pub(crate) checkpoint: String,
    /// Folder to write; must not be there
    pub(crate) out: PathBuf,
    /// The type of the weights
    #[arg(long, value_enum, default_value_t = DtypeName::Bf16)]
    pub(crate) dtype: DtypeName,
    /// The largest file of weights, such as 5GB
    #[arg(long, value_name = "SIZE", default_value = "5GB")]
    pub(crate) max_shard_size: String,
    /// Machine-readable output
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CheckpointMergeArguments {
    /// Checkpoints to merge: Hugging Face folders, adapters, models of the Hub or runs
    #[arg(required = true)]
    pub(crate) models: Vec<String>,
    /// Folder to write; must not be there
    #[arg(long)]
    pub(crate) out: PathBuf,
    /// How
    #[arg(long, value_enum)]
    pub(crate) method: MergeMethodName,
    /// What all of them were trained from (task-arithmetic, ties, dare)
    #[arg(long)]
    pub(crate) base: Option<String>,
    /// One weight for each model (linear, task-arithmetic, dare)
    #[arg(long, value_delimiter = ',', allow_negative_numbers = true)]
    pub(crate) weights: Vec<f64>,
    /// From the first model, 0, to the second, 1 (slerp)
    #[arg(long, default_value_t = 0.5)]
    pub(crate) t: f64,
    /// The part of each model's changes that is kept, the largest ones (ties)
    #[arg(long, default_value_t = 0.2)]
    pub(crate) density: f64,
    /// By which the merged changes are multiplied (ties)
    #[arg(long, default_value_t = 1.0, allow_negative_numbers = true)]
    pub(crate) scale: f64,
    /// The part of each model's changes that is dropped at random (dare)
    #[arg(long, default_value_t = 0.9)]
    pub(crate) drop: f64,
    /// Seed of what is dropped (dare)
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// The type of the weights
    #[arg(long, value_enum, default_value_t = DtypeName::Bf16)]
    pub(crate) dtype: DtypeName,
    /// The largest file of weights, such as 5GB
    #[arg(long, value_name = "SIZE", default_value = "5GB")]
    pub(crate) max_shard_size: String,
    /// Machine-readable output
    #[arg(long)]
    pub(crate) json: bool,
}

/// What judges completions.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum VerifierArgument {
    Number,
    Choice,
    Exact,
    Regex,
    Json,
    JsonSchema,
    ToolCall,
    Constraints,
}

impl From<VerifierArgument> for VerifierName {
    fn from(argument: VerifierArgument) -> Self {
        match argument {
            VerifierArgument::Number => Self::Number,
            VerifierArgument::Choice => Self::Choice,
            VerifierArgument::Exact => Self::Exact,
            VerifierArgument::Regex => Self::Regex,
            VerifierArgument::Json => Self::Json,
            VerifierArgument::JsonSchema => Self::JsonSchema,
            VerifierArgument::ToolCall => Self::ToolCall,
            VerifierArgument::Constraints => Self::Constraints,
        }
    }
}

/// Ways to merge.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum MergeMethodName {
    Linear,
    Slerp,
    TaskArithmetic,
    Ties,
    Dare,
}

/// The types of weights, by their short names.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum DtypeName {
    F32,
    F16,
    Bf16,
}

#[derive(Debug, Args)]
pub(crate) struct CheckpointDiffArguments {
    /// One checkpoint
    pub(crate) a: String,
    /// The other one
    pub(crate) b: String,
    /// Machine-readable output
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CheckpointLogitsArguments {
    /// Hugging Face folder, adapter, model of the Hub (org/name) or run (runs/x, runs/x@400)
    pub(crate) checkpoint: String,
    /// Token ids, separated by commas
    #[arg(long, value_delimiter = ',', required = true)]
    pub(crate) ids: Vec<u32>,
    /// Only after the last N ids
    #[arg(long, value_name = "N")]
    pub(crate) last: Option<usize>,
    /// A list of lists, one number for each token of the vocabulary; without it the likeliest tokens
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) device: DeviceArgument,
}
