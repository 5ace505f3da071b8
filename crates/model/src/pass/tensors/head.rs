//! The end of the decoder: final norm, output matrix and cross-entropy, a group of positions at a
//! time, so that all logits never exist together.

use std::ops::Range;

use burn::tensor::{Int, Tensor, TensorData};

use super::{norm::Normed, product::Products};
use crate::{
    Decoder, PackedRows, PassOptions,
    pass::destinations::{Destinations, SHAPES},
};

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
    /// Where what is computed for them stands among all positions.
    destinations: Destinations,
    /// Positions whose logits exist at the same time.
    group: usize,
    /// By which logits are divided.
    temperature: f32,
    trains_table: bool,
}

/// What a backward pass through the head gives.
pub(super) struct HeadGradients {
    /// `[n_rows, length]`.
    pub(super) losses: Tensor<2>,
    /// `[n_rows, length]`, 0 where they do not count; there with a starting model.
    pub(super) divergences: Option<Tensor<2>>,
    /// `[n, hidden]`.
    pub(super) x: Tensor<2>,
    /// `[hidden]`.
    pub(super) norm: Tensor<1>,
    /// `[vocab_size, hidden]`; none where nobody wants it.
    pub(super) table: Option<Tensor<2>>,
}

/// A starting model, from which positions are not to diverge.
pub(super) struct Pull<'a> {
    pub(super) head: Head<'a>,
    /// The input of its head, `[n, hidden]`.
    pub(super) x: Tensor<2>,
    /// How much the divergence of each position counts, `[n]`.
    pub(super) factors: &'a [f32],
}

/// The part of the head's work that all losses begin with.
struct Logits {
    normed: Normed,
    /// What the table is multiplied with, `[g, hidden]`, a factor.
    y: Tensor<2>,
    /// `e^(logit − largest)`, `[g, vocab_size]`.
    exponentials: Tensor<2>,
    /// Their sums, `[g, 1]`.
    totals: Tensor<2>,
    /// Losses, `[g]`.
    losses: Tensor<1>,
    /// `logit − largest`, `[g, vocab_size]`, where it is asked for.
    centred: Option<Tensor<2>>,
}

/// The starting model's side of a group.
struct Pulled {
    /// Its probabilities, `[g, vocab_size]`.
    starting: Tensor<2>,
    /// `[g, 1]`.
    factors: Tensor<2>,
    /// `[g]`.
    divergences: Tensor<1>,
}

impl Pull<'_> {
    /// This, where some position of a group counts.
    fn at(&self, head: &Head<'_>, at: Range<usize>) -> Option<&Self> {
        self.factors_of(head, at).iter().any(|factor| *factor > 0.0).then_some(self)
    }

    fn factors_of(&self, head: &Head<'_>, at: Range<usize>) -> Vec<f32> {
        let pairs = head.places[at.clone()].iter().zip(&head.counts[at]);
        pairs.map(|(place, count)| self.factors[*place as usize] * count).collect()
    }

    /// Computes the starting model's logits of a group beside those of the model that is trained.
    fn meet(&self, head: &Head<'_>, logits: &Logits, at: Range<usize>) -> Pulled {
        let factors = self.factors_of(head, at.clone());
        let counts: Vec<f32> =
            factors.iter().map(|factor| f32::from(u8::from(*factor > 0.0))).collect();
        let log_probabilities = |of: &Logits| {
            let centred = of.centred.clone().expect("asked for");
            centred - of.totals.clone().log()
        };
        let (_, starting) = self.head.logits(&self.x, at, true);
        let apart = log_probabilities(&starting) - log_probabilities(logits);
        let starting = starting.exponentials / starting.totals;
        let divergences = (starting.clone() * apart).sum_dim(1).squeeze_dim::<1>(1);
        let divergences = divergences * head.floats(&counts);
        Pulled { starting, factors: head.floats(&factors).unsqueeze_dim(1), divergences }
    }
}

impl<'a> Head<'a> {
    pub(super) fn new(
        decoder: &'a Decoder,
        rows: &PackedRows,
        products: Products,
        options: &PassOptions,
    ) -> Self {
        let n = rows.n_rows * rows.length;
        let supervised = (0..n).filter(|at| rows.loss_mask[*at]);
        let mut places: Vec<i32> = supervised.map(|at| at as i32).collect();
        let mut counts = vec![1.0; places.len()];
        let padded = places.len().max(1).next_multiple_of(n.div_ceil(SHAPES));
        places.resize(padded, 0);
        counts.resize(padded, 0.0);
        let to = |(at, count): (&i32, &f32)| (*count > 0.0).then_some(*at as usize);
        let to: Vec<Option<usize>> = places.iter().zip(&counts).map(to).collect();
        let targets = places.iter().map(|at| rows.targets[*at as usize] as i32).collect();
        let group = (options.most_logits / decoder.config.vocab_size).clamp(1, padded);
        Self {
            decoder,
            table: products.factor(decoder.output_matrix()),
            products,
            shape: [rows.n_rows, rows.length],
            places,
            targets,
            counts,
            destinations: Destinations::new(&to, n),
            group,
            temperature: options.temperature,
            trains_table: options.trains_tables,
        }
    }

    /// # Shapes
    /// - x: `[n, hidden]`
    /// - output: `[n_rows, length]`
    pub(super) fn losses(&self, x: Tensor<2>) -> Tensor<2> {
        let losses = self.groups().map(|at| self.logits(&x, at, false).1.losses);
        self.placed(losses.collect())
    }

    /// # Shapes
    /// - x: `[n, hidden]`
    /// - d_losses: `[n_rows, length]`
    pub(super) fn gradients(
        &self,
        x: Tensor<2>,
        d_losses: Tensor<2>,
        pull: Option<&Pull<'_>>,
    ) -> HeadGradients {
        let products = self.products;
        let [n_rows, length] = self.shape;
        let d_losses = d_losses.reshape([n_rows * length]);
        let (mut losses, mut divergences) = (Vec::new(), Vec::new());
        let mut dx = Vec::new();
        let mut sums: Option<(Tensor<1>, Option<Tensor<2>>)> = None;
        for at in self.groups() {
            let pull = pull.and_then(|pull| pull.at(self, at.clone()));
            let (x, logits) = self.logits(&x, at.clone(), pull.is_some());
            let pulled = pull.map(|pull| pull.meet(self, &logits, at.clone()));
            let Logits { normed, y, exponentials, totals, losses: of_group, .. } = logits;
            divergences.push(match &pulled {
                Some(pulled) => pulled.divergences.clone(),
                None => of_group.zeros_like(),
            });
            losses.push(of_group);
            let d_loss = d_losses.clone().select(0, self.ints(&self.places[at.clone()]))
                * self.floats(&self.counts[at.clone()]);
            let d_loss: Tensor<2> = d_loss.unsqueeze_dim(1);
            let wanted = self.wanted(at.clone()).float();
            let probabilities = exponentials / totals;
            let mut d_logits = (probabilities.clone() - wanted) * d_loss;
            if let Some(Pulled { starting, factors, .. }) = pulled {
                d_logits = d_logits + (probabilities - starting) * factors;
            }
            let d_logits = products.factor(d_logits);
            let d_normed = products.product(d_logits.clone(), self.table.clone());
            let (d_rows, of_norm) = normed.backward(x, self.tempered(d_normed));
            dx.push(d_rows);
            let of_table = self.trains_table.then(|| products.product(d_logits.transpose(), y));
            sums = Some(match sums {
                None => (of_norm, of_table),
                Some((norm, table)) => {
                    (norm + of_norm, table.zip(of_table).map(|(table, more)| table + more))
                }
            });
        }
        let (norm, table) = sums.expect("there is a group");
        let divergences = pull.map(|_| self.placed(divergences));
        let dx = self.destinations.sums(Tensor::cat(dx, 0));
        HeadGradients { losses: self.placed(losses), divergences, x: dx, norm, table }
    }

    /// Over the temperature: of what the table is multiplied with, and of its gradient.
    fn tempered(&self, y: Tensor<2>) -> Tensor<2> {
        if self.temperature == 1.0 { y } else { y / self.temperature }
    }

    fn groups(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let (n, group) = (self.places.len(), self.group);
        (0..n).step_by(group).map(move |first| first..n.min(first + group))
    }

    /// The group's rows of `x`, and what its losses come from.
    fn logits(&self, x: &Tensor<2>, at: Range<usize>, centred: bool) -> (Tensor<2>, Logits) {
        let x = x.clone().select(0, self.ints(&self.places[at.clone()]));
        let (y, normed) = Normed::forward(&self.decoder.norm, &x);
        let y = self.products.factor(self.tempered(y));
        let logits = self.products.forward(y.clone(), &self.table);
        let targets: Tensor<2, Int> = self.ints(&self.targets[at.clone()]).unsqueeze_dim(1);
        let largest = logits.clone().max_dim(1);
        let wanted = logits.clone().gather(1, targets);
        let shifted = logits - largest.clone();
        let centred = centred.then(|| shifted.clone());
        let exponentials = shifted.exp();
        let totals = exponentials.clone().sum_dim(1);
        let losses = (largest + totals.clone().log() - wanted).squeeze_dim::<1>(1);
        let losses = losses * self.floats(&self.counts[at]);
        (x, Logits { normed, y, exponentials, totals, losses, centred })
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
        self.destinations.sums(Tensor::cat(losses, 0).unsqueeze_dim(1)).reshape(self.shape)
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
