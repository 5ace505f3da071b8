//! Documents into rows: best-fit, concatenated, or one document a row.

use temper_recipe::Packing;
use temper_tokens::TokenSource;

use crate::rows::n_supervised;

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

/// Rows of segments, one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rows {
    segments: Vec<Segment>,
    /// Where each row ends in `segments`.
    ends: Vec<u32>,
}

impl Rows {
    pub(crate) fn n_rows(&self) -> usize {
        self.ends.len()
    }

    /// The segments of a row, in order.
    pub(crate) fn row(&self, row: usize) -> &[Segment] {
        let start = row.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.segments[start as usize..self.ends[row] as usize]
    }

    /// All rows, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[Segment]> {
        (0..self.n_rows()).map(|row| self.row(row))
    }

    /// Keeps the rows of which `is_kept` says so.
    pub(crate) fn retain(&mut self, is_kept: impl Fn(&[Segment]) -> bool) {
        if self.iter().all(&is_kept) {
            return;
        }
        let mut kept = Self::default();
        for row in self.iter().filter(|row| is_kept(row)) {
            kept.segments.extend_from_slice(row);
            kept.ends.push(kept.segments.len() as u32);
        }
        *self = kept;
    }

    /// Segments with the numbers of their rows; those of a row keep their order.
    fn gather(pieces: &[(u32, Segment)], n_rows: usize) -> Self {
        let mut ends = vec![0; n_rows];
        for (row, _) in pieces {
            ends[*row as usize] += 1;
        }
        let mut end = 0;
        for count in &mut ends {
            // For now where the row starts; filling it moves it to its end.
            (*count, end) = (end, end + *count);
        }
        let nothing = Segment { document: 0, start: 0, len: 0 };
        let mut segments = vec![nothing; pieces.len()];
        for (row, segment) in pieces {
            let at = &mut ends[*row as usize];
            segments[*at as usize] = *segment;
            *at += 1;
        }
        Self { segments, ends }
    }
}

/// All of a document that a row of `row_len` positions holds whole, and how many of its positions carry loss;
/// `None` for one that is longer, or has nothing to learn.
pub(crate) fn whole_document(
    source: &dyn TokenSource,
    document: u64,
    row_len: u32,
) -> Option<(Segment, u32)> {
    let positions = source.document_len(document as usize).saturating_sub(1);
    let len = u32::try_from(positions).ok().filter(|len| *len <= row_len)?;
    let segment = Segment { document, start: 0, len };
    // A document that was seen before has no ids, and no mask to ask.
    let supervised = if len == 0 { 0 } else { n_supervised(source, &segment) };
    (supervised > 0).then_some((segment, supervised))
}

/// Packs the positions of `documents` into rows of `row_len` positions. Documents without a position
/// that carries loss are left out.
///
/// A long document goes on in the next row, but one with ids that carry no loss, a conversation, is cut
/// there: answers without their question teach nothing. Where documents count `whole`, one that is longer
/// than a row is left out.
pub(crate) fn pack(
    packing: Packing,
    source: &dyn TokenSource,
    documents: impl Iterator<Item = u64>,
    row_len: u32,
    whole: bool,
) -> Rows {
    let has_silent_ids = source.has_silent_ids();
    let documents = documents.filter_map(|document| {
        if whole {
            return whole_document(source, document, row_len).map(|(segment, _)| segment);
        }
        let positions = source.document_len(document as usize).saturating_sub(1);
        let len = u32::try_from(positions).expect("a document is at most 64 MB of text");
        let len = if has_silent_ids { len.min(row_len) } else { len };
        let segment = Segment { document, start: 0, len };
        let has_loss = len > 0 && (!has_silent_ids || n_supervised(source, &segment) > 0);
        has_loss.then_some(segment)
    });
    match packing {
        Packing::BestFit => best_fit(documents, row_len),
        Packing::Concat => concatenated(documents, row_len),
        Packing::Pad => one_a_row(documents, row_len),
    }
}

/// Best-fit decreasing (Ding et al. 2024, arXiv 2404.10830): a document longer than a row gives
/// whole rows and one rest; then pieces go, longest first, into the row they fill best. O(N + L) for
/// N pieces and rows of L positions.
fn best_fit(documents: impl Iterator<Item = Segment>, row_len: u32) -> Rows {
    let mut placed = Vec::new();
    let mut n_rows = 0;
    let mut pieces = Vec::new();
    for Segment { document, mut start, len } in documents {
        while len - start >= row_len {
            placed.push((n_rows, Segment { document, start, len: row_len }));
            n_rows += 1;
            start += row_len;
        }
        if start < len {
            pieces.push(Segment { document, start, len: len - start });
        }
    }
    // Stable: pieces of equal length keep the order of the epoch.
    pieces.sort_by_key(|piece| std::cmp::Reverse(piece.len));
    let mut open = OpenRows::new(row_len);
    for piece in pieces {
        let (row, room) = open.take_best(piece.len).unwrap_or_else(|| {
            n_rows += 1;
            (n_rows - 1, row_len)
        });
        placed.push((row, piece));
        open.put(row, room - piece.len);
    }
    Rows::gather(&placed, n_rows as usize)
}

/// Documents end to end, cut where a row is full.
fn concatenated(documents: impl Iterator<Item = Segment>, row_len: u32) -> Rows {
    let mut rows = Rows::default();
    let mut room = row_len;
    for Segment { document, mut start, len } in documents {
        while start < len {
            let taken = room.min(len - start);
            rows.segments.push(Segment { document, start, len: taken });
            start += taken;
            room -= taken;
            if room == 0 {
                rows.ends.push(rows.segments.len() as u32);
                room = row_len;
            }
        }
    }
    if room < row_len {
        rows.ends.push(rows.segments.len() as u32);
    }
    rows
}

/// One document a row; a longer one goes on in the next.
fn one_a_row(documents: impl Iterator<Item = Segment>, row_len: u32) -> Rows {
    let mut rows = Rows::default();
    for Segment { document, mut start, len } in documents {
        while start < len {
            let taken = row_len.min(len - start);
            rows.segments.push(Segment { document, start, len: taken });
            rows.ends.push(rows.segments.len() as u32);
            start += taken;
        }
    }
    rows
}

/// Rows that have room, by how much.
struct OpenRows {
    /// The last row put in for each room.
    by_room: Vec<u32>,
    /// By row, the one put in before it with the same room.
    before: Vec<u32>,
    /// Bit `r` is set when some row has room `r`, so that the best fit is found a word at a time.
    occupied: Vec<u64>,
}

/// Marks the end of a list of rows.
const NONE: u32 = u32::MAX;

impl OpenRows {
    fn new(row_len: u32) -> Self {
        Self {
            by_room: vec![NONE; row_len as usize + 1],
            before: Vec::new(),
            occupied: vec![0; row_len as usize / 64 + 1],
        }
    }

    fn put(&mut self, row: u32, room: u32) {
        if room > 0 {
            let last = &mut self.by_room[room as usize];
            if self.before.len() <= row as usize {
                self.before.resize(row as usize + 1, NONE);
            }
            self.before[row as usize] = *last;
            *last = row;
            self.occupied[room as usize / 64] |= 1 << (room % 64);
        }
    }

    /// Takes out the row with the least room that is at least `len`.
    fn take_best(&mut self, len: u32) -> Option<(u32, u32)> {
        let first = len as usize / 64;
        let head = self.occupied[first] & (u64::MAX << (len % 64));
        let (word, bits) = std::iter::once((first, head))
            .chain((first + 1..self.occupied.len()).map(|word| (word, self.occupied[word])))
            .find(|(_, bits)| *bits != 0)?;
        let room = word * 64 + bits.trailing_zeros() as usize;
        let row = self.by_room[room];
        self.by_room[room] = self.before[row as usize];
        if self.by_room[room] == NONE {
            self.occupied[word] &= !(1 << (room % 64));
        }
        Some((row, room as u32))
    }
}

#[cfg(test)]
mod tests;
