//! Why training stops.

use std::path::{Path, PathBuf};

use temper_mix::{Plan, PlannedStep};

/// A stage that cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The loss or the gradient of a step is not finite; nothing was updated.
    #[error(
        "step {step}: loss {loss}, gradient norm {gradient_norm}; expected finite numbers\n  \
         documents: {}\n\n\
         hint: look at these documents (`temper trace`), lower `optimizer.lr`, or lengthen the warm-up; \
         the last checkpoint is intact",
        documents.join(", ")
    )]
    NotFinite {
        /// The step.
        step: u64,
        /// Mean loss of the step.
        loss: f64,
        /// Global gradient norm of the step.
        gradient_norm: f64,
        /// The suspects: `source[file 0, row group 1, row 7]`.
        documents: Vec<String>,
    },
    /// A file of a checkpoint cannot be read or written.
    #[error("checkpoint `{}`: cannot {action}\n\nhint: check free space and permissions", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// `write`, `read`, …
        action: &'static str,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A checkpoint's training state is not what it should be.
    #[error(
        "checkpoint `{}`: {found}; expected {expected}\n\n\
         hint: use another checkpoint, or start a new run with `optimizer.state = \"reset\"`",
        path.display()
    )]
    State {
        /// The file or folder.
        path: PathBuf,
        /// What is there.
        found: String,
        /// What should be there.
        expected: String,
    },
    /// The plan does not continue from this cursor.
    #[error(transparent)]
    Plan(#[from] temper_mix::Error),
    /// The weights cannot be read or written.
    #[error(transparent)]
    Model(#[from] temper_model::Error),
    /// The ledger cannot be read or written.
    #[error(transparent)]
    Ledger(#[from] temper_ledger::Error),
    /// The starting model, which answers are held against, cannot be loaded.
    #[error("the starting model")]
    Starting(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Matrices that cannot be adapted.
    #[error(
        "lora: found {found}, expected {expected}\n\nhint: change `lora.targets`, or leave `[lora]` out to train all weights"
    )]
    Lora {
        /// What was found.
        found: String,
        /// What was expected.
        expected: String,
    },
    /// Patterns that freeze nothing, or everything.
    #[error("training.frozen: found {found}; expected {expected}\n\nhint: {hint}")]
    Frozen {
        /// What was found.
        found: String,
        /// What was expected.
        expected: String,
        /// The way out.
        hint: String,
    },
    /// A completion could not be judged; what was judged before it is kept.
    #[error("judging a completion of document {document} of `{source_name}`")]
    Judge {
        /// The source, by name.
        source_name: String,
        /// The number of the document in its source.
        document: u64,
        /// Why.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An episode could not go on; what was said before it is kept.
    #[error("an episode of document {document} of `{source_name}`")]
    Environment {
        /// The source, by name.
        source_name: String,
        /// The number of the document in its source.
        document: u64,
        /// Why.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A text could not be made of ids.
    #[error(transparent)]
    Tokens(#[from] temper_tokens::Error),
    /// The starting model says no number to an answer.
    #[error(
        "document {document} of `{source_name}`: the starting model's log-probabilities are {found:?}, expected \
         finite numbers\n\nhint: look at the document, and at the model that the run starts from"
    )]
    Reference {
        /// The source, by name.
        source_name: String,
        /// The number of the document.
        document: u64,
        /// Of its answers.
        found: Vec<f64>,
    },
    /// Nothing to measure the Fisher information on.
    #[error(
        "anchor: found no row of {} in the plan, expected at least one for `ewc`\n\n         hint: name a source in `anchor.sources` that the run draws from",
        sources.join(", ")
    )]
    Fisher {
        /// The sources that were asked for.
        sources: Vec<String>,
    },
    /// Fisher information that a recipe names is none, or is that of another model.
    #[error(
        "anchor.fisher: `{}`: found {found}, expected {expected}\n\nhint: name what a run that started from a model of \
         this shape keeps in `anchor/fisher.safetensors`, or leave `fisher` out to measure it",
        path.display()
    )]
    FisherFile {
        /// The file.
        path: PathBuf,
        /// What is there.
        found: String,
        /// What should be there.
        expected: String,
    },
    /// What the starting model said, as the run kept it, cannot be read.
    #[error("`{}`: {found}; expected log-probabilities of its answers\n\nhint: remove the file, it is made again", path.display())]
    Kept {
        /// The file.
        path: PathBuf,
        /// What is there.
        found: String,
    },
    /// Somebody asked to stop before the first step; what was done is kept.
    #[error("stopped before the first step")]
    Stopped,
    /// Scoring on schedule failed.
    #[error("evaluation at step {step}")]
    Evaluation {
        /// The step.
        step: u64,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    pub(crate) fn io(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, action, source }
    }

    pub(crate) fn state(path: &Path, found: String, expected: &str) -> Self {
        Self::State { path: path.to_owned(), found, expected: expected.to_owned() }
    }

    pub(crate) fn fisher_file(path: &Path, found: String, expected: &str) -> Self {
        Self::FisherFile { path: path.to_owned(), found, expected: expected.to_owned() }
    }

    /// Names the documents of the rows whose loss is not finite, or of all rows when only the gradient is not.
    pub(crate) fn not_finite(
        plan: &Plan,
        step: &PlannedStep,
        row_losses: &[f64],
        loss: f64,
        gradient_norm: f64,
    ) -> Self {
        let all = row_losses.iter().all(|loss| loss.is_finite());
        let suspects =
            step.rows.iter().zip(row_losses).filter(|(_, loss)| all || !loss.is_finite());
        let documents = suspects
            .flat_map(|(row, _)| row.segments.iter().map(|segment| (row.source, segment.document)))
            .map(|(source, document)| {
                let origin = plan.tokens(source).origin(document as usize);
                let name = &plan.sources()[source].name;
                format!(
                    "{name}[file {}, row group {}, row {}]",
                    origin.file, origin.row_group, origin.row
                )
            })
            .collect();
        Self::NotFinite { step: step.index, loss, gradient_norm, documents }
    }
}
