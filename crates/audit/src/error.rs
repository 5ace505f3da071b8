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
    /// Nothing is recorded yet.
    #[error(
        "ledger `{}` has no steps yet\n\nhint: wait until the run has saved its first checkpoint",
        path.display()
    )]
    NothingRecorded {
        /// The ledger's folder.
        path: PathBuf,
    },
    /// polars refuses the query, or cannot read a table.
    #[error(
        "cannot answer `{sql}`: {}\n\nhint: the tables are rows, segments, steps and losses; \
         `SELECT * FROM rows LIMIT 1` shows the columns of one",
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
