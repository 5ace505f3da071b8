//! The decoder's training pass on the CPU, in three hand-written operations.
//!
//! ```text
//! embedding ─► (attention half ─► mlp half) × blocks ─► norm + output matrix + cross-entropy
//! ```
//!
//! burn's operations make one pass over memory each, and a fresh buffer for it. Here a chunk of
//! [`CHUNK`] positions stays in the cache from the norm to the residual sum, padding is not computed
//! at all, and attention costs the sum of squared segment lengths. Each operation has its own
//! backward pass and enters burn's autodiff graph as a backend extension, so that any loss can be
//! built on top. Tests hold all of it against the same decoder in burn's operations.
//!
//! Determinism: work is cut by shapes, never by the number of threads, and sums over pieces are
//! taken in order.

mod attention;
mod buffer;
mod gradient;
mod head;
mod matrix;
mod mlp;
mod norm;
mod segment;
mod tensors;
pub(crate) mod vector;

use std::sync::Arc;

use burn::{
    backend::Dispatch,
    tensor::{Device, Int, Tensor, TensorData},
};

use self::{attention::AttentionPlan, head::HeadPlan, segment::Heads, tensors::FusedOps};
use crate::{
    Config, Decoder, PackedRows,
    config::{Activation, Layer, NormPlacement},
    rope::{Rotation, Stretch},
};

/// Positions that go through an operation together: at widths up to about 1,000 their
/// intermediate values fit the second-level cache of one core.
const CHUNK: usize = 256;

/// Whether the fused operations work on this device.
pub(crate) fn runs_on(device: &Device) -> bool {
    *device == Device::flex()
}

/// Whether the fused operations compute what this configuration asks for: that of Llama.
pub(crate) fn computes(config: &Config) -> bool {
    let [rope] = &config.ropes[..] else { return false };
    config.norm_placement == NormPlacement::Before
        && config.norm_offset == 0.0
        && config.qk_norm.is_none()
        && !(config.qkv_bias || config.output_bias || config.mlp_bias)
        && config.activation == Activation::Silu
        && config.attention_soft_cap.is_none()
        && config.logit_soft_cap.is_none()
        && config.embedding_scale == 1.0
        && config.attention_scale == (config.head_dim as f64).powf(-0.5)
        && config.layers.iter().all(|layer| *layer == Layer { window: None, rope: Some(0) })
        && rope.dim == config.head_dim
        && !rope.depends_on_length()
}

/// [`Decoder::token_losses`] by the fused operations.
pub(crate) fn token_losses(decoder: &Decoder, rows: &PackedRows) -> Tensor<2> {
    let config = decoder.config();
    let epsilon = config.norm_epsilon as f32;
    let spans = rows.spans();
    let places: Vec<usize> =
        spans.iter().flat_map(|span| span.start..span.start + span.len).collect();
    let supervised: Vec<usize> =
        (0..places.len()).filter(|at| rows.loss_mask[places[*at]]).collect();
    let shape = [rows.n_rows, rows.length];
    if supervised.is_empty() {
        // Zeros that hang on a weight, so that a backward pass through them is possible.
        let nothing = decoder.embedding.val().slice([0..1, 0..1]) * 0.0;
        return nothing.expand(shape);
    }
    let longest = spans.iter().map(|span| span.len).max().unwrap_or(0);
    let attention = Arc::new(AttentionPlan {
        epsilon,
        heads: Heads {
            n_heads: config.n_heads,
            n_kv_heads: config.n_kv_heads,
            head_dim: config.head_dim,
            rotation: Rotation::new(
                &config.ropes[0],
                [Stretch { first: 0, len: longest }].into_iter(),
            ),
        },
        segments: spans.iter().map(|span| span.len).collect(),
    });
    let places_of = |at: &Vec<usize>| at.iter().map(|at| places[*at]).collect::<Vec<_>>();
    let head = Arc::new(HeadPlan {
        epsilon,
        targets: places_of(&supervised).iter().map(|place| rows.targets[*place] as usize).collect(),
        places: places_of(&supervised),
        supervised,
        output: shape,
    });

    let ids: Vec<i32> = places.iter().map(|place| rows.inputs[*place] as i32).collect();
    let n = ids.len();
    let ids = Tensor::<1, Int>::from_data(TensorData::new(ids, [n]), &decoder.device());
    let mut x = decoder.embedding.val().select(0, ids).into_dispatch();
    for block in &decoder.blocks {
        let weights = &block.attention;
        let [attention_norm, mlp_norm] = [&block.attention_norm, &block.mlp_norm]
            .map(|norm| norm.as_ref().expect("the norms stand before").weight.val());
        x = <Dispatch as FusedOps>::attention(
            x,
            attention_norm.into_dispatch(),
            weights.query.weight.val().into_dispatch(),
            weights.key.weight.val().into_dispatch(),
            weights.value.weight.val().into_dispatch(),
            weights.output.weight.val().into_dispatch(),
            attention.clone(),
        );
        let weights = &block.mlp;
        x = <Dispatch as FusedOps>::mlp(
            x,
            mlp_norm.into_dispatch(),
            weights.gate.weight.val().into_dispatch(),
            weights.up.weight.val().into_dispatch(),
            weights.down.weight.val().into_dispatch(),
            epsilon,
        );
    }
    let norm = decoder.norm.weight.val().into_dispatch();
    let table = decoder.output_matrix().into_dispatch();
    Tensor::from_dispatch(<Dispatch as FusedOps>::losses(x, norm, table, head))
}

#[cfg(test)]
mod tests;
