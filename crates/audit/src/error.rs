//! Why there is nothing to audit.

use std::path::PathBuf;

use polars::error::PolarsError;

/// What keeps an audit, a trace or a query from being made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The run directory is none, or its first records cannot be read.
    #[error(transparent)]
    Run(#[from] temper_ledger::Error),
    /// The resolved recipe in the run directory cannot be read.
    #[error("run `{}`: the resolved recipe is damaged", path.display())]
    Recipe {
        /// The run directory.
        path: PathBuf,
        /// What is wrong with it.
        source: temper_recipe::Error,
    },
    /// The plan cannot be built again.
    #[error(transparent)]
    Plan(#[from] temper_mix::Error),
    /// A remix starts at something that is no cursor.
    #[error(
        "the cursor at which a remix starts cannot be read\n\nhint: restore `ledger/decisions.jsonl` of the run"
    )]
    Seam {
        /// What is wrong with it.
        #[source]
        cause: serde_json::Error,
    },
    /// The token shards of a source are not there.
    #[error(
        "run `{}`: the token shards of {missing} cannot be opened\n\nhint: `temper audit` says why; \
         `temper plan` on the run's recipe makes missing shards again",
        path.display()
    )]
    NoShards {
        /// The run directory.
        path: PathBuf,
        /// The sources.
        missing: String,
    },
    /// The run does not have this step.
    #[error(
        "run `{}`: found no step {step}, its plan has steps 0 to {last}\n\nhint: steps count from 0",
        path.display()
    )]
    NoStep {
        /// The run directory.
        path: PathBuf,
        /// As asked.
        step: u64,
        /// The last step of the plan.
        last: u64,
    },
    /// A document that the run's sources do not have.
    #[error(
        "no document `{asked}`: {problem}\n\nhint: write the corpus, the file as its manifest has it, \
         and the row from 0, as in `chem:chem.parquet:17`, or `2.17` for one of row group 2"
    )]
    NoDocument {
        /// As asked.
        asked: String,
        /// Why not.
        problem: String,
    },
    /// Nothing is recorded yet.
    #[error(
        "ledger `{}` has no steps yet\n\nhint: wait until the run has saved its first checkpoint",
        path.display()
    )]
    NothingRecorded {
        /// The ledger's folder.
        path: PathBuf,
    },
    /// The answer cannot be written.
    #[error("cannot write `{}`: {problem}\n\nhint: the name of a file that ends in .csv or .parquet", path.display())]
    Answer {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        problem: String,
    },
    /// polars refuses the query, or cannot read a table.
    #[error(
        "cannot answer `{sql}`: {}\n\nhint: the tables are rows, segments, steps, losses, measures, dropped, \
         dropped_rows, truncated and evals; `SELECT * FROM rows LIMIT 1` shows the columns of one",
        first_paragraph(cause)
    )]
    Query {
        /// As asked.
        sql: String,
        /// What polars says.
        cause: PolarsError,
    },
}

/// What is wrong; the query plan that polars prints after it helps nobody here.
fn first_paragraph(cause: &PolarsError) -> String {
    cause.to_string().split("\n\n").next().unwrap_or_default().to_owned()
}
