//! Why a run directory cannot be written, read or continued.

use std::fmt::Write as _;
use std::io::{self, ErrorKind};
use std::path::PathBuf;

use temper_recipe::Digest;

/// What is wrong with a run directory, or with the disk under it.
///
/// The cause of an I/O error is part of the message, so that the hint can come last.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A run of this name was started before.
    #[error(
        "run `{}` exists already; expected a new name\n\nhint: `temper resume {0}` continues it, \
         `--set name=…` starts another",
        path.display()
    )]
    RunExists {
        /// Its directory.
        path: PathBuf,
    },
    /// The folder is not there, or has no `run.json`.
    #[error(
        "`{}` is no run: found no `run.json` in it\n\nhint: name a run directory, such as \
         `runs/<name>`; `temper runs` lists them",
        path.display()
    )]
    NotARun {
        /// What was named.
        path: PathBuf,
    },
    /// Another process holds the lock.
    #[error(
        "run `{}` is in use by {}\n\nhint: wait for it to end, or stop it with Ctrl-C",
        path.display(),
        pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
    )]
    InUse {
        /// The run directory.
        path: PathBuf,
        /// Who holds it, as far as the lock file says.
        pid: Option<u32>,
    },
    /// A file or folder could not be written; what stood at `path` before still does.
    #[error("cannot write `{}`: {cause}{}", path.display(), write_hint(cause))]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// A file or folder could not be read.
    #[error("cannot read `{}`: {cause}{}", path.display(), read_hint(cause))]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// A JSON file does not say what it should.
    #[error(
        "`{}` is damaged: {reason}\n\nhint: temper writes this file whole, so it was changed \
         afterwards; restore it from a copy, or start a new run",
        path.display()
    )]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What was found and expected.
        reason: String,
    },
    /// A file was written by another version of temper.
    #[error(
        "`{}` has schema {found}, expected {expected}\n\nhint: read it with the version of temper \
         that wrote it; `run.json` names that version",
        path.display()
    )]
    Schema {
        /// The file.
        path: PathBuf,
        /// As the file says.
        found: String,
        /// What this version reads.
        expected: u32,
    },
    /// The parts of the ledger have a hole.
    #[error(
        "ledger `{}`: found no part of `{table}` with step {step}, expected the steps before {until} \
         without a gap\n\nhint: restore the part from a copy, or resume from a checkpoint at or \
         before step {step}",
        folder.display()
    )]
    MissingPart {
        /// The ledger's folder.
        folder: PathBuf,
        /// Which table.
        table: &'static str,
        /// The first step that is missing.
        step: u64,
        /// One past the last step that should be there.
        until: u64,
    },
    /// A part of the ledger cannot be read, or holds what no ledger holds.
    #[error(
        "ledger part `{}` is unreadable: {reason}\n\nhint: restore the part from a copy, or resume \
         from a checkpoint before it",
        path.display()
    )]
    UnreadablePart {
        /// The file.
        path: PathBuf,
        /// What was found and expected.
        reason: String,
    },
    /// The measured columns are not those that a checkpoint was made after.
    #[error(
        "ledger `{}`: the chain digest before step {step} is {}, expected {} as the checkpoint \
         stores it; a measured value was changed\n\nhint: `temper audit` names the step; restore \
         that part from a copy, or resume from an earlier checkpoint",
        folder.display(), found.short(), expected.short()
    )]
    ChainBroken {
        /// The ledger's folder.
        folder: PathBuf,
        /// The next step.
        step: u64,
        /// What the ledger's records give.
        found: Digest,
        /// What the checkpoint says.
        expected: Digest,
    },
    /// A new ledger was asked for where one is.
    #[error(
        "ledger `{}` has {n_parts} parts already, expected none\n\nhint: continue it with `temper resume`",
        folder.display()
    )]
    LedgerExists {
        /// The ledger's folder.
        folder: PathBuf,
        /// How many part files it has.
        n_parts: usize,
    },
    /// No checkpoint is there.
    #[error(
        "`{origin}` names no checkpoint: run `{}` has no complete one\n\nhint: `temper resume {}` goes \
         on with it; or name another checkpoint",
        path.display(),
        path.display()
    )]
    NoCheckpoint {
        /// As the human wrote it.
        origin: String,
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The run has other checkpoints.
    #[error(
        "`{origin}`: found no complete checkpoint at step {step}; the run has {}\n\nhint: name one \
         of these steps, or leave `@{step}` out for the latest",
        steps(found)
    )]
    UnknownCheckpoint {
        /// As the human wrote it.
        origin: String,
        /// The step that was asked for.
        step: u64,
        /// Steps with a complete checkpoint.
        found: Vec<u64>,
    },
    /// A run behind a checkpoint, whose documents should be known, is gone.
    #[error(
        "`{}` is not the run that the starting checkpoint comes from: expected recipe {}; what it trained on is \
         not known\n\nhint: restore its folder, or leave `data_mixing.skip_seen` out",
        path.display(), expected.short()
    )]
    MissingAncestor {
        /// Where it should lie.
        path: PathBuf,
        /// The digest of its recipe.
        expected: Digest,
    },
    /// A second decision on the same matter at the same step.
    #[error(
        "`{}`: decision `{kind}` at step {step} is recorded with other values; expected the same \
         decision from the same evals\n\nhint: the evals have changed since; `temper audit` names \
         the file",
        path.display()
    )]
    ContradictingDecision {
        /// The file of decisions.
        path: PathBuf,
        /// What was decided.
        kind: String,
        /// At which step.
        step: u64,
    },
}

fn write_hint(cause: &io::Error) -> &'static str {
    let kind = cause.kind();
    if kind == ErrorKind::StorageFull || kind == ErrorKind::QuotaExceeded {
        "\n\nhint: free disk space, then `temper resume` continues from the last checkpoint"
    } else if kind == ErrorKind::ReadOnlyFilesystem || kind == ErrorKind::PermissionDenied {
        "\n\nhint: make the folder writable, or work in a project folder that is"
    } else if kind == ErrorKind::NotADirectory || kind == ErrorKind::AlreadyExists {
        "\n\nhint: a file stands where a folder is needed; move it away"
    } else {
        "\n\nhint: check free space, limits and permissions of the folder"
    }
}

fn read_hint(cause: &io::Error) -> &'static str {
    if cause.kind() == ErrorKind::NotFound {
        "\n\nhint: the run directory is incomplete; restore the file from a copy"
    } else if cause.kind() == ErrorKind::PermissionDenied {
        "\n\nhint: make the file readable for this user"
    } else {
        "\n\nhint: check the disk, and restore the file from a copy"
    }
}

fn steps(found: &[u64]) -> String {
    if found.is_empty() {
        return "none".to_owned();
    }
    let mut text = String::new();
    for (i, step) in found.iter().enumerate() {
        let comma = if i == 0 { "" } else { ", " };
        write!(text, "{comma}{step}").expect("writing to a string never fails");
    }
    text
}
