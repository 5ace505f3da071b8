//! A pass over packed rows: their losses, and the gradient of what an objective makes of them.
//!
//! ```text
//!                  ┌ cpu        slices, hand-written backward    the CPU, Llama, Qwen 2 and 3
//! rows ─► a pass ──┼ tensors    tensors, hand-written backward   any device, the same decoders
//!                  └ blockwise  burn's autodiff, block by block  any device, any decoder
//! ```
//!
//! All three give the same losses and gradients; tests hold them against each other.

pub(crate) mod blockwise;
mod cpu;
mod destinations;
mod dropout;
mod gradients;
mod near;
mod tensors;
#[cfg(test)]
pub(crate) mod testing;

pub(crate) use cpu::TABLE_PIECE;
pub use dropout::Dropout;
pub use gradients::Gradients;
pub use near::Near;

use burn::tensor::Tensor;

use crate::{
    Config, Decoder, PackedRows,
    config::{Activation, Layer, NormPlacement, QkNorm},
    cpu::is as is_cpu,
};

/// How a pass computes. A run keeps to one choice: another rounds otherwise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PassOptions {
    /// What products of matrices are computed in.
    pub precision: Precision,
    /// Blocks keep their input alone and compute the rest again in the backward pass
    /// (Chen et al. 2016, arXiv:1604.06174): a third more work, and memory for one block instead of all.
    pub recompute: bool,
    /// Logits that exist at the same time, in values.
    pub most_logits: usize,
    /// By which logits are divided: losses are those of what is sampled at that temperature.
    pub temperature: f32,
    /// Whether anybody wants the gradients of the embedding table and the output matrix. If not, what stands in
    /// their places says nothing, and hand-written backward passes save that product and its memory.
    pub trains_tables: bool,
}

/// What products of matrices are computed in. Weights, the residual stream, norms, softmax, sums and
/// the optimizer are 32-bit floats in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// 32-bit floats.
    F32,
    /// Factors are rounded to bfloat16 and added in 32-bit floats; devices other than the CPU round
    /// the products as well, as PyTorch's autocast does.
    Bf16,
}

impl Precision {
    /// Whether there is a pass for decoders of this shape that computes in it.
    pub fn is_computed_for(self, config: &Config) -> bool {
        self == Self::F32 || has_hand_written_pass(config)
    }
}

impl Default for PassOptions {
    /// Everything is kept and trained, at most 2^25 logits (128 MB), at temperature 1.
    fn default() -> Self {
        Self {
            precision: Precision::F32,
            recompute: false,
            most_logits: 1 << 25,
            temperature: 1.0,
            trains_tables: true,
        }
    }
}

/// What is made of the losses of positions, as far as a gradient needs to know.
#[allow(missing_debug_implementations, reason = "a function has nothing to show")]
pub enum Objective<'a> {
    /// Their sum, times this factor.
    Sum(f32),
    /// Any function of them: it is given the losses, `[n_rows, length]`, and gives its gradient
    /// with respect to each of them in the same shape.
    Gradient(&'a mut dyn FnMut(Tensor<2>) -> Tensor<2>),
    /// Their sum, times this factor, and the divergences from another model, each times its own; a pass
    /// leaves them here in nats, 0 where they do not count: `[n_rows, length]`.
    Near(f32, Near<'a>, &'a mut Option<Tensor<2>>),
}

impl Decoder {
    /// The loss of each position in nats, 0 where the mask is off.
    ///
    /// # Shapes
    /// - output: `[n_rows, length]`
    ///
    /// # Panics
    ///
    /// When the rows are malformed or have an id outside the vocabulary: both are defects of the
    /// caller, who checked its data when it was read.
    pub fn token_losses(&self, rows: &PackedRows) -> Tensor<2> {
        self.losses(rows, &PassOptions::default())
    }

    /// [`Decoder::token_losses`], computed as a training step would.
    ///
    /// # Panics
    ///
    /// As [`Decoder::token_losses`].
    pub fn losses(&self, rows: &PackedRows, options: &PassOptions) -> Tensor<2> {
        rows.assert_valid(self.config.vocab_size);
        match Kind::of(&self.config, self.is_on_cpu()) {
            Kind::Cpu => cpu::losses(self, rows, options),
            Kind::Tensors => tensors::losses(self, rows, options),
            Kind::Blockwise => blockwise::losses(self, rows, options),
        }
    }

    /// [`Decoder::token_losses`], and the gradient of the objective with respect to all weights,
    /// which replaces what was in `gradients`.
    ///
    /// # Shapes
    /// - output: `[n_rows, length]`
    ///
    /// # Panics
    ///
    /// As [`Decoder::token_losses`].
    pub fn gradients(
        &self,
        rows: &PackedRows,
        objective: Objective<'_>,
        options: &PassOptions,
        gradients: &mut Gradients,
    ) -> Tensor<2> {
        rows.assert_valid(self.config.vocab_size);
        let pass = match Kind::of(&self.config, self.is_on_cpu()) {
            Kind::Cpu => cpu::gradients,
            Kind::Tensors => tensors::gradients,
            Kind::Blockwise => blockwise::gradients,
        };
        pass(self, rows, objective, options, gradients)
    }

    /// Whether its tensors lie on the CPU.
    pub fn is_on_cpu(&self) -> bool {
        is_cpu(&self.device())
    }
}

/// The kinds of pass there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Cpu,
    Tensors,
    Blockwise,
}

impl Kind {
    /// The one that computes this decoder.
    pub(crate) fn of(config: &Config, on_cpu: bool) -> Self {
        match (has_hand_written_pass(config), on_cpu) {
            (true, true) => Self::Cpu,
            (true, false) => Self::Tensors,
            (false, _) => Self::Blockwise,
        }
    }
}

/// Whether a decoder computes what Llama, Qwen 2 or Qwen 3 does.
fn has_hand_written_pass(config: &Config) -> bool {
    let [rope] = &config.ropes[..] else { return false };
    config.norm_placement == NormPlacement::Before
        && config.norm_offset == 0.0
        && config.qk_norm != Some(QkNorm::Whole)
        && !(config.output_bias || config.mlp_bias)
        && config.activation == Activation::Silu
        && config.attention_soft_cap.is_none()
        && config.logit_soft_cap.is_none()
        && config.embedding_scale == 1.0
        && config.attention_scale == (config.head_dim as f64).powf(-0.5)
        && config.layers.iter().all(|layer| *layer == Layer { window: None, rope: Some(0) })
        && rope.dim == config.head_dim
        && !rope.depends_on_length()
}

#[cfg(test)]
mod tests;
