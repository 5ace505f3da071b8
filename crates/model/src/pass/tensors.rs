//! A pass on any device, on tensors, for Llama, Qwen 2 and 3.
//!
//! The backward pass is written by hand: it keeps what it needs and no more, computes attention
//! scores again for a block of queries at a time, and takes the gradient of the logits a group of
//! positions at a time. Elementwise operations stand next to each other, for a device that fuses
//! them.
//!
//! Precision: products of matrices are in the type of [`Precision`]; the residual stream, norms,
//! softmax and sums, and the gradients of weights are 32-bit floats.

mod attention;
mod head;
mod mlp;
mod norm;
mod product;
mod projection;

use burn::tensor::{Int, Tensor, TensorData};

use self::{
    attention::{Attention, AttentionSaved, Layout},
    head::{Head, Pull},
    mlp::{Mlp, MlpSaved},
    product::Products,
};
use super::{Gradients, Objective, PassOptions, destinations::Destinations};
use crate::{Decoder, PackedRows};

/// [`Decoder::token_losses`] by this pass.
pub(super) fn losses(decoder: &Decoder, rows: &PackedRows, options: &PassOptions) -> Tensor<2> {
    let pass = Pass::new(decoder, rows, options);
    pass.head().losses(pass.last())
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
    let mut kept = Vec::with_capacity(decoder.blocks.len());
    let mut x = pass.embed();
    for number in 0..decoder.blocks.len() {
        let (middle, attention) = pass.attention(number).forward(x.clone());
        let (y, mlp) = pass.mlp(number).forward(middle.clone());
        let inside = (!options.recompute).then_some(Inside { middle, attention, mlp });
        kept.push((std::mem::replace(&mut x, y), inside));
    }
    let head = pass.head();
    let every = |factor| Tensor::full([rows.n_rows, rows.length], factor, &decoder.device());
    let mut near = None;
    let d_losses = match objective {
        Objective::Sum(factor) => every(factor),
        Objective::Gradient(gradient) => gradient(head.losses(x.clone())),
        Objective::Near(factor, of, divergences) => {
            near = Some((of, divergences));
            every(factor)
        }
    };
    let starting = near.as_ref().map(|(near, _)| Pass::new(near.starting, rows, options));
    let pull = near.as_ref().zip(starting.as_ref()).map(|((near, _), starting)| Pull {
        head: starting.head(),
        x: starting.last(),
        factors: near.factors,
    });
    let found = head.gradients(x, d_losses, pull.as_ref());
    if let Some((_, divergences)) = near {
        *divergences = found.divergences;
    }
    let (losses, mut dx) = (found.losses, found.x);
    let mut of_blocks = Vec::with_capacity(kept.len());
    for (number, (x, inside)) in kept.into_iter().enumerate().rev() {
        let (attention, mlp) = (pass.attention(number), pass.mlp(number));
        let inside = inside.unwrap_or_else(|| {
            let (middle, attention) = attention.forward(x.clone());
            let (_, mlp) = mlp.forward(middle.clone());
            Inside { middle, attention, mlp }
        });
        let (d_middle, of_mlp) = mlp.backward(inside.middle, dx, inside.mlp);
        let (d_input, of_attention) = attention.backward(x, d_middle, inside.attention);
        dx = d_input;
        of_blocks.push(of_attention.into_iter().chain(of_mlp).collect::<Vec<_>>());
    }
    let (embedding, head) = pass.table_gradients(dx, found.table);
    let blocks = of_blocks.into_iter().rev().flatten();
    let in_order = [embedding].into_iter().chain(blocks).chain([found.norm]);
    gradients.replace(in_order.chain(head).collect());
    losses
}

/// What all operations of a pass read.
struct Pass<'a> {
    decoder: &'a Decoder,
    rows: &'a PackedRows,
    options: &'a PassOptions,
    layout: Layout,
    products: Products,
}

/// What a block's forward pass leaves for its backward pass, besides its input.
struct Inside {
    /// Between attention and the feed-forward part.
    middle: Tensor<2>,
    attention: AttentionSaved,
    mlp: MlpSaved,
}

impl<'a> Pass<'a> {
    fn new(decoder: &'a Decoder, rows: &'a PackedRows, options: &'a PassOptions) -> Self {
        let layout = Layout::new(decoder, rows);
        Self { decoder, rows, options, layout, products: Products::new(options.precision) }
    }

    /// The input of the head, `[n_rows × length, hidden]`.
    fn last(&self) -> Tensor<2> {
        (0..self.decoder.blocks.len()).fold(self.embed(), |x, number| {
            let (x, _) = self.attention(number).forward(x);
            self.mlp(number).forward(x).0
        })
    }

    /// `[n_rows × length, hidden]`.
    fn embed(&self) -> Tensor<2> {
        self.decoder.embedding.val().select(0, self.ids())
    }

    /// The gradients of the embedding table and of an output matrix of its own, flat; zeros where nobody wants
    /// them. That of embeddings is added to that of a tied output matrix.
    fn table_gradients(
        &self,
        dx: Tensor<2>,
        output: Option<Tensor<2>>,
    ) -> (Tensor<1>, Option<Tensor<1>>) {
        let is_tied = self.decoder.config.tie_word_embeddings;
        let Some(output) = output else {
            let n = self.decoder.embedding.val().shape().num_elements();
            let zeros = Tensor::zeros([n], &self.decoder.device());
            return (zeros.clone(), (!is_tied).then_some(zeros));
        };
        let vocab_size = self.decoder.config.vocab_size;
        let embedding = Destinations::of_ids(&self.rows.inputs, vocab_size).sums(dx);
        match is_tied {
            true => (flat(embedding + output), None),
            false => (flat(embedding), Some(flat(output))),
        }
    }

    fn ids(&self) -> Tensor<1, Int> {
        let ids: Vec<i32> = self.rows.inputs.iter().map(|id| *id as i32).collect();
        let n = ids.len();
        Tensor::from_data(TensorData::new(ids, [n]), &self.decoder.device())
    }

    fn attention(&self, number: usize) -> Attention<'_> {
        let block = &self.decoder.blocks[number];
        Attention::new(&self.decoder.config, block, &self.layout, self.products)
    }

    fn mlp(&self, number: usize) -> Mlp {
        Mlp::new(&self.decoder.blocks[number], self.products)
    }

    fn head(&self) -> Head<'_> {
        Head::new(self.decoder, self.rows, self.products, self.options)
    }
}

fn flat(matrix: Tensor<2>) -> Tensor<1> {
    let [rows, columns] = matrix.dims();
    matrix.reshape([rows * columns])
}

#[cfg(test)]
mod tests;
