//! The completions of a step: sampled, judged, and laid out in rows.

use std::ops::Range;

use temper_mix::{Plan, PlannedStep};
use temper_model::{
    Decoder, Ending, GenerateOptions, PackedRows, PassOptions, Prompt, Sampling, generate,
};
use temper_recipe::{Digest, Hasher, Recipe, Rl};

use super::Sampler;
use super::journal::{Journal, Rollout};
use super::judging::judge;
use super::objective::{Learned, Objective};
use super::sums::RolloutSums;
use crate::error::Error;

/// What a step sampled.
#[derive(Debug)]
pub(crate) struct Rollouts {
    /// The prompt of each row of the step.
    prompts: Vec<Vec<u32>>,
    /// Group after group.
    entries: Vec<Rollout>,
    group_size: usize,
}

/// Where completions stand that are learned from, in lanes.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) lanes: Vec<PackedRows>,
    /// By lane, row by row: which entry, and the positions of its tokens.
    pub(crate) places: Vec<Vec<(usize, Range<usize>)>>,
}

impl Rollouts {
    /// Samples a group of each prompt of the step and judges it, or takes what the journal has of it.
    ///
    /// # Errors
    /// [`Error::Judge`]; a journal that cannot be written.
    pub(crate) fn sample(
        decoder: &Decoder,
        plan: &Plan,
        step: &PlannedStep,
        recipe: &Recipe,
        rl: &Rl,
        sampler: &Sampler<'_>,
        journal: &Journal,
    ) -> Result<Self, Error> {
        let prompts: Vec<Vec<u32>> = step
            .own_rows()
            .iter()
            .map(|row| {
                let document = row.segments[0].document as usize;
                let tokens = plan.tokens(row.source);
                let mut ids = vec![0; tokens.document_len(document)];
                tokens.read(document, 0, &mut ids);
                ids
            })
            .collect();
        let asked: Vec<Prompt> = (0_u64..)
            .zip(&prompts)
            .map(|(row, ids)| Prompt {
                ids: ids.clone(),
                n_samples: rl.group_size,
                seed: seed(recipe.seed, step.index, row),
            })
            .collect();
        let options = GenerateOptions {
            max_tokens: rl.max_new_tokens,
            sampling: Sampling { temperature: rl.temperature, ..Sampling::default() },
            stop_ids: sampler.stop_ids.clone(),
            is_complete: None,
        };
        let groups = generate(decoder, &asked, &options)?;
        let mut entries = Vec::with_capacity(groups.len() * rl.group_size);
        for (row, completions) in groups.into_iter().enumerate() {
            let planned = &step.rows[row];
            for (sample, completion) in completions.into_iter().enumerate() {
                let is_truncated = completion.ending != Ending::Stop;
                // The id that ends a completion says nothing.
                let n_said = completion.ids.len() - usize::from(!is_truncated);
                let text = sampler.tokenizer.decode_sampled(&completion.ids[..n_said])?;
                entries.push(Rollout {
                    row: row as u32,
                    sample: sample as u32,
                    source: plan.sources()[planned.source].name.clone(),
                    document: planned.segments[0].document,
                    ids: completion.ids,
                    text,
                    is_truncated,
                    // It is judged below.
                    rewards: Vec::new(),
                    reward: 0.0,
                    advantage: 0.0,
                });
            }
        }
        judge(&mut entries, step, rl, sampler.judge, journal)?;
        Ok(Self { prompts, entries, group_size: rl.group_size })
    }

    /// Whether there is anything to learn.
    pub(crate) fn is_learned(&self, rl: &Rl, entry: &Rollout) -> bool {
        let counts = entry.advantage != 0.0 || rl.kl > 0.0;
        counts && !(rl.mask_truncated && entry.is_truncated)
    }

    /// The completions that are learned from, one a row.
    pub(crate) fn layout(&self, rl: &Rl, length: usize, rows_per_lane: usize) -> Layout {
        let learned: Vec<usize> =
            (0..self.entries.len()).filter(|at| self.is_learned(rl, &self.entries[*at])).collect();
        let (mut lanes, mut places) = (Vec::new(), Vec::new());
        for of_lane in learned.chunks(rows_per_lane) {
            let mut rows = PackedRows::empty(of_lane.len(), length);
            let mut in_lane = Vec::with_capacity(of_lane.len());
            for (row, at) in of_lane.iter().enumerate() {
                let entry = &self.entries[*at];
                let prompt = &self.prompts[entry.row as usize];
                let ids: Vec<u32> = prompt.iter().chain(&entry.ids).copied().collect();
                let (first, n) = (row * length, ids.len() - 1);
                rows.inputs[first..first + n].copy_from_slice(&ids[..n]);
                rows.targets[first..first + n].copy_from_slice(&ids[1..]);
                let positions = prompt.len() - 1..n;
                rows.loss_mask[first + positions.start..first + positions.end].fill(true);
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
                let of_row = |row: usize, at: usize, positions: &Range<usize>| {
                    let log_probs = |losses: &[Vec<f32>]| {
                        let losses = &losses[lane][row * rows.length..][..rows.length];
                        losses[positions.clone()].iter().map(|loss| -f64::from(*loss)).collect()
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
        let counted =
            self.entries.iter().filter(|entry| !(rl.mask_truncated && entry.is_truncated));
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
    pub(crate) fn account(
        &self,
        plan: &Plan,
        step: &PlannedStep,
        objective: &Objective<'_>,
        layout: &Layout,
        losses: &[Vec<f32>],
    ) -> Vec<RolloutSums> {
        let n_rewards = objective.rl.rewards.len();
        let mut sums = vec![RolloutSums::new(n_rewards); plan.sources().len()];
        for group in self.entries.chunks(self.group_size) {
            let of_source = &mut sums[step.rows[group[0].row as usize].source];
            of_source.groups += 1;
            of_source.equal_groups += u64::from(group.iter().all(|entry| entry.advantage == 0.0));
            group.iter().for_each(|entry| of_source.add(entry));
        }
        for (lane, (places, rows)) in layout.places.iter().zip(&layout.lanes).enumerate() {
            for (row, (at, positions)) in places.iter().enumerate() {
                let source = step.rows[self.entries[*at].row as usize].source;
                let losses = &losses[lane][row * rows.length..][..rows.length];
                let found = objective.loss(&objective.lanes[lane][row], losses);
                let of_source = &mut sums[source];
                of_source.loss += found.loss;
                of_source.divergence += found.divergence;
                of_source.clipped += found.clipped as u64;
                of_source.learned_tokens += positions.len() as u64;
                let surprise = losses[positions.clone()].iter().map(|loss| f64::from(*loss));
                of_source.surprise += surprise.sum::<f64>();
            }
        }
        sums
    }
}

/// The seed of what is drawn for a prompt.
fn seed(seed: u64, step: u64, row: u64) -> u64 {
    let mut stream = Hasher::new();
    stream.update(b"sampling");
    for number in [seed, step, row] {
        stream.update(&number.to_le_bytes());
    }
    let digest: Digest = stream.finish();
    u64::from_le_bytes(digest.bytes()[..8].try_into().expect("a digest has 32 bytes"))
}

/// The losses of lanes, `[n_rows × length]` each, without gradients.
pub(crate) fn losses(decoder: &Decoder, lanes: &[PackedRows], pass: &PassOptions) -> Vec<Vec<f32>> {
    let of = |rows| decoder.losses(rows, pass).into_data().try_into_vec::<f32>();
    lanes.iter().map(|rows| of(rows).expect("losses are 32-bit floats")).collect()
}
