//! The arguments: verbs and paths. Whatever changes a result is in the recipe.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

mod checkpoints;
mod data;

pub(crate) use checkpoints::{
    CheckpointConvertArguments, CheckpointDiffArguments, CheckpointLogitsArguments,
    CheckpointShowArguments, CheckpointVerb, CompareArguments, DtypeName, EvalArguments,
    GenerateArguments,
};
pub(crate) use data::{
    CacheArguments, CacheVerb, CorpusVerb, DecontaminateArguments, DedupArguments, ImportArguments,
    ProfileArguments, SplitName, TokenizerRenderArguments, TokenizerTrainArguments, TokenizerVerb,
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
    /// Ask the ledger in SQL (tables: ledger, segments, steps, losses, evals)
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
    #[arg(long, value_name = "CORPUS:FILE:ROW", conflicts_with = "step")]
    pub(crate) document: Option<String>,
    /// Machine-readable output
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct QueryArguments {
    /// Run directory
    pub(crate) run: PathBuf,
    /// Such as "SELECT source, SUM(tokens) AS tokens FROM ledger GROUP BY source"
    pub(crate) sql: String,
    /// Write the answer to a new file, .csv or .parquet
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Machine-readable output
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DeviceArgument {
    /// cpu, cuda:N, wgpu or vulkan; the last three when built with that feature
    #[arg(long, default_value = "cpu", value_name = "DEVICE")]
    pub(crate) device: String,
}
