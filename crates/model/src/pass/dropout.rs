//! Dropout before a change of matrices that is trained in their place (Hu et al. 2021, arXiv 2106.09685, as
//! PEFT has it).
//!
//! A projection by W + Δ, Δ being the change, becomes W x + Δ (m ∘ x) = (W + Δ) x + Δ ((m − 1) ∘ x), where m is
//! 0 or 1 / (1 − rate) for each position and input of each matrix. The gradient of a matrix is then that of its
//! change, dy (m ∘ x)ᵀ.

use std::collections::BTreeMap;

use burn::tensor::{Tensor, TensorData};

use crate::{
    Decoder, Gradients, Objective, PackedRows, PassOptions,
    block::Block,
    linear::{Dropped, Linear},
    names::{BlockField, Field, fields},
    pass::blockwise,
};

/// Which changes see a part of their inputs.
#[allow(missing_debug_implementations, reason = "a function has nothing to show")]
pub struct Dropout<'a> {
    /// The change of each matrix, `[out, in]`, which is a part of it already, by the number of its place.
    pub changes: &'a BTreeMap<usize, Tensor<2>>,
    /// m − 1 for the matrix with this number, so many values: `[n_rows × length × in]`. Asked twice, it says
    /// the same.
    pub masks: &'a dyn Fn(usize, usize) -> Vec<f32>,
}

impl Decoder {
    /// [`Decoder::gradients`] with dropout before changes, by the pass that computes any decoder, in 32-bit
    /// floats.
    ///
    /// # Panics
    ///
    /// As [`Decoder::token_losses`].
    pub fn gradients_with_dropout(
        &self,
        rows: &PackedRows,
        objective: Objective<'_>,
        dropout: &Dropout<'_>,
        options: &PassOptions,
        gradients: &mut Gradients,
    ) -> Tensor<2> {
        rows.assert_valid(self.config().vocab_size);
        blockwise::gradients_with(self, rows, objective, Some(dropout), options, gradients)
    }
}

impl Dropout<'_> {
    /// The block with that number, whose projections drop what they are to drop.
    pub(super) fn over(
        &self,
        decoder: &Decoder,
        block: &Block,
        number: usize,
        rows: &PackedRows,
    ) -> Block {
        let mut block = block.clone();
        for (place, field) in fields(decoder.config()).enumerate() {
            let Field::Block(of, field) = field else { continue };
            let Some(change) = self.changes.get(&place).filter(|_| of == number) else { continue };
            let [_, input] = change.dims();
            let shape = [rows.n_rows, rows.length, input];
            let mask = (self.masks)(place, shape.iter().product());
            let mask = Tensor::from_data(TensorData::new(mask, shape), &change.device());
            let linear = linear_mut(&mut block, field).expect("changes are of matrices");
            linear.dropped = Some(Dropped { change: change.clone(), mask });
        }
        block
    }
}

/// Takes what drops along into autodiff: `block` was taken there before.
pub(super) fn track(block: &mut Block) {
    for field in BlockField::ALL {
        let Some(linear) = linear_mut(block, field) else { continue };
        linear.dropped = linear.dropped.take().map(|dropped| Dropped {
            change: dropped.change.autodiff().require_grad(),
            mask: dropped.mask.autodiff(),
        });
    }
}

/// The tensor whose gradient is added to that of the matrix.
pub(super) fn change(block: &mut Block, field: BlockField) -> Option<Tensor<2>> {
    Some(linear_mut(block, field)?.dropped.as_ref()?.change.clone())
}

fn linear_mut(block: &mut Block, field: BlockField) -> Option<&mut Linear> {
    use BlockField as B;
    let (attention, mlp) = (&mut block.attention, &mut block.mlp);
    match field {
        B::Query => Some(&mut attention.query),
        B::Key => Some(&mut attention.key),
        B::Value => Some(&mut attention.value),
        B::Output => Some(&mut attention.output),
        B::Gate => Some(&mut mlp.gate),
        B::Up => Some(&mut mlp.up),
        B::Down => Some(&mut mlp.down),
        B::AttentionNorm
        | B::QueryBias
        | B::KeyBias
        | B::ValueBias
        | B::QueryNorm
        | B::KeyNorm
        | B::OutputBias
        | B::AttentionPostNorm
        | B::MlpNorm
        | B::GateBias
        | B::UpBias
        | B::DownBias
        | B::MlpPostNorm => None,
    }
}
