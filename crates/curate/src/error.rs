//! Why a corpus cannot be judged.

/// What keeps documents from being read through.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A corpus cannot be read.
    #[error(transparent)]
    Corpus(#[from] temper_corpus::Error),
    /// Somebody asked to stop.
    #[error(
        "stopped before all documents were read; nothing was written\n\nhint: the same command starts again"
    )]
    Stopped,
}
