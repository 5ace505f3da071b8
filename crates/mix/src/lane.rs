//! Planned rows as host vectors: what a forward pass reads.

use temper_recipe::{Digest, Hasher};

use crate::pack::Segment;
use crate::plan::Plan;
use crate::walk::{PlannedRow, PlannedStep};

/// The rows of one micro-batch.
///
/// `inputs`, `targets` and `loss_mask` are `[n_rows × length]`, row by row; padding reads id 0 and
/// carries no loss.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane {
    /// Rows in this lane.
    pub n_rows: usize,
    /// Positions per row.
    pub length: usize,
    /// The id at each position.
    pub inputs: Vec<u32>,
    /// The id that each position predicts.
    pub targets: Vec<u32>,
    /// Which positions carry loss.
    pub loss_mask: Vec<bool>,
    /// Per row, the lengths of its segments in order; attention stays within a segment. A pair gives
    /// two, the preferred half first.
    pub segments: Vec<Vec<usize>>,
}

impl Plan {
    /// Reads the tokens of `step`, `rows_per_lane` rows to a lane, the last of which may have fewer; then
    /// those of what is replayed, in lanes of their own.
    pub fn lanes(&self, step: &PlannedStep, rows_per_lane: usize) -> Vec<Lane> {
        let own = step.own_rows().chunks(rows_per_lane);
        own.chain(step.replayed_rows().chunks(rows_per_lane)).map(|rows| self.lane(rows)).collect()
    }

    /// One row in a lane of its own, apart from its step.
    pub fn row_lane(&self, row: &PlannedRow) -> Lane {
        self.lane(std::slice::from_ref(row))
    }

    /// Whole documents of a source, one a row: for looking at them, apart from any step.
    ///
    /// # Panics
    ///
    /// When a document is longer than a row.
    pub fn documents_lane(&self, source: usize, documents: &[u64]) -> Lane {
        let tokens = self.tokens(source);
        let row = |document: &u64| {
            let len = tokens.document_len(*document as usize) - 1;
            let segment = Segment { document: *document, start: 0, len: len as u32 };
            let supervised = crate::rows::n_supervised(tokens, &segment);
            PlannedRow { source, epoch: 0, segments: vec![segment], supervised, refills: 0 }
        };
        self.lane(&documents.iter().map(row).collect::<Vec<_>>())
    }

    fn lane(&self, rows: &[PlannedRow]) -> Lane {
        let length = rows.first().map_or(0, |row| self.row_length(row.source));
        let n_positions = rows.len() * length;
        let mut lane = Lane {
            n_rows: rows.len(),
            length,
            inputs: vec![0; n_positions],
            targets: vec![0; n_positions],
            loss_mask: vec![false; n_positions],
            segments: Vec::with_capacity(rows.len()),
        };
        for (row, first) in rows.iter().zip((0..).step_by(length)) {
            let source = self.tokens(row.source);
            let mut at = first;
            for Segment { document, start, len } in row.segments.iter().copied() {
                let (document, start) = (document as usize, start as usize);
                let place = at..at + len as usize;
                source.read(document, start, &mut lane.inputs[place.clone()]);
                source.read(document, start + 1, &mut lane.targets[place.clone()]);
                source.read_mask(document, start + 1, &mut lane.loss_mask[place.clone()]);
                at = place.end;
            }
            let lengths = row.segments.iter().flat_map(|segment| {
                let len = segment.len as usize;
                let first = source.second_half(segment.document as usize);
                let second = (first > 0).then(|| len - first);
                std::iter::once(len - second.unwrap_or(0)).chain(second)
            });
            lane.segments.push(lengths.collect());
        }
        lane
    }

    /// The ids of each segment of `row`: its positions and the one after, which is the last target.
    fn segment_ids(&self, row: &PlannedRow) -> impl Iterator<Item = Vec<u32>> {
        let source = self.tokens(row.source);
        row.segments.iter().map(move |segment| {
            let mut ids = vec![0; segment.len as usize + 1];
            source.read(segment.document as usize, segment.start as usize, &mut ids);
            ids
        })
    }
}

/// The digest of the ids that `row` reads and predicts, as little-endian 32-bit words by segment; of
/// sources with ids that carry no loss also of the mask, a byte each, and of judged answers of the label.
pub fn row_digest(plan: &Plan, row: &PlannedRow) -> Digest {
    let mut hasher = Hasher::new();
    let source = plan.tokens(row.source);
    if source.has_silent_ids() {
        for segment in &row.segments {
            let mut mask = vec![false; segment.len as usize];
            source.read_mask(segment.document as usize, segment.start as usize + 1, &mut mask);
            hasher.update(&mask.into_iter().map(u8::from).collect::<Vec<_>>());
            if let Some(label) = source.label(segment.document as usize) {
                hasher.update(&[u8::from(label)]);
            }
        }
    }
    for ids in plan.segment_ids(row) {
        hasher.update(&(ids.len() as u32).to_le_bytes());
        for id in ids {
            hasher.update(&id.to_le_bytes());
        }
    }
    hasher.finish()
}

#[cfg(test)]
mod tests;
