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
    /// What corpora, or those of a catalog, hold: rows, tokens, lengths, languages, copies, licences
    Profile(ProfileArguments),
    /// Find documents that stand more than once, within and across corpora
    Dedup(DedupArguments),
    /// Find items of a suite that stand in corpora
    Decontaminate(DecontaminateArguments),
}

#[derive(Debug, Args)]
pub(crate) struct ProfileArguments {
    /// Corpus ids
    #[arg(required_unless_present = "catalog")]
    pub(crate) corpora: Vec<String>,
    /// All corpora of this catalog, by category
    #[arg(long, conflicts_with = "corpora")]
    pub(crate) catalog: Option<String>,
    /// Count tokens with the tokenizer of this folder too; may be given again
    #[arg(long, value_name = "FOLDER")]
    pub(crate) tokenizer: Vec<PathBuf>,
    /// Fill the catalog's licences, documents and tokens with what was counted
    #[arg(long, requires = "catalog")]
    pub(crate) write: bool,
    /// Machine-readable output
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DedupArguments {
    /// Corpus ids; of several copies the first stays, in this order
    #[arg(required = true)]
    pub(crate) corpora: Vec<String>,
    /// Corpora whose documents stay; copies of them are looked for in the others
    #[arg(long, value_name = "CORPUS", num_args = 1..)]
    pub(crate) against: Vec<String>,
    /// Also documents at least this alike, 0 to 1 (Jaccard similarity of runs of five words, by MinHash)
    #[arg(long, value_name = "SIMILARITY")]
    pub(crate) near: Option<f64>,
    /// Write each corpus without its copies as <id>-<SUFFIX>
    #[arg(long, value_name = "SUFFIX")]
    pub(crate) write: Option<String>,
    /// Machine-readable output, with every copy
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DecontaminateArguments {
    /// Corpus ids
    #[arg(required = true)]
    pub(crate) corpora: Vec<String>,
    /// The suite whose items are looked for
    #[arg(long)]
    pub(crate) suite: String,
    /// Words of a run that is looked for
    #[arg(long, default_value_t = 13)]
    pub(crate) words: usize,
    /// Items are named of whose runs more than this part is found, 0 to 1
    #[arg(long, default_value_t = 0.5)]
    pub(crate) overlap: f64,
    /// Write each corpus without the documents that hold an item as <id>-<SUFFIX>
    #[arg(long, value_name = "SUFFIX")]
    pub(crate) write: Option<String>,
    /// Machine-readable output, with every item and document
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ImportArguments {
    /// Files to read, in order (.jsonl, .csv, .tsv, .txt, .md, .parquet)
    #[arg(required = true)]
    pub(crate) inputs: Vec<PathBuf>,
    /// Parquet file to write
    #[arg(long)]
    pub(crate) out: PathBuf,
    /// Rows are conversations, as OpenAI, Nova (Converse), ShareGPT or Alpaca write them, or prompt and completion
    #[arg(long, conflicts_with_all = ["text", "paragraphs"])]
    pub(crate) conversations: bool,
    /// Rows are pairs: `chosen` and `rejected`, as messages, as answers to a `prompt`, or as transcripts
    #[arg(long, conflicts_with_all = ["text", "paragraphs", "conversations"])]
    pub(crate) pairs: bool,
    /// Rows are judged answers: a conversation and `label`, `thumbs` or `rating`; with --pairs, those that have an `edit`
    #[arg(long, conflicts_with_all = ["text", "paragraphs", "conversations", "prompts"])]
    pub(crate) feedback: bool,
    /// Ratings from this one on are good; without it 4 of 5 stars
    #[arg(long, value_name = "RATING", requires_all = ["feedback", "bad_to"], conflicts_with = "pairs", allow_negative_numbers = true)]
    pub(crate) good_from: Option<f64>,
    /// Ratings up to this one are bad; without it 2 of 5 stars
    #[arg(long, value_name = "RATING", requires_all = ["feedback", "good_from"], allow_negative_numbers = true)]
    pub(crate) bad_to: Option<f64>,
    /// Rows are prompts: `messages`, `prompt` or `question`, and perhaps a reference such as `answer`
    #[arg(long, conflicts_with_all = ["text", "paragraphs", "conversations", "pairs"])]
    pub(crate) prompts: bool,
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
    /// Replace a file, and with --id a manifest, that are there already
    #[arg(long)]
    pub(crate) replace: bool,
    /// Rows that cannot be imported: refuse counts them, names the first and writes nothing, drop leaves them out
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = OnBadRowName::Refuse)]
    pub(crate) on_bad_row: OnBadRowName,
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

/// What happens to rows that cannot be imported.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum OnBadRowName {
    Refuse,
    Drop,
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
