//! What computes logits: on the CPU plain slices, elsewhere burn's operations.

use super::{cpu::CpuEngine, tensors::TensorEngine};
use crate::Decoder;

/// The sequences in the making, on whatever device the decoder lies.
#[derive(Debug)]
pub(super) enum Engine<'a> {
    Cpu(Box<CpuEngine<'a>>),
    Tensors(TensorEngine<'a>),
}

impl<'a> Engine<'a> {
    /// For a decoder without autodiff, and at most `max_tokens` after each prompt.
    pub(super) fn new(decoder: &'a Decoder, max_tokens: usize) -> Self {
        if decoder.is_on_cpu() {
            Self::Cpu(Box::new(CpuEngine::new(decoder)))
        } else {
            Self::Tensors(TensorEngine::new(decoder, max_tokens))
        }
    }

    /// Logits after the last token of each prompt, `[prompts, vocab_size]`; forgets what was there.
    pub(super) fn prefill(&mut self, prompts: &[&[u32]]) -> Vec<f32> {
        match self {
            Self::Cpu(engine) => engine.prefill(prompts),
            Self::Tensors(engine) => engine.prefill(prompts),
        }
    }

    /// Makes the sequences with these numbers the sequences there are; one may occur several times.
    pub(super) fn select(&mut self, numbers: &[usize]) {
        match self {
            Self::Cpu(engine) => engine.select(numbers),
            Self::Tensors(engine) => engine.select(numbers),
        }
    }

    /// Logits after one more token of each sequence, `[sequences, vocab_size]`.
    pub(super) fn step(&mut self, tokens: &[u32]) -> Vec<f32> {
        match self {
            Self::Cpu(engine) => engine.step(tokens),
            Self::Tensors(engine) => engine.step(tokens),
        }
    }
}

#[cfg(test)]
mod tests;
