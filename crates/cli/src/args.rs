//! The arguments: verbs and paths. Whatever changes a result is in the recipe.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use temper_recipe::Precision;

mod checkpoints;
mod data;

pub(crate) use checkpoints::{
    CheckpointConvertArguments, CheckpointDiffArguments, CheckpointLogitsArguments,
    CheckpointMergeArguments, CheckpointShowArguments, CheckpointVerb, CompareArguments, DtypeName,
    EvalArguments, GenerateArguments, MergeMethodName,
};
pub(crate) use data::{
    CacheArguments, CacheVerb, CorpusVerb, DecontaminateArguments, DedupArguments, ImportArguments,
    OnBadRowName, ProfileArguments, SplitName, TokenizerRenderArguments, TokenizerTrainArguments,
    TokenizerVerb,
};

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
    /// Show what a run would draw from each source and what it would cost, without training
    Plan(PlanArguments),
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
    /// Name the documents of one step, or the steps of one document
    Trace(TraceArguments),
    /// Ask the ledger in SQL (tables: rows, segments, steps, losses, measures, dropped, dropped_rows, truncated, evals)
    Query(QueryArguments),
    /// Print the forgetting report of a run again
    Report(RunPath),
    /// Continue a prompt
    Generate(GenerateArguments),
    /// Measure how fast a device trains a shape and generates with it
    Bench(BenchArguments),
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
    /// Make corpora, and look at what is in them
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
pub(crate) struct PlanArguments {
    #[command(flatten)]
    pub(crate) recipe: RecipeArguments,
    /// Plan for so many tokens, such as 5B, instead of the recipe's budget
    #[arg(long, value_name = "TOKENS")]
    pub(crate) budget: Option<String>,
    /// Where the shares cannot be kept, say which ones nearest to them can
    #[arg(long)]
    pub(crate) suggest: bool,
    /// Also draw the shares over the run as a picture
    #[arg(long, value_name = "FILE.svg")]
    pub(crate) picture: Option<PathBuf>,
    /// Also say how long it takes at this speed, as `run` and `check --deep` print it
    #[arg(long, value_name = "N")]
    pub(crate) tokens_per_second: Option<f64>,
    #[command(flatten)]
    pub(crate) device: DeviceArgument,
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
    /// Train this many tokens beyond a budget of tokens, such as 500k
    #[arg(long, value_name = "TOKENS")]
    pub(crate) extend: Option<String>,
    /// Plan the rest of the run by the mix (`data_mixing`) of this recipe
    #[arg(long, value_name = "RECIPE")]
    pub(crate) remix: Option<PathBuf>,
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
    #[arg(long, required_unless_present = "document")]
    pub(crate) step: Option<u64>,
    /// Only this row of the step, from 0
    #[arg(long, requires = "step")]
    pub(crate) row: Option<u32>,
    /// Also print what the rows say
    #[arg(long, requires = "step")]
    pub(crate) text: bool,
    /// A document instead: at which steps it was seen, and which checkpoints contain it
    #[arg(long, value_name = "CORPUS:FILE:[GROUP.]ROW", conflicts_with = "step")]
    pub(crate) document: Option<String>,
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
    /// Write the answer to a new file, .csv or .parquet
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Machine-readable output
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct BenchArguments {
    /// A folder with a config.json, or 16M, 50M, 135M, 360M or 1.2B
    pub(crate) model: String,
    /// Rows that go through a pass together
    #[arg(long, default_value_t = 4, value_name = "N")]
    pub(crate) rows: usize,
    /// Passes of a step, whose gradients are added
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(crate) lanes: usize,
    /// Positions of a row
    #[arg(long, default_value_t = 256, value_name = "N")]
    pub(crate) sequence_length: usize,
    /// Length of the documents packed into each row; a whole row if left out
    #[arg(long, value_name = "N")]
    pub(crate) document: Option<usize>,
    /// Steps that are timed, after two that warm up
    #[arg(long, default_value_t = 8, value_name = "N")]
    pub(crate) steps: usize,
    /// f32 or bf16
    #[arg(long, default_value = "f32", value_name = "PRECISION")]
    pub(crate) precision: PrecisionArgument,
    /// Keep the input of each block alone and compute the rest again
    #[arg(long)]
    pub(crate) activation_checkpointing: bool,
    /// Logits that exist at the same time
    #[arg(long, default_value_t = 1 << 25, value_name = "N")]
    pub(crate) most_logits: u64,
    /// Also generate so many tokens a sequence; 0 for none
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) generate: usize,
    /// Sequences that are generated together
    #[arg(long, default_value_t = 8, value_name = "N")]
    pub(crate) batch: usize,
    /// The device's peak in TFLOP/s, such as 989 for an H100 in bf16; gives the MFU
    #[arg(long, value_name = "N")]
    pub(crate) peak_teraflops: Option<f64>,
    #[command(flatten)]
    pub(crate) device: DeviceArgument,
    /// Machine-readable output
    #[arg(long)]
    pub(crate) json: bool,
}

/// [`Precision`] as an argument.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum PrecisionArgument {
    F32,
    Bf16,
}

impl From<PrecisionArgument> for Precision {
    fn from(argument: PrecisionArgument) -> Self {
        match argument {
            PrecisionArgument::F32 => Self::F32,
            PrecisionArgument::Bf16 => Self::Bf16,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct DeviceArgument {
    /// cpu, cuda:N, wgpu or vulkan; the last three when built with that feature. Training spreads over a list
    /// such as cuda:0,cuda:1
    #[arg(long, default_value = "cpu", value_name = "DEVICE")]
    pub(crate) device: String,
}
