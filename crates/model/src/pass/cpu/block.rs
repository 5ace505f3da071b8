//! A block: the attention half, and the feed-forward half.

use super::{
    attention::{self, AttentionPlan, AttentionSaved, AttentionTargets, AttentionWeights},
    mlp::{self, MlpSaved, MlpTargets, MlpWeights},
    slots::Slots,
};
use crate::{
    cpu::{
        buffer::Buffer,
        weights::{LayerWeights, NormWeights},
    },
    names::{BlockField as B, Field},
};

/// One block with its weights.
pub(super) struct Block<'a> {
    pub(super) number: usize,
    pub(super) weights: &'a LayerWeights,
    pub(super) plan: &'a AttentionPlan,
}

/// What a block's forward pass leaves for its backward pass, besides its input.
#[derive(Debug)]
pub(super) struct Inside {
    /// Between attention and the feed-forward part.
    pub(super) middle: Buffer,
    pub(super) attention: AttentionSaved,
    pub(super) mlp: MlpSaved,
}

impl Block<'_> {
    pub(super) fn attention(&self, x: &[f32]) -> (Buffer, AttentionSaved) {
        attention::forward(x, &self.attention_weights(), self.plan)
    }

    pub(super) fn mlp(&self, x: &[f32]) -> (Buffer, MlpSaved) {
        mlp::forward(x, &self.mlp_weights())
    }

    /// What [`Block::attention`] and [`Block::mlp`] leave, computed again.
    pub(super) fn inside(&self, x: &[f32]) -> Inside {
        let (middle, attention) = self.attention(x);
        let (_, mlp) = self.mlp(&middle);
        Inside { middle, attention, mlp }
    }

    pub(super) fn attention_backward(
        &self,
        x: &[f32],
        dy: &[f32],
        saved: &AttentionSaved,
        slots: &mut Slots<'_>,
    ) -> Buffer {
        let mut slot = |field| slots.take(Field::Block(self.number, field));
        let weights = self.attention_weights();
        let targets = AttentionTargets {
            norm: slot(B::AttentionNorm),
            query: slot(B::Query),
            key: slot(B::Key),
            value: slot(B::Value),
            output: slot(B::Output),
            biases: (weights.biases)
                .map(|_| [B::QueryBias, B::KeyBias, B::ValueBias].map(&mut slot)),
            head_norms: weights.head_norms.map(|_| [B::QueryNorm, B::KeyNorm].map(&mut slot)),
        };
        attention::backward(x, dy, &weights, self.plan, saved, targets)
    }

    pub(super) fn mlp_backward(
        &self,
        x: &[f32],
        dy: &[f32],
        saved: MlpSaved,
        slots: &mut Slots<'_>,
    ) -> Buffer {
        let mut slot = |field| slots.take(Field::Block(self.number, field));
        let targets = MlpTargets {
            norm: slot(B::MlpNorm),
            gate: slot(B::Gate),
            up: slot(B::Up),
            down: slot(B::Down),
        };
        mlp::backward(x, dy, &self.mlp_weights(), saved, targets)
    }

    fn attention_weights(&self) -> AttentionWeights<'_> {
        let LayerWeights { query, key, value, query_norm, key_norm, .. } = self.weights;
        let biases = query.bias.as_ref().zip(key.bias.as_ref()).zip(value.bias.as_ref());
        let head_norms = query_norm.as_ref().zip(key_norm.as_ref());
        AttentionWeights {
            norm: &before(&self.weights.attention_norm).weight,
            query: &query.weight,
            key: &key.weight,
            value: &value.weight,
            output: &self.weights.output.weight,
            biases: biases.map(|((query, key), value)| [&**query, &**key, &**value]),
            head_norms: head_norms.map(|(query, key)| [&query.weight[..], &key.weight[..]]),
        }
    }

    fn mlp_weights(&self) -> MlpWeights<'_> {
        let norm = before(&self.weights.mlp_norm);
        MlpWeights {
            norm: &norm.weight,
            gate: &self.weights.gate.weight,
            up: &self.weights.up.weight,
            down: &self.weights.down.weight,
            epsilon: norm.epsilon,
            factors: self.plan.factors,
        }
    }
}

/// The norm that stands before a part.
fn before(norm: &Option<NormWeights>) -> &NormWeights {
    norm.as_ref().expect("where this pass is computed, norms stand before")
}
