//! Why something cannot be scored or compared.

use std::io;
use std::path::PathBuf;

/// A score, comparison or cache entry that cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An option that no score can be made with.
    #[error("score: `{option}` is {found}, expected {expected}")]
    Option {
        /// Its name.
        option: &'static str,
        /// Its value.
        found: usize,
        /// What would do.
        expected: String,
    },
    /// A suite in which a task occurs twice.
    #[error("suite: task `{task}` occurs twice, expected unique names\n\nhint: rename one of them")]
    RepeatedTask {
        /// Its name.
        task: String,
    },
    /// A task without items.
    #[error(
        "task `{task}`: found no items, expected at least one\n\nhint: check the task's corpus, or leave the task out of the suite"
    )]
    EmptyTask {
        /// Its name.
        task: String,
    },
    /// An item that cannot be scored.
    #[error("task `{task}`, item `{item}`: {problem}")]
    Item {
        /// The task's name.
        task: String,
        /// The item's name.
        item: String,
        /// What is wrong with it.
        problem: ItemProblem,
    },
    /// The stop flag was set between two batches.
    #[error("scoring was stopped after {done} of {total} rows")]
    Stopped {
        /// Rows scored.
        done: usize,
        /// Rows in all.
        total: usize,
    },
    /// Two scores of different things.
    #[error(
        "forgetting: the two scores do not measure the same\n  {}\n\n\
         hint: score both checkpoints with the same suite, tokenizer and sequence length",
        differences.join("\n  ")
    )]
    NotComparable {
        /// What differs, one phrase each.
        differences: Vec<String>,
    },
    /// A score that [`crate::score`] cannot have made.
    #[error(
        "score of task `{task}`: {problem}\n\nhint: the file was damaged or edited; score again"
    )]
    Score {
        /// The task's name.
        task: String,
        /// What is wrong.
        problem: String,
    },
    /// A text that is no score.
    #[error(
        "score: not the JSON of a suite's score\n\nhint: the file was damaged or edited; score again"
    )]
    Json {
        /// Where and why.
        source: serde_json::Error,
    },
    /// Fewer looks at a gate than one.
    #[error("forgetting: looks is 0, expected how many times the gate is looked at, at least 1")]
    NoLooks,
    /// A file that is there and cannot be read.
    #[error("cannot read cached score `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A file or folder that cannot be written.
    #[error("cannot write cached score `{}`\n\nhint: check free space and permissions of the cache folder", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

/// What is wrong with an item.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ItemProblem {
    /// Another item of the task has the same name.
    #[error("the name occurs twice in the task\n\nhint: give each row of the corpus its own id")]
    RepeatedId,
    /// An item of another kind than its task.
    #[error("found an item for `{found}`, expected one for `{expected}`")]
    Kind {
        /// The item's kind.
        found: &'static str,
        /// The task's kind.
        expected: &'static str,
    },
    /// A document without a target: nothing precedes its first token.
    #[error(
        "document of {n_ids} tokens has nothing to predict, expected at least 2\n\nhint: remove the row from the corpus"
    )]
    NothingToPredict {
        /// Its length.
        n_ids: usize,
    },
    /// A scored text of zero bytes, for which bits per byte mean nothing.
    #[error(
        "the scored text has 0 bytes, expected at least 1\n\nhint: remove the row from the corpus"
    )]
    NoBytes,
    /// Nothing precedes the first scored token.
    #[error(
        "the context has no tokens, expected at least one\n\nhint: put BOS in front, or give the row a context"
    )]
    EmptyContext,
    /// An answer or choice without tokens.
    #[error(
        "continuation {number} has no tokens, expected at least one\n\nhint: correct or remove the row"
    )]
    EmptyContinuation {
        /// From 0.
        number: usize,
    },
    /// Nothing to choose from.
    #[error("found {found} choices, expected at least 2\n\nhint: correct or remove the row")]
    TooFewChoices {
        /// How many.
        found: usize,
    },
    /// The right choice is not among the choices.
    #[error(
        "gold is {gold}, expected an index below {n_choices}\n\nhint: choices are counted from 0"
    )]
    Gold {
        /// The index found.
        gold: usize,
        /// How many choices there are.
        n_choices: usize,
    },
    /// A confounder that is no number, or one where other items of the task have none.
    #[error(
        "the confounder is {found}, expected a finite number in every item of the task or in none"
    )]
    Confounder {
        /// What it is.
        found: String,
    },
    /// A token id that the model does not have.
    #[error(
        "token id {id} lies outside the model's vocabulary of {vocab_size}\n\nhint: use the checkpoint's own tokenizer"
    )]
    TokenId {
        /// The id.
        id: u32,
        /// Ids are below this.
        vocab_size: usize,
    },
    /// A continuation that no window can hold.
    #[error(
        "continuation of {n_ids} tokens does not fit a window of {sequence_length} positions\n\nhint: raise the sequence length, or remove the row"
    )]
    TooLong {
        /// Its length.
        n_ids: usize,
        /// Positions in a window.
        sequence_length: usize,
    },
    /// The model gives no usable number.
    #[error(
        "the loss is not finite\n\nhint: the weights have diverged; start from an earlier checkpoint or lower the learning rate"
    )]
    NotFinite,
}
