//! Who computes which lanes: one worker for each device, or several on the CPU.
//!
//! ```text
//! lanes    0  1  2  3 │ 4  5  6  7 │ 8  9          blocks of a power of two
//! workers      0      │      1     │   2
//!               ╲          ╱          │             each adds along the tree of its lanes,
//!                 ╲──────╱────────────╯             the first device along the rest of it
//! ```
//!
//! The tree of lane numbers is the same whoever carries them, and so are the bits of its sum.

use std::thread;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use temper_model::{Decoder, Gradients, Near, Objective, PackedRows, PassOptions};
use temper_recipe::GradientSum;

use crate::lora::StepDropout;
use crate::near::StepNear;
use crate::preference::StepPreference;
use crate::reduce::LaneSum;
use crate::rl;

/// Devices of one kind; the first one holds the weights and the optimizer.
#[derive(Debug)]
pub(crate) struct Workers {
    /// A device and what it has added so far.
    workers: Vec<(Device, LaneSum)>,
    options: PassOptions,
    gradient_sum: GradientSum,
}

/// What the losses of a step are turned into.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal<'a> {
    /// Their sum, times this factor.
    Sum(f32),
    /// The same, and divergences from the starting model.
    Near(f32, &'a StepNear<'a>),
    /// The mean loss of pairs or of judged answers.
    Preference(&'a StepPreference<'a>),
    /// The loss of sampled completions.
    Completions(&'a rl::Objective<'a>),
}

/// What the lanes of a step came to, all on the first device.
#[derive(Debug)]
pub(crate) struct Passed {
    /// Of each lane, `[n_rows, length]`.
    pub(crate) losses: Vec<Tensor<2>>,
    /// Of each lane, `[n_rows, length]`; none where the goal does not ask for them.
    pub(crate) divergences: Vec<Tensor<2>>,
    /// Of the goal.
    pub(crate) gradients: Gradients,
}

/// Of some lanes the losses and divergences.
type Numbers = (Vec<Tensor<2>>, Vec<Tensor<2>>);

/// The numbers of some lanes, and the subtrees that their gradients make.
type Block = (Numbers, Vec<(u32, Gradients)>);

impl Workers {
    /// `devices` has the decoder's own first; the same one may be there several times.
    pub(crate) fn new(
        devices: Vec<Device>,
        options: PassOptions,
        gradient_sum: GradientSum,
    ) -> Self {
        assert!(!devices.is_empty(), "somebody has to work");
        let workers = devices.into_iter().map(|device| (device, LaneSum::default())).collect();
        Self { workers, options, gradient_sum }
    }

    /// The same, which compute gradients of the embedding table and the output matrix only if somebody
    /// `wants` them.
    pub(crate) fn with_tables(mut self, wants: bool) -> Self {
        self.options.trains_tables = wants;
        self
    }

    /// The device that holds the weights.
    pub(crate) fn device(&self) -> &Device {
        &self.workers[0].0
    }

    /// The losses of each lane, `[n_rows, length]`, and the gradient of the goal; all on the first
    /// device.
    pub(crate) fn gradients(
        &mut self,
        decoder: &Decoder,
        lanes: &[PackedRows],
        goal: Goal<'_>,
    ) -> (Vec<Tensor<2>>, Gradients) {
        let Passed { losses, gradients, .. } = self.pass(decoder, lanes, goal, None);
        (losses, gradients)
    }

    /// [`Workers::gradients`], with the divergences of a goal that asks for them, and with inputs of factors
    /// dropped.
    pub(crate) fn pass(
        &mut self,
        decoder: &Decoder,
        lanes: &[PackedRows],
        goal: Goal<'_>,
        dropout: Option<&StepDropout>,
    ) -> Passed {
        self.deal_spares();
        let options = self.options;
        let size = lanes.len().div_ceil(self.workers.len()).next_power_of_two();
        let blocks: Vec<Block> = if size >= lanes.len() {
            let sum = &mut self.workers[0].1;
            let numbers = block(decoder, (lanes, 0), goal, dropout, &options, sum);
            vec![(numbers, sum.take_subtrees())]
        } else {
            let n_blocks = lanes.len().div_ceil(size);
            let busy: Vec<Device> =
                self.workers[..n_blocks].iter().map(|(device, _)| device.clone()).collect();
            let (busy, gradient_sum) = (&busy, self.gradient_sum);
            thread::scope(|scope| {
                let started: Vec<_> = lanes
                    .chunks(size)
                    .zip((0..).step_by(size))
                    .zip(&mut self.workers)
                    .map(|((lanes, first), (device, sum))| {
                        let decoder = decoder.clone().to_device(device);
                        scope.spawn(move || {
                            let numbers =
                                block(&decoder, (lanes, first), goal, dropout, &options, sum);
                            let subtrees = match gradient_sum {
                                GradientSum::Tree => sum.take_subtrees(),
                                GradientSum::Collective => {
                                    all_reduce(sum, busy, *device == busy[0])
                                }
                            };
                            (numbers, subtrees)
                        })
                    })
                    .collect();
                let joined = started.into_iter().map(|worker| worker.join());
                // A worker's panic is this thread's.
                joined
                    .map(|block| block.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                    .collect()
            })
        };
        let device = decoder.device();
        let sum = &mut self.workers[0].1;
        let (mut losses, mut divergences) = (Vec::with_capacity(lanes.len()), Vec::new());
        for ((of_lanes, apart), subtrees) in blocks {
            losses.extend(of_lanes.into_iter().map(|losses| losses.to_device(&device)));
            divergences.extend(apart.into_iter().map(|apart| apart.to_device(&device)));
            for (level, gradients) in subtrees {
                sum.push_subtree(level, gradients.to_device(&device));
            }
        }
        let gradients = sum.finish().expect("a step has a lane");
        Passed { losses, divergences, gradients }
    }

    /// The gradient of nothing.
    pub(crate) fn zeros(&mut self, decoder: &Decoder) -> Gradients {
        self.workers[0].1.room(decoder).zeroed(decoder)
    }

    /// The first worker adds what the others made, and is left with the memory of all of them.
    fn deal_spares(&mut self) {
        let sums = self.workers.iter_mut();
        let mut all: Vec<Gradients> =
            sums.flat_map(|(_, sum)| std::mem::take(sum.spare_mut())).collect();
        let n = self.workers.len();
        while let Some(spare) = all.pop() {
            self.workers[all.len() % n].1.spare_mut().push(spare);
        }
    }

    /// Takes back what is not needed any more.
    pub(crate) fn reuse(&mut self, gradients: Gradients) {
        self.workers[0].1.reuse(gradients);
    }
}

/// The losses and divergences of some lanes, of which `first` is the number of the first one; their gradients
/// go into `sum`.
fn block(
    decoder: &Decoder,
    (lanes, first): (&[PackedRows], usize),
    goal: Goal<'_>,
    dropout: Option<&StepDropout>,
    options: &PassOptions,
    sum: &mut LaneSum,
) -> Numbers {
    let (mut losses, mut divergences) = (Vec::with_capacity(lanes.len()), Vec::new());
    let device = decoder.device();
    let options = &match goal {
        Goal::Completions(completions) => rl::as_sampled(completions.rl, options),
        Goal::Sum(_) | Goal::Near(..) | Goal::Preference(_) => *options,
    };
    let starting = match goal {
        Goal::Near(_, near) => Some(near.starting.clone().to_device(&device)),
        Goal::Sum(_) | Goal::Preference(_) | Goal::Completions(_) => None,
    };
    for (lane, rows) in (first..).zip(lanes) {
        let mut gradients = sum.room(decoder);
        let mut pass = |objective| match dropout {
            Some(dropout) => {
                dropout.gradients(decoder, (lane, rows), objective, options, &mut gradients)
            }
            None => decoder.gradients(rows, objective, options, &mut gradients),
        };
        losses.push(match goal {
            Goal::Sum(factor) => pass(Objective::Sum(factor)),
            Goal::Near(factor, of_step) => {
                let starting = starting.as_ref().expect("taken along for this goal");
                let factors = &of_step.factors[lane];
                let mut apart = None;
                let near = Near { starting, factors };
                let losses = pass(Objective::Near(factor, near, &mut apart));
                divergences.extend(apart);
                losses
            }
            Goal::Preference(preference) => {
                let mut of_losses = |losses| preference.gradient(lane, rows, losses);
                pass(Objective::Gradient(&mut of_losses))
            }
            Goal::Completions(completions) => {
                let mut of_losses = |losses| completions.gradient(lane, rows, losses);
                pass(Objective::Gradient(&mut of_losses))
            }
        });
        sum.push(gradients);
    }
    (losses, divergences)
}

/// Adds the sums of all `devices`, each of which calls this; the first one has the result.
fn all_reduce(sum: &mut LaneSum, devices: &[Device], is_first: bool) -> Vec<(u32, Gradients)> {
    let own = sum.finish().expect("a block has a lane");
    let all = own.all_reduce(devices);
    if is_first { vec![(0, all)] } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use temper_model::hf;

    use super::*;

    /// The bits of losses and gradients of so many lanes on so many workers, of two steps.
    fn bits(decoder: &Decoder, n_lanes: usize, n_workers: usize) -> Vec<Vec<u32>> {
        let documents: Vec<Vec<u32>> = (0..n_lanes as u32)
            .map(|lane| (0..9).map(|at| (lane * 7 + at * at) % 50).collect())
            .collect();
        let lanes: Vec<PackedRows> =
            documents.iter().map(|ids| PackedRows::from_documents(&[ids], 8)).collect();
        let devices = vec![decoder.device(); n_workers];
        let mut workers = Workers::new(devices, PassOptions::default(), GradientSum::Tree);
        let step = |_| {
            let (losses, gradients) = workers.gradients(decoder, &lanes, Goal::Sum(0.125));
            let losses = losses
                .into_iter()
                .flat_map(|losses| losses.into_data().try_into_vec::<f32>().unwrap());
            let bits = losses.chain(gradients.to_vec()).map(f32::to_bits).collect();
            workers.reuse(gradients);
            bits
        };
        (0..2).map(step).collect()
    }

    fn decoder() -> Decoder {
        let folder = Path::new("../../tests/fixtures/families/llama");
        hf::load(folder, &Device::flex()).unwrap().0
    }

    #[test]
    fn memory_is_used_again() {
        let decoder = decoder();
        let lanes = vec![PackedRows::from_documents(&[&[1, 2, 3, 4]], 3); 6];
        let mut workers =
            Workers::new(vec![Device::flex(); 3], PassOptions::default(), GradientSum::Tree);
        let mut held = Vec::new();
        for _ in 0..8 {
            let (_, gradients) = workers.gradients(&decoder, &lanes, Goal::Sum(1.0));
            workers.reuse(gradients);
            held.push(
                workers.workers.iter_mut().map(|(_, sum)| sum.spare_mut().len()).sum::<usize>(),
            );
        }
        assert_eq!(held[3..], [held[3]; 5], "{held:?}");
    }

    #[test]
    fn placement_changes_no_bit() {
        let decoder = decoder();
        for n_lanes in [1, 2, 3, 5, 8, 11] {
            let expected = bits(&decoder, n_lanes, 1);
            for n_workers in [2, 3, 4, 8] {
                assert!(
                    bits(&decoder, n_lanes, n_workers) == expected,
                    "{n_lanes} lanes on {n_workers} workers"
                );
            }
        }
    }
}
