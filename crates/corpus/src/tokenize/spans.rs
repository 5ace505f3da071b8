//! Row groups that share a shard.

use std::ops::Range;

use crate::corpus::RowGroup;

/// Which row groups share a shard: consecutive ones of a file, until `most_shards` such shards
/// would hold the corpus. A function of the files alone.
pub(super) fn spans(groups: &[RowGroup], most_shards: u64) -> Vec<Range<usize>> {
    if groups.len() as u64 <= most_shards {
        return (0..groups.len()).map(|i| i..i + 1).collect();
    }
    let total: u64 = groups.iter().map(|group| group.text_bytes).sum();
    let full = total.div_ceil(most_shards);
    let mut spans = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (i, group) in groups.iter().enumerate() {
        bytes += group.text_bytes;
        let ends_file = groups.get(i + 1).is_none_or(|next| next.file != group.file);
        if bytes >= full || ends_file {
            spans.push(start..i + 1);
            (start, bytes) = (i + 1, 0);
        }
    }
    spans
}
