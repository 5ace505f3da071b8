//! Documents into rows: best-fit decreasing, so that only documents longer than a row are split.

use temper_tokens::TokenSource;

/// A run of positions of one document.
///
/// A document of `n` ids has `n - 1` positions: position `p` reads id `p` and predicts id `p + 1`,
/// so a document cut in two loses no target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The number of the document in its source.
    pub document: u64,
    /// The first position.
    pub start: u32,
    /// How many positions.
    pub len: u32,
}

/// Packs the positions of `documents` into rows of `row_len` positions.
///
/// Best-fit decreasing (Ding et al. 2024, arXiv 2404.10830): a document longer than a row gives
/// whole rows and one rest; then pieces go, longest first, into the row they fill best.
/// O(N + L) for N pieces but for the sort. Documents of fewer than two ids have no position and
/// are left out.
pub(crate) fn best_fit(
    source: &dyn TokenSource,
    documents: impl Iterator<Item = u64>,
    row_len: u32,
) -> Vec<Vec<Segment>> {
    let mut rows = Vec::new();
    let mut pieces = Vec::new();
    for document in documents {
        let positions = source.document_len(document as usize).saturating_sub(1);
        let positions = u32::try_from(positions).expect("a document is at most 64 MB of text");
        let mut start = 0;
        while positions - start >= row_len {
            rows.push(vec![Segment { document, start, len: row_len }]);
            start += row_len;
        }
        if start < positions {
            pieces.push(Segment { document, start, len: positions - start });
        }
    }
    // Stable: pieces of equal length keep the order of the epoch.
    pieces.sort_by_key(|piece| std::cmp::Reverse(piece.len));
    let mut open = OpenRows::new(row_len);
    for piece in pieces {
        let (row, room) = open.take_best(piece.len).unwrap_or_else(|| {
            rows.push(Vec::new());
            (rows.len() - 1, row_len)
        });
        rows[row].push(piece);
        open.put(row, room - piece.len);
    }
    rows
}

/// Rows that have room, by how much.
struct OpenRows {
    by_room: Vec<Vec<usize>>,
    /// Bit `r` is set when some row has room `r`, so that the best fit is found a word at a time.
    occupied: Vec<u64>,
}

impl OpenRows {
    fn new(row_len: u32) -> Self {
        Self {
            by_room: vec![Vec::new(); row_len as usize + 1],
            occupied: vec![0; row_len as usize / 64 + 1],
        }
    }

    fn put(&mut self, row: usize, room: u32) {
        if room > 0 {
            self.by_room[room as usize].push(row);
            self.occupied[room as usize / 64] |= 1 << (room % 64);
        }
    }

    /// Takes out the row with the least room that is at least `len`.
    fn take_best(&mut self, len: u32) -> Option<(usize, u32)> {
        let first = len as usize / 64;
        let head = self.occupied[first] & (u64::MAX << (len % 64));
        let (word, bits) = std::iter::once((first, head))
            .chain((first + 1..self.occupied.len()).map(|word| (word, self.occupied[word])))
            .find(|(_, bits)| *bits != 0)?;
        let room = word * 64 + bits.trailing_zeros() as usize;
        let row = self.by_room[room].pop().expect("the bit says that a row is there");
        if self.by_room[room].is_empty() {
            self.occupied[word] &= !(1 << (room % 64));
        }
        Some((row, room as u32))
    }
}

#[cfg(test)]
mod tests;
