//! The end of the decoder: final norm, output matrix and cross-entropy, a group of positions at a
//! time, so that all logits never exist together.

use std::ops::Range;

use burn::tensor::{IndexingUpdateOp, Int, Tensor, TensorData};

use super::{norm::Normed, product::Products};
use crate::{Decoder, PackedRows};

/// Supervised positions are padded to a multiple of this share of all positions: a device that
/// prepares kernels by shape meets few of them.
const SHAPES: usize = 8;

/// The operation with its weights.
pub(super) struct Head<'a> {
    decoder: &'a Decoder,
    /// `[vocab_size, hidden]`, a factor.
    table: Tensor<2>,
    products: Products,
    shape: [usize; 2],
    /// Positions that carry loss, and some more to fill up.
    places: Vec<i32>,
    /// Their targets.
    targets: Vec<i32>,
    /// 1 where a position counts.
    counts: Vec<f32>,
    /// Positions whose logits exist at the same time.
    group: usize,
}

/// What a backward pass through the head gives.
pub(super) struct HeadGradients {
    /// `[n_rows, length]`.
    pub(super) losses: Tensor<2>,
    /// `[n, hidden]`.
    pub(super) x: Tensor<2>,
    /// `[hidden]`.
    pub(super) norm: Tensor<1>,
    /// `[vocab_size, hidden]`.
    pub(super) table: Tensor<2>,
}

/// The part of the head's work that all losses begin with.
struct Logits {
    normed: Normed,
    /// `[g, hidden]`, a factor.
    y: Tensor<2>,
    /// `e^(logit − largest)`, `[g, vocab_size]`.
    exponentials: Tensor<2>,
    /// Their sums, `[g, 1]`.
    totals: Tensor<2>,
    /// Losses, `[g]`.
    losses: Tensor<1>,
}

impl<'a> Head<'a> {
    pub(super) fn new(
        decoder: &'a Decoder,
        rows: &PackedRows,
        products: Products,
        most_logits: usize,
    ) -> Self {
        let n = rows.n_rows * rows.length;
        let supervised = (0..n).filter(|at| rows.loss_mask[*at]);
        let mut places: Vec<i32> = supervised.map(|at| at as i32).collect();
        let mut counts = vec![1.0; places.len()];
        let padded = places.len().max(1).next_multiple_of(n.div_ceil(SHAPES));
        places.resize(padded, 0);
        counts.resize(padded, 0.0);
        let targets = places.iter().map(|at| rows.targets[*at as usize] as i32).collect();
        let group = (most_logits / decoder.config.vocab_size).clamp(1, padded);
        Self {
            decoder,
            table: products.factor(decoder.output_matrix()),
            products,
            shape: [rows.n_rows, rows.length],
            places,
            targets,
            counts,
            group,
        }
    }

    /// # Shapes
    /// - x: `[n, hidden]`
    /// - output: `[n_rows, length]`
    pub(super) fn losses(&self, x: Tensor<2>) -> Tensor<2> {
        let losses = self.groups().map(|at| self.logits(&x, at).1.losses);
        self.placed(losses.collect())
    }

    /// # Shapes
    /// - x: `[n, hidden]`
    /// - d_losses: `[n_rows, length]`
    pub(super) fn gradients(&self, x: Tensor<2>, d_losses: Tensor<2>) -> HeadGradients {
        let products = self.products;
        let [n_rows, length] = self.shape;
        let d_losses = d_losses.reshape([n_rows * length]);
        let mut losses = Vec::new();
        let mut dx = x.zeros_like();
        let mut sums: Option<(Tensor<1>, Tensor<2>)> = None;
        for at in self.groups() {
            let (x, logits) = self.logits(&x, at.clone());
            let Logits { normed, y, exponentials, totals, losses: of_group } = logits;
            losses.push(of_group);
            let d_loss = d_losses.clone().select(0, self.ints(&self.places[at.clone()]))
                * self.floats(&self.counts[at.clone()]);
            let d_loss: Tensor<2> = d_loss.unsqueeze_dim(1);
            let wanted = self.wanted(at.clone()).float();
            let d_logits = (exponentials / totals - wanted) * d_loss;
            let d_logits = products.factor(d_logits);
            let d_normed = products.product(d_logits.clone(), self.table.clone());
            let (d_rows, of_norm) = normed.backward(x, d_normed);
            dx = dx.select_assign(0, self.ints(&self.places[at]), d_rows, IndexingUpdateOp::Add);
            let of_table = products.product(d_logits.transpose(), y);
            sums = Some(match sums {
                None => (of_norm, of_table),
                Some((norm, table)) => (norm + of_norm, table + of_table),
            });
        }
        let (norm, table) = sums.expect("there is a group");
        HeadGradients { losses: self.placed(losses), x: dx, norm, table }
    }

    fn groups(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let (n, group) = (self.places.len(), self.group);
        (0..n).step_by(group).map(move |first| first..n.min(first + group))
    }

    /// The group's rows of `x`, and what its losses come from.
    fn logits(&self, x: &Tensor<2>, at: Range<usize>) -> (Tensor<2>, Logits) {
        let x = x.clone().select(0, self.ints(&self.places[at.clone()]));
        let (y, normed) = Normed::forward(&self.decoder.norm, &x);
        let y = self.products.factor(y);
        let logits = self.products.forward(y.clone(), &self.table);
        let targets: Tensor<2, Int> = self.ints(&self.targets[at.clone()]).unsqueeze_dim(1);
        let largest = logits.clone().max_dim(1);
        let wanted = logits.clone().gather(1, targets);
        let exponentials = (logits - largest.clone()).exp();
        let totals = exponentials.clone().sum_dim(1);
        let losses = (largest + totals.clone().log() - wanted).squeeze_dim::<1>(1);
        let losses = losses * self.floats(&self.counts[at]);
        (x, Logits { normed, y, exponentials, totals, losses })
    }

    /// True at each target, `[g, vocab_size]`.
    fn wanted(&self, at: Range<usize>) -> Tensor<2, burn::tensor::Bool> {
        let vocab_size = self.decoder.config.vocab_size;
        let n = at.len();
        let ids = Tensor::<1, Int>::arange(0..vocab_size as i64, &self.decoder.device());
        let ids = ids.unsqueeze_dim::<2>(0).expand([n, vocab_size]);
        let targets = self.ints(&self.targets[at]).unsqueeze_dim::<2>(1).expand([n, vocab_size]);
        ids.equal(targets)
    }

    /// Losses at their places, 0 elsewhere.
    fn placed(&self, losses: Vec<Tensor<1>>) -> Tensor<2> {
        let [n_rows, length] = self.shape;
        let losses = Tensor::cat(losses, 0);
        Tensor::<1>::zeros([n_rows * length], &self.decoder.device())
            .select_assign(0, self.ints(&self.places), losses, IndexingUpdateOp::Add)
            .reshape(self.shape)
    }

    fn ints(&self, values: &[i32]) -> Tensor<1, Int> {
        let data = TensorData::new(values.to_vec(), [values.len()]);
        Tensor::from_data(data, &self.decoder.device())
    }

    fn floats(&self, values: &[f32]) -> Tensor<1> {
        let data = TensorData::new(values.to_vec(), [values.len()]);
        Tensor::from_data(data, &self.decoder.device())
    }
}
