//! A pass by burn's autodiff, one block at a time: any decoder, any device.
//!
//! The forward pass keeps the input of each block alone. The backward pass computes a block again
//! with autodiff on and takes its gradients out before it goes on, so that one block's intermediate
//! values exist at a time (Chen et al. 2016, arXiv:1604.06174). The same holds for the head over
//! groups of positions.

mod embedding;

use std::collections::BTreeMap;

use burn::{
    module::Module,
    tensor::{Gradients as Tape, Tensor, activation::log_softmax},
};

use self::embedding::Adding;
use super::{Dropout, Gradients, Objective, PassOptions, dropout};
use crate::{
    Decoder, PackedRows,
    attention::Surroundings,
    block::Block,
    decoder::ParamRef,
    loss,
    names::{BlockField, Field, fields},
};

/// Gradients by the tensor they are of, each flat.
type ByField = BTreeMap<Field, Tensor<1>>;

/// [`Decoder::token_losses`] in burn's operations.
pub(crate) fn losses(decoder: &Decoder, rows: &PackedRows, options: &PassOptions) -> Tensor<2> {
    let x = last(decoder, rows, &decoder.surroundings(rows));
    Head::new(rows, x, options).losses(decoder)
}

/// The input of the head, `[n, hidden]`.
fn last(decoder: &Decoder, rows: &PackedRows, around: &Surroundings) -> Tensor<2> {
    let x = decoder.embed_ids(&rows.inputs, rows.n_rows);
    flat(decoder.blocks.iter().fold(x, |x, block| block.forward(x, around, None)))
}

/// [`Decoder::gradients`] in burn's operations.
pub(crate) fn gradients(
    decoder: &Decoder,
    rows: &PackedRows,
    objective: Objective<'_>,
    options: &PassOptions,
    gradients: &mut Gradients,
) -> Tensor<2> {
    gradients_with(decoder, rows, objective, None, options, gradients)
}

/// [`Decoder::gradients_with_dropout`].
pub(super) fn gradients_with(
    decoder: &Decoder,
    rows: &PackedRows,
    objective: Objective<'_>,
    dropout: Option<&Dropout<'_>>,
    options: &PassOptions,
    gradients: &mut Gradients,
) -> Tensor<2> {
    // Masks are as large as activations: those of one block exist at a time.
    let block = |number: usize| match dropout {
        Some(dropout) => dropout.over(decoder, &decoder.blocks[number], number, rows),
        None => decoder.blocks[number].clone(),
    };
    let around = decoder.surroundings(rows);
    let mut inputs = Vec::with_capacity(decoder.blocks.len());
    let mut x = decoder.embed_ids(&rows.inputs, rows.n_rows);
    let shape = x.dims();
    for number in 0..decoder.blocks.len() {
        let y = block(number).forward(x.clone(), &around, None);
        inputs.push(std::mem::replace(&mut x, y));
    }
    let mut found = ByField::new();
    let head = Head::new(rows, flat(x), options);
    let every = |factor| Tensor::full([rows.n_rows, rows.length], factor, &decoder.device());
    let mut near = None;
    let d_losses = match objective {
        Objective::Sum(factor) => every(factor),
        Objective::Gradient(gradient) => gradient(head.losses(decoder)),
        Objective::Near(factor, of, divergences) => {
            near = Some((of, divergences));
            every(factor)
        }
    };
    let pull = near.as_ref().map(|(near, _)| {
        let x = last(near.starting, rows, &around);
        Pull { decoder: near.starting, head: Head::new(rows, x, options), factors: near.factors }
    });
    let (losses, divergences, dx) = head.gradients(decoder, d_losses, pull.as_ref(), &mut found);
    if let Some((_, target)) = near {
        *target = Some(divergences);
    }
    let mut dx = dx.reshape(shape);
    for (number, x) in inputs.into_iter().enumerate().rev() {
        let of_block = |field| Field::Block(number, field);
        dx = block_backward(block(number), x, dx, &around, |field, gradient| {
            found.insert(of_block(field), gradient);
        });
    }
    let adding = if decoder.is_on_cpu() { Adding::Scattered } else { Adding::Gathered };
    embedding::gradient(decoder, rows, flat(dx), adding, &mut found);
    let in_order = fields(decoder.config());
    let take = |field| found.remove(&field).expect("each tensor has a gradient");
    gradients.replace(in_order.map(take).collect());
    losses
}

/// The gradient of a block's input; those of its weights go to `found`.
fn block_backward(
    block: Block,
    x: Tensor<3>,
    dy: Tensor<3>,
    around: &Surroundings,
    mut found: impl FnMut(BlockField, Tensor<1>),
) -> Tensor<3> {
    let mut block = block.train();
    dropout::track(&mut block);
    let x = x.autodiff().require_grad();
    let y = block.forward(x.clone(), around, None);
    let mut tape = (y * dy.autodiff()).sum().backward();
    for field in BlockField::ALL {
        let Some(param) = block.param(field) else { continue };
        let gradient = param.gradient(&mut tape);
        let of_change = dropout::change(&mut block, field).and_then(|it| it.grad_remove(&mut tape));
        found(
            field,
            match of_change {
                Some(of_change) => gradient.clone() + of_change.reshape(gradient.dims()),
                None => gradient,
            },
        );
    }
    x.grad_remove(&mut tape).expect("the input of a block has a gradient")
}

/// A starting model, from which positions are not to diverge.
struct Pull<'a> {
    decoder: &'a Decoder,
    head: Head<'a>,
    /// How much the divergence of each position counts, `[n]`.
    factors: &'a [f32],
}

impl Pull<'_> {
    /// Of a group the divergences of a model with these logits, each times its factor, and how much each is
    /// where it counts; `None` where none does.
    fn of(&self, group: (usize, usize), logits: Tensor<2>) -> Option<[Tensor<1>; 2]> {
        let (first, len) = group;
        let at = first..first + len;
        let mask = &self.head.rows.loss_mask[at.clone()];
        let factors = self.factors[at].iter().zip(mask);
        let factors: Vec<f32> =
            factors.map(|(factor, carries)| if *carries { *factor } else { 0.0 }).collect();
        if !factors.iter().any(|factor| *factor > 0.0) {
            return None;
        }
        let counts: Vec<f32> =
            factors.iter().map(|factor| f32::from(u8::from(*factor > 0.0))).collect();
        let device = logits.device();
        let floats = |values: &[f32]| Tensor::<1>::from_data(values, &device);
        let (_, starting) = self.head.logits(self.decoder, group);
        let starting = log_softmax(starting, 1);
        let starting = if device.is_autodiff() { starting.autodiff() } else { starting };
        let apart = starting.clone() - log_softmax(logits, 1);
        let divergences = (starting.exp() * apart).sum_dim(1).squeeze_dim::<1>(1);
        Some([divergences.clone() * floats(&factors), divergences * floats(&counts)])
    }
}

/// The head over groups of positions.
struct Head<'a> {
    rows: &'a PackedRows,
    /// `[n, hidden]`, n = n_rows × length.
    x: Tensor<2>,
    /// Positions whose logits exist at the same time.
    most_logits: usize,
    temperature: f32,
}

impl<'a> Head<'a> {
    fn new(rows: &'a PackedRows, x: Tensor<2>, options: &PassOptions) -> Self {
        Self { rows, x, most_logits: options.most_logits, temperature: options.temperature }
    }

    /// First position and number of positions of each group.
    fn groups(&self, decoder: &Decoder) -> impl Iterator<Item = (usize, usize)> + use<> {
        let [n, _] = self.x.dims();
        let size = (self.most_logits / decoder.config().vocab_size).max(1);
        (0..n).step_by(size).map(move |first| (first, size.min(n - first)))
    }

    fn losses(&self, decoder: &Decoder) -> Tensor<2> {
        let groups = self.groups(decoder);
        let losses = groups.map(|(first, len)| {
            let (_, logits) = self.logits(decoder, (first, len));
            loss::cross_entropy(logits, self.rows, first)
        });
        self.placed(losses.collect())
    }

    /// Losses, divergences, and the gradient of the input, `[n, hidden]`.
    fn gradients(
        &self,
        decoder: &Decoder,
        d_losses: Tensor<2>,
        pull: Option<&Pull<'_>>,
        found: &mut ByField,
    ) -> (Tensor<2>, Tensor<2>, Tensor<2>) {
        let d_losses = d_losses.reshape([self.rows.n_rows * self.rows.length]);
        // The blocks would be copied along; the head does not need them.
        let head = Decoder { blocks: Vec::new(), ..decoder.clone() }.train();
        let (mut losses, mut divergences, mut dx) = (Vec::new(), Vec::new(), Vec::new());
        for (first, len) in self.groups(decoder) {
            let (x, logits) = self.logits(&head, (first, len));
            let group_losses = loss::cross_entropy(logits.clone(), self.rows, first);
            let d_losses = d_losses.clone().narrow(0, first, len).autodiff();
            let mut goal = (group_losses.clone() * d_losses).sum();
            let none = group_losses.clone().inner().zeros_like();
            divergences.push(match pull.and_then(|pull| pull.of((first, len), logits)) {
                Some([weighted, plain]) => {
                    goal = goal + weighted.sum();
                    plain.inner()
                }
                None => none,
            });
            let mut tape = goal.backward();
            losses.push(group_losses.inner());
            dx.push(x.grad_remove(&mut tape).expect("the input of the head has a gradient"));
            let table = if head.head.is_some() { Field::Head } else { Field::Embedding };
            for field in [Field::Norm, table] {
                let gradient = head.param(field).gradient(&mut tape);
                let sum = match found.remove(&field) {
                    Some(sum) => sum + gradient,
                    None => gradient,
                };
                found.insert(field, sum);
            }
        }
        (self.placed(losses), self.placed(divergences), Tensor::cat(dx, 0))
    }

    /// A group's input and its logits; with autodiff where the decoder has it.
    fn logits(&self, decoder: &Decoder, (first, len): (usize, usize)) -> (Tensor<2>, Tensor<2>) {
        let x = self.x.clone().narrow(0, first, len);
        let x = match decoder.device().is_autodiff() {
            true => x.autodiff().require_grad(),
            false => x,
        };
        let logits = decoder.project(decoder.norm.forward(x.clone()).unsqueeze());
        let logits = logits.squeeze_dim::<2>(0);
        (x, if self.temperature == 1.0 { logits } else { logits / self.temperature })
    }

    fn placed(&self, losses: Vec<Tensor<1>>) -> Tensor<2> {
        Tensor::cat(losses, 0).reshape([self.rows.n_rows, self.rows.length])
    }
}

fn flat(x: Tensor<3>) -> Tensor<2> {
    let [rows, length, width] = x.dims();
    x.reshape([rows * length, width])
}

impl ParamRef<'_> {
    /// Takes the gradient out of a backward pass; zeros where the loss does not depend on it.
    fn gradient(&self, tape: &mut Tape) -> Tensor<1> {
        match self {
            ParamRef::Vector(param) => {
                let value = param.val();
                value.grad_remove(tape).unwrap_or_else(|| value.inner().zeros_like())
            }
            ParamRef::Matrix(param) => {
                let value = param.val();
                let [rows, columns] = value.dims();
                let gradient = value.grad_remove(tape);
                gradient.unwrap_or_else(|| value.inner().zeros_like()).reshape([rows * columns])
            }
        }
    }
}
