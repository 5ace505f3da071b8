//! The completions of a step, laid out in rows, and what they came to.

use temper_mix::{Plan, PlannedStep};
use temper_model::{Decoder, PackedRows, PassOptions};
use temper_recipe::Rl;

use super::journal::Rollout;
use super::objective::{Learned, Objective};
use super::sequence::{Positions, Sequence};
use super::sums::RolloutSums;

/// What a step sampled.
#[derive(Debug)]
pub(crate) struct Rollouts {
    /// With the rows that were sampled last.
    pub(crate) step: PlannedStep,
    /// Group after group, round after round.
    pub(super) entries: Vec<Rollout>,
    /// What each comes to with its prompt.
    pub(super) sequences: Vec<Sequence>,
    /// The first entry of each row's last group, which is the one that may be learned from.
    pub(super) groups: Vec<usize>,
    pub(super) group_size: usize,
}

/// Where completions stand that are learned from, in lanes.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) lanes: Vec<PackedRows>,
    /// By lane, row by row: which entry, and the positions of its tokens.
    pub(crate) places: Vec<Vec<(usize, Positions)>>,
}

impl Rollouts {
    /// The entries that may be learned from, in the order of the rows.
    fn kept(&self) -> impl Iterator<Item = usize> {
        let size = self.group_size;
        self.groups.iter().flat_map(move |first| *first..first + size)
    }

    /// Whether there is anything to learn of entry number `at`.
    fn is_learned(&self, rl: &Rl, at: usize) -> bool {
        let entry = &self.entries[at];
        let counts = entry.advantage != 0.0 || rl.kl > 0.0;
        // An episode without room for an answer has none.
        counts && !entry.ids.is_empty() && !(rl.mask_truncated && entry.is_truncated)
    }

    /// The completions that are learned from, one a row.
    pub(crate) fn layout(&self, rl: &Rl, length: usize, rows_per_lane: usize) -> Layout {
        let learned: Vec<usize> = self.kept().filter(|at| self.is_learned(rl, *at)).collect();
        let (mut lanes, mut places) = (Vec::new(), Vec::new());
        for of_lane in learned.chunks(rows_per_lane) {
            let mut rows = PackedRows::empty(of_lane.len(), length);
            let mut in_lane = Vec::with_capacity(of_lane.len());
            for (row, at) in of_lane.iter().enumerate() {
                let sequence = &self.sequences[*at];
                let ids = sequence.ids();
                let (first, n) = (row * length, ids.len() - 1);
                rows.inputs[first..first + n].copy_from_slice(&ids[..n]);
                rows.targets[first..first + n].copy_from_slice(&ids[1..]);
                let positions = sequence.positions();
                positions.iter().for_each(|at| rows.loss_mask[first + at] = true);
                rows.segments[row].push(n);
                in_lane.push((*at, positions));
            }
            lanes.push(rows);
            places.push(in_lane);
        }
        Layout { lanes, places }
    }

    /// What the completions of a layout are turned into; `old` and `reference` have the losses of its lanes
    /// before the first update and under the starting model.
    pub(crate) fn objective<'a>(
        &self,
        rl: &'a Rl,
        layout: &Layout,
        old: Option<&[Vec<f32>]>,
        reference: Option<&[Vec<f32>]>,
    ) -> Objective<'a> {
        let lanes =
            layout.places.iter().zip(&layout.lanes).enumerate().map(|(lane, (places, rows))| {
                let of_row = |row: usize, at: usize, positions: &Positions| {
                    let log_probs = |losses: &[Vec<f32>]| {
                        let losses = &losses[lane][row * rows.length..][..rows.length];
                        positions.of(losses).map(|loss| -f64::from(loss)).collect()
                    };
                    Learned {
                        advantage: self.entries[at].advantage,
                        positions: positions.clone(),
                        old: old.map(log_probs),
                        reference: reference.map(log_probs),
                    }
                };
                places
                    .iter()
                    .enumerate()
                    .map(|(row, (at, positions))| of_row(row, *at, positions))
                    .collect()
            });
        let counted = self.kept().map(|at| &self.entries[at]);
        let counted = counted.filter(|entry| !(rl.mask_truncated && entry.is_truncated));
        let lengths: Vec<usize> = counted.map(|entry| entry.ids.len()).collect();
        Objective {
            rl,
            lanes: lanes.collect(),
            n_completions: lengths.len(),
            n_tokens: lengths.iter().sum(),
        }
    }

    /// The quantities of the step, by source of the plan; `losses` are those of the layout's lanes in the
    /// last update.
    ///
    /// What was sampled counts all, that which was thrown away as well; what was learned counts the rest.
    pub(crate) fn account(
        &self,
        plan: &Plan,
        objective: &Objective<'_>,
        layout: &Layout,
        losses: &[Vec<f32>],
    ) -> Vec<RolloutSums> {
        let (step, n_rewards) = (&self.step, objective.rl.rewards.len());
        let mut sums = vec![RolloutSums::new(n_rewards); plan.sources().len()];
        let groups = self.entries.chunks(self.group_size);
        for (group, said) in groups.zip(self.sequences.chunks(self.group_size)) {
            let of_source = &mut sums[step.rows[group[0].row as usize].source];
            of_source.groups += 1;
            of_source.equal_groups += u64::from(is_equal(group));
            of_source.refills += u64::from(group[0].refill > 0);
            group.iter().zip(said).for_each(|(entry, said)| of_source.add(entry, said.entropy()));
        }
        for (lane, (places, rows)) in layout.places.iter().zip(&layout.lanes).enumerate() {
            for (row, (at, positions)) in places.iter().enumerate() {
                let source = step.rows[self.entries[*at].row as usize].source;
                let losses = &losses[lane][row * rows.length..][..rows.length];
                let found = objective.loss(&objective.lanes[lane][row], losses);
                let of_source = &mut sums[source];
                of_source.loss += found.loss;
                of_source.divergence += found.divergence;
                of_source.drift += found.drift;
                of_source.clipped += found.clipped as u64;
                of_source.learned_tokens += positions.n_tokens() as u64;
            }
        }
        sums
    }
}

/// Whether all completions of a group are equally good: nothing is to be learned from them.
pub(crate) fn is_equal(group: &[Rollout]) -> bool {
    group.iter().all(|entry| entry.advantage == 0.0)
}

/// How passes compute where completions are learned from: their log-probabilities are those that they were
/// sampled by.
pub(crate) fn as_sampled(rl: &Rl, pass: &PassOptions) -> PassOptions {
    PassOptions { temperature: rl.temperature as f32, ..*pass }
}

/// The losses of lanes, `[n_rows × length]` each, without gradients.
pub(crate) fn losses(decoder: &Decoder, lanes: &[PackedRows], pass: &PassOptions) -> Vec<Vec<f32>> {
    let of = |rows| decoder.losses(rows, pass).into_data().try_into_vec::<f32>();
    lanes.iter().map(|rows| of(rows).expect("losses are 32-bit floats")).collect()
}

#[cfg(test)]
mod tests;
