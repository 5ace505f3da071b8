//! Planned rows as host vectors: what a forward pass reads.

use temper_recipe::{Digest, Hasher};

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
    /// Per row, the lengths of its segments in order; attention stays within a segment.
    pub segments: Vec<Vec<usize>>,
}

impl Plan {
    /// Reads the tokens of `step`, `rows_per_lane` rows to a lane; the last lane may have fewer.
    pub fn lanes(&self, step: &PlannedStep, rows_per_lane: usize) -> Vec<Lane> {
        step.rows.chunks(rows_per_lane).map(|rows| self.lane(rows)).collect()
    }

    fn lane(&self, rows: &[PlannedRow]) -> Lane {
        let length = self.sequence_length();
        let mut lane = Lane {
            n_rows: rows.len(),
            length,
            inputs: Vec::with_capacity(rows.len() * length),
            targets: Vec::with_capacity(rows.len() * length),
            loss_mask: Vec::with_capacity(rows.len() * length),
            segments: Vec::with_capacity(rows.len()),
        };
        for (i, row) in rows.iter().enumerate() {
            for ids in self.segment_ids(row) {
                lane.inputs.extend_from_slice(&ids[..ids.len() - 1]);
                lane.targets.extend_from_slice(&ids[1..]);
                lane.loss_mask.resize(lane.inputs.len(), true);
            }
            lane.inputs.resize((i + 1) * length, 0);
            lane.targets.resize((i + 1) * length, 0);
            lane.loss_mask.resize((i + 1) * length, false);
            lane.segments.push(row.segments.iter().map(|segment| segment.len as usize).collect());
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

/// The digest of the ids that `row` reads and predicts, as little-endian 32-bit words by segment.
pub fn row_digest(plan: &Plan, row: &PlannedRow) -> Digest {
    let mut hasher = Hasher::new();
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
