//! A pass on the CPU, on slices, for Llama, Qwen 2 and 3: half a block is one operation with its own backward pass.
//!
//! ```text
//! embedding ─► (attention half ─► mlp half) × blocks ─► norm + output matrix + cross-entropy
//! ```
//!
//! burn's operations make one pass over memory each, and a fresh buffer for it. Here a chunk of
//! [`CHUNK`] positions stays in the cache from the norm to the residual sum, padding is not computed
//! at all, and attention costs the sum of squared segment lengths. Weights are read where they lie,
//! gradients written where the optimizer reads them.

mod attention;
mod beside;
mod bias;
mod block;
mod gradient;
mod head;
mod head_norm;
mod logits;
mod mlp;
mod norm;
mod pull;
mod segment;
mod slots;

pub(crate) use logits::TABLE_PIECE;

use burn::tensor::{Tensor, TensorData};

use self::{
    attention::AttentionPlan,
    beside::Beside,
    block::{Block, Inside},
    head::{Head, HeadTargets, Supervised},
    logits::HeadWeights,
    segment::Heads,
    slots::Slots,
};
use super::{Gradients, Objective, PassOptions};
use crate::{
    Decoder, PackedRows,
    cpu::{buffer::Buffer, gemm::Factors, weights::Weights},
    names::Field,
    rope::{Rotation, Stretch},
};

/// Positions that go through an operation together: at widths up to about 1,000 their
/// intermediate values fit the second-level cache of one core.
const CHUNK: usize = 256;

/// [`Decoder::token_losses`] by this pass.
pub(super) fn losses(decoder: &Decoder, rows: &PackedRows, options: &PassOptions) -> Tensor<2> {
    let pass = Pass::new(decoder, rows, options);
    if pass.supervised.is_empty() {
        return pass.placed(&[]);
    }
    let x = pass.last();
    let losses = pass.head(&x, options).losses();
    pass.placed(&losses)
}

/// [`Decoder::gradients`] by this pass.
pub(super) fn gradients(
    decoder: &Decoder,
    rows: &PackedRows,
    objective: Objective<'_>,
    options: &PassOptions,
    gradients: &mut Gradients,
) -> Tensor<2> {
    let pass = Pass::new(decoder, rows, options);
    let Gradients::Flat(flat) = gradients else { panic!("gradients on the CPU are flat") };
    if pass.supervised.is_empty() {
        flat.fill(0.0);
        if let Objective::Near(_, _, divergences) = objective {
            *divergences = Some(pass.placed(&[]));
        }
        return pass.placed(&[]);
    }
    let mut slots = Slots::new(decoder.config(), flat);
    let mut kept = Vec::with_capacity(pass.weights.layers.len());
    let mut x = pass.embed();
    for block in pass.blocks() {
        let (middle, attention) = block.attention(&x);
        let (y, mlp) = block.mlp(&middle);
        let rest = (!options.recompute).then_some(Inside { middle, attention, mlp });
        kept.push((std::mem::replace(&mut x, y), rest));
    }

    let (losses, mut dx) = pass.head_gradients(&x, rows, objective, options, &mut slots);
    drop(x);
    for (block, (x, inside)) in pass.blocks().zip(kept).rev() {
        let Inside { middle, attention, mlp } = inside.unwrap_or_else(|| block.inside(&x));
        dx = block.mlp_backward(&middle, &dx, mlp, &mut slots);
        drop(middle);
        dx = block.attention_backward(&x, &dx, &attention, &mut slots);
    }
    if options.trains_tables {
        pass.embedding_gradient(&dx, slots.take(Field::Embedding));
    }
    losses
}

/// What all operations of a pass read.
struct Pass<'a> {
    decoder: &'a Decoder,
    weights: Weights,
    attention: AttentionPlan,
    /// Input ids of all positions that are no padding.
    ids: Vec<usize>,
    /// Which of those positions carry loss.
    supervised: Vec<usize>,
    /// What they predict.
    targets: Vec<usize>,
    /// Where they stand in the rows.
    places: Vec<usize>,
    /// `[n_rows, length]`.
    shape: [usize; 2],
}

impl<'a> Pass<'a> {
    fn new(decoder: &'a Decoder, rows: &PackedRows, options: &PassOptions) -> Self {
        let config = decoder.config();
        let spans = rows.spans();
        let used: Vec<usize> =
            spans.iter().flat_map(|span| span.start..span.start + span.len).collect();
        let supervised: Vec<usize> =
            (0..used.len()).filter(|at| rows.loss_mask[used[*at]]).collect();
        let places: Vec<usize> = supervised.iter().map(|at| used[*at]).collect();
        let longest = spans.iter().map(|span| span.len).max().unwrap_or(0);
        let stretch = Stretch { first: 0, len: longest };
        Self {
            decoder,
            weights: Weights::of(decoder),
            attention: AttentionPlan {
                epsilon: config.norm_epsilon as f32,
                factors: Factors::of(options.precision),
                heads: Heads {
                    n_heads: config.n_heads,
                    n_kv_heads: config.n_kv_heads,
                    head_dim: config.head_dim,
                    rotation: Rotation::new(&config.ropes[0], [stretch].into_iter()),
                },
                segments: spans.iter().map(|span| span.len).collect(),
            },
            ids: used.iter().map(|at| rows.inputs[*at] as usize).collect(),
            targets: places.iter().map(|at| rows.targets[*at] as usize).collect(),
            supervised,
            places,
            shape: [rows.n_rows, rows.length],
        }
    }

    fn hidden(&self) -> usize {
        self.decoder.config().hidden_size
    }

    /// `[n, hidden]`.
    fn embed(&self) -> Buffer {
        let width = self.hidden();
        let mut x = Buffer::stale(self.ids.len() * width);
        for (row, id) in x.chunks_exact_mut(width).zip(&self.ids) {
            row.copy_from_slice(&self.weights.embedding[id * width..][..width]);
        }
        x
    }

    /// Adds the gradient of the embeddings to that of the table, in the order of positions.
    fn embedding_gradient(&self, dx: &[f32], table: &mut [f32]) {
        let width = self.hidden();
        if !self.decoder.config().tie_word_embeddings {
            table.fill(0.0);
        }
        for (row, id) in dx.chunks_exact(width).zip(&self.ids) {
            let target = &mut table[id * width..][..width];
            target.iter_mut().zip(row).for_each(|(target, value)| *target += value);
        }
    }

    fn blocks(&self) -> impl DoubleEndedIterator<Item = Block<'_>> + ExactSizeIterator {
        let layers = self.weights.layers.iter().enumerate();
        layers.map(|(number, weights)| Block { number, weights, plan: &self.attention })
    }

    fn head<'b>(&'b self, x: &'b [f32], options: &PassOptions) -> Head<'b> {
        let weights = HeadWeights {
            norm: &self.weights.norm.weight,
            table: &self.weights.head,
            epsilon: self.weights.norm.epsilon,
            factors: Factors::of(options.precision),
            temperature: options.temperature,
        };
        let supervised = Supervised { rows: &self.supervised, targets: &self.targets };
        // Each group adds to the gradient of the table, which costs less the larger groups are. Where nobody wants
        // it, a chunk for each thread is enough.
        let most_logits = match options.trains_tables {
            true => options.most_logits,
            false => options
                .most_logits
                .min(CHUNK * rayon::current_num_threads() * self.decoder.config().vocab_size),
        };
        Head::new(x, weights, supervised, most_logits)
    }

    /// The losses in their places, and the gradient of the head's input.
    fn head_gradients(
        &self,
        x: &[f32],
        rows: &PackedRows,
        objective: Objective<'_>,
        options: &PassOptions,
        slots: &mut Slots<'_>,
    ) -> (Tensor<2>, Buffer) {
        let head = self.head(x, options);
        let table = match self.decoder.config().tie_word_embeddings {
            true => Field::Embedding,
            false => Field::Head,
        };
        let mut near = None;
        let d_losses = match objective {
            Objective::Sum(factor) => vec![factor; self.supervised.len()],
            Objective::Gradient(gradient) => {
                let d_losses = gradient(self.placed(&head.losses())).into_data();
                let d_losses = d_losses.as_slice::<f32>().expect("gradients of losses are f32");
                self.places.iter().map(|place| d_losses[*place]).collect()
            }
            Objective::Near(factor, of, divergences) => {
                near = Some((of, divergences));
                vec![factor; self.supervised.len()]
            }
        };
        let beside = near.as_ref().and_then(|(near, _)| Beside::new(self, rows, near, options));
        let norm = slots.take(Field::Norm);
        let starting = beside.as_ref().map(|beside| {
            let head = beside.head(options);
            let table = head.weights.packed();
            (beside, head, table)
        });
        let pull = starting.as_ref().map(|(beside, head, table)| beside.pull(head, table));
        // The embedding's own gradient is added to the same slot at the end.
        let (losses, divergences, dx) = slots.with(table, |table| {
            let table = options.trains_tables.then_some(table);
            head.gradients(&d_losses, pull.as_ref(), HeadTargets { norm, table })
        });
        if let Some((_, target)) = near {
            *target = Some(self.placed(&divergences));
        }
        (self.placed(&losses), dx)
    }

    /// The input of the head.
    fn last(&self) -> Buffer {
        self.blocks().fold(self.embed(), |x, block| block.mlp(&block.attention(&x).0).0)
    }

    /// Losses of supervised positions at their places, 0 elsewhere.
    fn placed(&self, losses: &[f32]) -> Tensor<2> {
        let mut placed = vec![0.0; self.shape[0] * self.shape[1]];
        for (loss, place) in losses.iter().zip(&self.places) {
            placed[*place] = *loss;
        }
        Tensor::from_data(TensorData::new(placed, self.shape), &self.decoder.device())
    }
}

#[cfg(test)]
mod tests;
