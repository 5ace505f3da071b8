//! The arguments: verbs and paths. Whatever changes a result is in the recipe.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Continues the training of language-model checkpoints on a mix, and proves what was trained on and what was forgotten
#[derive(Debug, Parser)]
#[command(name = "temper", version, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Validate a recipe: grammar, manifests, shares; with --deep also data, model and one step
    Check(CheckArguments),
    /// Show what a run would draw from each source, without training
    Plan(RecipeArguments),
    /// Train: tokenize, score before, train, score after
    Run(RunArguments),
    /// Continue an interrupted run, or extend a finished one
    Resume(ResumeArguments),
    /// List the runs and their state
    Runs(RunsArguments),
    /// Score a checkpoint on a suite
    Eval(EvalArguments),
    /// What changed between two checkpoints, task by task
    Compare(CompareArguments),
    /// Re-derive a run's ledger from recipe, manifests and shards, and compare
    Audit(RunPath),
    /// Name the documents of one step
    Trace(TraceArguments),
    /// Ask the ledger in SQL (tables: rows, segments, steps)
    Query(QueryArguments),
    /// Print the forgetting report of a run again
    Report(RunPath),
    /// Continue a prompt
    Generate(GenerateArguments),
    /// Look at checkpoints, compare and convert them
    Checkpoint {
        #[command(subcommand)]
        verb: CheckpointVerb,
    },
    /// Make a tokenizer, or look at what one does to a conversation
    Tokenizer {
        #[command(subcommand)]
        verb: TokenizerVerb,
    },
    /// Make corpora
    Corpus {
        #[command(subcommand)]
        verb: CorpusVerb,
    },
    /// The cache of token shards and baselines, which holds customer data
    Cache {
        #[command(subcommand)]
        verb: CacheVerb,
    },
}

#[derive(Debug, Args)]
pub(crate) struct RecipeArguments {
    /// Recipe file (TOML or YAML)
    pub(crate) recipe: PathBuf,
    /// Change one value for this call, such as training.max_tokens=2M
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) overrides: Vec<String>,
    /// Machine-readable output
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    #[command(flatten)]
    pub(crate) recipe: RecipeArguments,
    /// Also read a row of each source, take the first step and round-trip a checkpoint
    #[arg(long)]
    pub(crate) deep: bool,
    #[command(flatten)]
    pub(crate) device: DeviceArgument,
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// Recipe file (TOML or YAML)
    pub(crate) recipe: PathBuf,
    /// Change one value for this call, such as seed=18 or name=second-try
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) overrides: Vec<String>,
    /// Machine-readable report
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) device: DeviceArgument,
}

#[derive(Debug, Args)]
pub(crate) struct ResumeArguments {
    /// Run directory
    pub(crate) run: PathBuf,
    /// Train this many tokens beyond the budget, such as 500k
    #[arg(long, value_name = "TOKENS")]
    pub(crate) extend: Option<String>,
    /// Go on although the device is of another kind: the data stays exact, the weights will differ
    #[arg(long)]
    pub(crate) allow_device_change: bool,
    /// Machine-readable report
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) device: DeviceArgument,
}

#[derive(Debug, Args)]
pub(crate) struct RunsArguments {
    /// Folder of runs; without it that of the project around the current folder
    pub(crate) folder: Option<PathBuf>,
    /// Machine-readable output
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct EvalArguments {
    /// Hugging Face folder, adapter, model of the Hub (org/name) or run (runs/x, runs/x@400)
    pub(crate) checkpoint: String,
    /// Suite id
    #[arg(long)]
    pub(crate) suite: String,
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
    /// Machine-readable output
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) device: DeviceArgument,
}

#[derive(Debug, Args)]
pub(crate) struct RunPath {
    /// Run directory
    pub(crate) run: PathBuf,
    /// Machine-readable output
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TraceArguments {
    /// Run directory
    pub(crate) run: PathBuf,
    /// The step, from 0
    #[arg(long)]
    pub(crate) step: u64,
    /// Machine-readable output
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct QueryArguments {
    /// Run directory
    pub(crate) run: PathBuf,
    /// Such as "SELECT source, SUM(tokens) AS tokens FROM rows GROUP BY source"
    pub(crate) sql: String,
    /// Machine-readable output
    #[arg(long)]
    pub(crate) json: bool,
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

#[derive(Debug, Args)]
pub(crate) struct DeviceArgument {
    /// cpu, cuda:N, wgpu or vulkan; the last three when built with that feature
    #[arg(long, default_value = "cpu", value_name = "DEVICE")]
    pub(crate) device: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CheckpointVerb {
    /// Family, shapes, parameters, types, tokenizer and lineage
    Show(CheckpointShowArguments),
    /// Write a checkpoint to a new folder in another type; an adapter is merged
    Convert(CheckpointConvertArguments),
    /// How far apart the tensors of two checkpoints lie
    Diff(CheckpointDiffArguments),
    /// The logits after each token id
    Logits(CheckpointLogitsArguments),
}

#[derive(Debug, Args)]
pub(crate) struct CheckpointShowArguments {
    /// Hugging Face folder, adapter, model of the Hub (org/name) or run (runs/x, runs/x@400)
    pub(crate) checkpoint: String,
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

#[derive(Debug, Subcommand)]
pub(crate) enum TokenizerVerb {
    /// Train a byte-level BPE tokenizer on corpora
    Train(TokenizerTrainArguments),
    /// Print a conversation as the checkpoint's chat template renders it
    Render(TokenizerRenderArguments),
}

#[derive(Debug, Args)]
pub(crate) struct TokenizerRenderArguments {
    /// Hugging Face folder, adapter, model of the Hub (org/name) or run (runs/x, runs/x@400)
    pub(crate) checkpoint: String,
    /// JSON file with an array of messages, or an object with messages, tools and documents; - reads standard input
    pub(crate) file: PathBuf,
    /// JSON file with an array of tools
    #[arg(long, value_name = "FILE")]
    pub(crate) tools: Option<PathBuf>,
    /// End with what begins the assistant's next message
    #[arg(long)]
    pub(crate) add_generation_prompt: bool,
    /// The moment that the template may print, such as 2026-07-26
    #[arg(long, value_name = "DATE")]
    pub(crate) now: Option<String>,
    /// Text, token ids and the mask of the assistant's tokens
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TokenizerTrainArguments {
    /// Corpus ids
    #[arg(required = true)]
    pub(crate) corpora: Vec<String>,
    /// Tokens in the vocabulary, markers included
    #[arg(long, default_value_t = 4096)]
    pub(crate) vocabulary: usize,
    /// Tokens the model will read at once
    #[arg(long, default_value_t = 2048)]
    pub(crate) context: usize,
    /// Folder for tokenizer.json and its companions
    #[arg(long)]
    pub(crate) out: PathBuf,
    /// Machine-readable output
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CorpusVerb {
    /// Make Parquet of JSONL, CSV, plain text or other Parquet, and a manifest of it
    Import(ImportArguments),
}

#[derive(Debug, Args)]
pub(crate) struct ImportArguments {
    /// Files to read, in order (.jsonl, .csv, .tsv, .txt, .md, .parquet)
    #[arg(required = true)]
    pub(crate) inputs: Vec<PathBuf>,
    /// Parquet file to write
    #[arg(long)]
    pub(crate) out: PathBuf,
    /// The field or column with the text
    #[arg(long, value_name = "COLUMN", default_value = "text")]
    pub(crate) text: String,
    /// The field or column with the row's id; without it rows are numbered
    #[arg(long, value_name = "COLUMN")]
    pub(crate) id_column: Option<String>,
    /// A field or column to keep beside the text; may be given again
    #[arg(long, value_name = "COLUMN")]
    pub(crate) keep: Vec<String>,
    /// In plain text, a blank line ends a document
    #[arg(long)]
    pub(crate) paragraphs: bool,
    /// Also write a manifest with this id; needs --category, --licence and --source
    #[arg(long, requires_all = ["category", "licence", "source"])]
    pub(crate) id: Option<String>,
    /// The manifest's category
    #[arg(long, requires = "id")]
    pub(crate) category: Option<String>,
    /// The manifest's licence (SPDX)
    #[arg(long, requires = "id")]
    pub(crate) licence: Option<String>,
    /// Where the text comes from
    #[arg(long, requires = "id")]
    pub(crate) source: Option<String>,
    /// What the rows may be used for
    #[arg(long, requires = "id", value_enum, default_value_t = SplitName::Train)]
    pub(crate) split: SplitName,
    /// Machine-readable output
    #[arg(long)]
    pub(crate) json: bool,
}

/// The splits of a manifest, by the names they have there.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum SplitName {
    Train,
    Heldout,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CacheVerb {
    /// What is cached, and how large it is
    List(CacheArguments),
    /// Delete all of it
    Clean(CacheArguments),
}

#[derive(Debug, Args)]
pub(crate) struct CacheArguments {
    /// Machine-readable output
    #[arg(long)]
    pub(crate) json: bool,
}
