//! Items as packed rows of scored segments.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::ops::Range;

use temper_model::PackedRows;

use crate::error::{Error, ItemProblem};
use crate::item::{Item, LoadedTask, Sequence};

/// A run of positions of one sequence that lies in one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// Index in the task.
    pub(crate) item: usize,
    /// Which of the item's sequences.
    pub(crate) choice: usize,
    /// First position in the sequence.
    pub(crate) start: usize,
    /// Number of positions.
    pub(crate) len: usize,
}

/// Where the items of one task lie.
///
/// It maintains:
///
/// * every scored target lies in exactly one segment;
/// * a segment is no longer than a row, and the segments of a row fit it;
/// * the whole is a function of the items and the sequence length.
#[derive(Debug)]
pub(crate) struct Layout<'a> {
    items: &'a [Item],
    sequence_length: usize,
    /// In the order of items, sequences and positions.
    pub(crate) segments: Vec<Segment>,
    /// Per item the context tokens that had to be cut off.
    pub(crate) dropped: Vec<usize>,
    /// Indices of segments.
    pub(crate) rows: Vec<Vec<usize>>,
}

impl<'a> Layout<'a> {
    /// Lays out the items of a checked task.
    ///
    /// A document is cut in windows of `sequence_length` positions without overlap: the first
    /// targets of a window see little context, as in training, and each costs one position. A
    /// continuation is never cut: its context loses what does not fit on the left, where it
    /// matters least; the choices of one item keep the same context, so that they stay comparable.
    pub(crate) fn new(task: &'a LoadedTask, sequence_length: usize) -> Result<Self, Error> {
        let mut segments = Vec::new();
        let mut dropped = Vec::with_capacity(task.items.len());
        for (item, content) in task.items.iter().enumerate() {
            let sequences = content.sequences();
            if matches!(content, Item::Loss { .. }) {
                let n_positions = sequences[0].n_positions();
                segments.extend((0..n_positions).step_by(sequence_length).map(|start| {
                    let len = sequence_length.min(n_positions - start);
                    Segment { item, choice: 0, start, len }
                }));
                dropped.push(0);
            } else {
                let start = cut(&sequences, sequence_length)
                    .map_err(|problem| task.refusal(content, problem))?;
                segments.extend(sequences.iter().enumerate().map(|(choice, sequence)| Segment {
                    item,
                    choice,
                    start,
                    len: sequence.n_positions() - start,
                }));
                dropped.push(start);
            }
        }
        let rows = pack(&segments, sequence_length);
        Ok(Self { items: &task.items, sequence_length, segments, dropped, rows })
    }

    /// The rows of `range`, ready for the decoder.
    pub(crate) fn batch(&self, range: Range<usize>) -> PackedRows {
        let mut packed = PackedRows::empty(range.len(), self.sequence_length);
        for (row, numbers) in self.rows[range].iter().enumerate() {
            let mut at = row * self.sequence_length;
            for segment in numbers.iter().map(|&number| self.segments[number]) {
                let sequence = self.items[segment.item].sequences()[segment.choice];
                for position in segment.start..segment.start + segment.len {
                    packed.inputs[at] = sequence.id(position);
                    packed.targets[at] = sequence.id(position + 1);
                    packed.loss_mask[at] = sequence.is_scored(position);
                    at += 1;
                }
                packed.segments[row].push(segment.len);
            }
        }
        packed
    }
}

/// How many ids the common context of `sequences` loses on the left.
fn cut(sequences: &[Sequence<'_>], sequence_length: usize) -> Result<usize, ItemProblem> {
    let longest = sequences.iter().map(|sequence| sequence.scored.len()).max().unwrap_or_default();
    // With one id of context, a continuation of n ids has n positions.
    if longest > sequence_length {
        return Err(ItemProblem::TooLong { n_ids: longest, sequence_length });
    }
    let positions = sequences.iter().map(Sequence::n_positions).max().unwrap_or_default();
    Ok(positions.saturating_sub(sequence_length))
}

/// Best-fit decreasing: the longest segment first, each into the fullest row that has room.
fn pack(segments: &[Segment], sequence_length: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..segments.len()).collect();
    order.sort_by_key(|&number| (Reverse(segments[number].len), number));
    let mut rows: Vec<Vec<usize>> = Vec::new();
    // Room left and row number; the row number settles ties, so that the layout is one.
    let mut open = BTreeSet::new();
    for number in order {
        let len = segments[number].len;
        let (room, row) = match open.range((len, 0)..).next().copied() {
            Some(found) => {
                open.remove(&found);
                found
            }
            None => {
                rows.push(Vec::new());
                (sequence_length, rows.len() - 1)
            }
        };
        rows[row].push(number);
        if room > len {
            open.insert((room - len, row));
        }
    }
    rows
}

#[cfg(test)]
mod tests;
