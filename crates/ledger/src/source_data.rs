//! What a plan says of the data of one source.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use temper_recipe::Digest;

use crate::seen::SeenRecord;

/// How many rows of a source are named, of those that were dropped and of those that are too long.
pub const MOST_PLACES: usize = 10_000;

/// The reason of rows that are left out because they are longer than a row of tokens.
pub const TOO_LONG: &str = "longer than a row";

/// The token shards of one source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceData {
    /// The source, by name.
    pub source: String,
    /// The digest of its manifest.
    pub manifest: Digest,
    /// The folder of its shards within the project's cache.
    pub shards: String,
    /// The digest of its set of shards.
    pub digest: Digest,
    /// Documents in it.
    pub n_documents: u64,
    /// Ids in it, BOS and EOS included.
    pub n_tokens: u64,
    /// Those of its documents that are left out because they were seen before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<SeenRecord>,
    /// Rows of the corpus that are not in it because they could not be learned from, by reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dropped: BTreeMap<String, u64>,
    /// Its documents that are longer than a row; `None` in runs that did not count them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub too_long: Option<TooLongRecord>,
    /// Where rows stand that nothing is learned from: the first [`MOST_PLACES`] that were dropped, then as
    /// many that are too long.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dropped_rows: Vec<DroppedRow>,
}

impl SourceData {
    /// How many rows of the corpus nothing is learned from, by reason.
    pub fn all_dropped(&self) -> BTreeMap<String, u64> {
        let mut dropped = self.dropped.clone();
        let left_out = self.too_long.map_or(0, |too_long| too_long.left_out);
        if left_out > 0 {
            dropped.insert(TOO_LONG.to_owned(), left_out);
        }
        dropped
    }
}

/// The documents of a source that are longer than a row, and lose something by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TooLongRecord {
    /// Conversations whose end is left out.
    pub truncated: u64,
    /// Documents that are in no row.
    pub left_out: u64,
}

/// A row of a corpus that nothing is learned from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DroppedRow {
    /// Index of the file in the manifest.
    pub file: u32,
    /// Index of the row group in the file.
    pub row_group: u32,
    /// Index of the row in the row group.
    pub row: u32,
    /// Why.
    pub reason: String,
}
