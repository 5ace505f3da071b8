//! Verbs that make and look at data.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

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
