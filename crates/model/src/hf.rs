//! Hugging Face folders in and out.
//!
//! ```text
//! asked ─► locate ─► Located ─┬─► load ────► Decoder ─► save ─► folder
//!  (folder, Hub id,           │                                   │
//!   LoRA adapter)             ├─► convert ─► folder ─── diff ─────┘
//!                             └─► merge, of several
//! ```
//!
//! What holds:
//!
//! * Weights pass through a buffer of a mebibyte in both directions: no second copy of a model, nor
//!   of one of its tensors, is ever in memory.
//! * Nothing in a file is believed before it is checked: what is allocated is bounded by the size of
//!   the files, and a file that is not what it should be is an error that names what is wrong.
//! * Equal weights give equal bytes, and what is saved, loaded and saved again is the same file.
//! * An adapter that says on which weights it was trained is put on no other ones.
//! * Files that say nothing about the weights, the [`companions`], travel as they are.

mod adapter;
mod cache;
mod companions;
mod convert;
mod diff;
mod dtype;
mod fit;
mod folder;
mod foreign;
mod header;
mod index;
mod inventory;
mod json;
mod load;
mod locate;
mod located;
mod merge;
mod partial;
mod report;
mod save;
mod source;
mod tensor_file;
#[cfg(test)]
mod testing;
mod weights;
mod writer;

pub use adapter::adapter_base;
pub use companions::{Companion, companions};
pub use convert::convert;
pub use diff::{Difference, TensorDifference, diff};
pub use dtype::Dtype;
pub use inventory::{Inventory, StoredTensor};
pub use load::{LoadOptions, load, load_located};
pub use locate::locate;
pub use located::{Adapter, Kind, Located, Snapshot};
pub use merge::{MergeMethod, merge};
pub use report::{Ignored, LoadReport, Mismatched, Missing};
pub use save::{MAX_SHARD_BYTES, SaveOptions, save, save_with};

#[cfg(test)]
mod tests;
