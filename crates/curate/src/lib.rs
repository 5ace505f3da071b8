//! Is a corpus fit to train on: what it holds, what stands in it twice, and what of it a suite asks.
//!
//! ```text
//! Corpus ─┬─► profile        rows, characters, lengths, languages, copies
//!         ├─► duplicates     exact and near copies, within and across corpora ─┐
//!         └─► contamination  items of a suite whose words stand in documents  ─┴─► write_subset
//! ```
//!
//! What always holds:
//!
//! * every document is read once, on all cores, and results do not depend on their number;
//! * the first of several copies stays: in the order of the corpora, then of their documents;
//! * nothing is removed from a corpus: what is left of it is written as another one.

mod contamination;
mod duplicates;
mod error;
mod minhash;
mod profile;
mod scan;
#[cfg(test)]
mod testing;
mod words;

pub use contamination::{
    ContaminatedItem, Contamination, ContaminationOptions, SuiteItem, TaskContamination,
    contamination,
};
pub use duplicates::{CorpusDuplicates, Duplicate, DuplicateOptions, Duplicates, duplicates};
pub use error::Error;
pub use profile::{Language, LengthBin, Profile, TokenCount, profile};
pub use scan::{DocumentPlace, Watch};
