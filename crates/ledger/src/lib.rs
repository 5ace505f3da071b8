//! What a machine writes: the run directory, its records and its lineage.
//!
//! ```text
//! RunDir::create ─► Ledger::append ─► parts (Parquet) ─► LedgerReader ─► audit
//!        │          draft_checkpoint ─► commit ─► checkpoints/step-000400
//!        │          write_eval ─► record_decision
//!        └────────► write_outcome
//! ```
//!
//! What always holds:
//!
//! * a file is whole or not there: written beside, synced, renamed; a checkpoint's manifest is last;
//! * one process at a time writes in a run directory;
//! * the bytes of the ledger are a function of the records, however often the run was interrupted;
//! * measured columns are digest-chained, and each checkpoint stores the head of the chain;
//! * nothing here holds text of a document, a clock or an environment variable.

mod ancestors;
mod checkpoint;
mod columns;
mod decisions;
mod error;
mod ledger;
mod lineage;
mod merge;
mod parquet_file;
mod parts;
mod read;
mod record;
mod remix;
mod run_dir;
mod run_info;
mod runs;
mod seen;
mod source_data;
#[cfg(test)]
mod testing;
mod whole;

pub use ancestors::{Ancestor, Ancestors, Learned, Trained};
pub use checkpoint::{CheckpointDraft, CheckpointManifest, FileDigest, file_digests, retain};
pub use columns::Table;
pub use decisions::{Citation, Decision};
pub use error::Error;
pub use ledger::Ledger;
pub use lineage::{ADAPTER_FOLDER, AVERAGES_FOLDER, Import, Lineage, Origin, Parent};
pub use merge::{Merge, MergeInput};
pub use parts::Part;
pub use read::LedgerReader;
pub use record::{
    IdsDigest, LedgerStep, Measure, RowRecord, SegmentRecord, SourceLoss, StepRecord, StepReport,
    chain_start,
};
pub use remix::Remix;
pub use run_dir::{RunDir, RunLock, runs_in};
pub use run_info::{End, Growth, Identity, Outcome, PlanRecord, RunInfo, Totals};
pub use runs::{RunSummary, State, list_runs};
pub use seen::{SeenBefore, SeenDocuments, SeenRecord};
pub use source_data::{DroppedRow, MOST_PLACES, SourceData, TOO_LONG, TooLongRecord};
