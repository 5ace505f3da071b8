//! Texts in parts that are encoded alone, and in groups that are encoded together.

use std::ops::Range;

use temper_tokens::DocumentOrigin;

/// Ids are computed and written in groups of this much text.
const GROUP_BYTES: usize = 4 << 20;

/// A part of a document that is encoded alone.
pub(super) struct Piece<'a> {
    pub(super) text: &'a str,
    pub(super) origin: DocumentOrigin,
    pub(super) is_first: bool,
    pub(super) is_last: bool,
}

/// Runs of pieces of about [`GROUP_BYTES`].
pub(super) fn groups(pieces: &[Piece<'_>]) -> Vec<Range<usize>> {
    let mut groups = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (i, piece) in pieces.iter().enumerate() {
        bytes += piece.text.len();
        if bytes >= GROUP_BYTES || i + 1 == pieces.len() {
            groups.push(start..i + 1);
            (start, bytes) = (i + 1, 0);
        }
    }
    groups
}
