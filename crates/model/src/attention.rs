//! Grouped-query self-attention (Ainslie et al. 2023, arXiv:2305.13245) with rotary positions.

use burn::{
    module::{Module, Param},
    tensor::{Bool, Device, Tensor, TensorData, activation::softmax},
};

use crate::{generate::LayerCache, rope::RotationTensors, rows::PackedRows};

/// The four projections; matrices are `[out, in]`.
#[derive(Module, Debug)]
pub(crate) struct Attention {
    /// `[n_heads × head_dim, hidden_size]`.
    pub(crate) query: Param<Tensor<2>>,
    /// `[n_kv_heads × head_dim, hidden_size]`.
    pub(crate) key: Param<Tensor<2>>,
    /// `[n_kv_heads × head_dim, hidden_size]`.
    pub(crate) value: Param<Tensor<2>>,
    /// `[hidden_size, n_heads × head_dim]`.
    pub(crate) output: Param<Tensor<2>>,
    pub(crate) head_dim: usize,
}

impl Attention {
    /// Attends within what `hidden` does not cover.
    ///
    /// With a cache, the keys and values of `x` are put behind those already there, and queries
    /// see all of them.
    ///
    /// # Shapes
    /// - x, output: `[batch, seq, hidden_size]`
    /// - hidden: `[batch, 1, seq, keys]`, true where a query must not see a key
    pub(crate) fn forward(
        &self,
        x: Tensor<3>,
        rotation: &RotationTensors,
        hidden: &Tensor<4, Bool>,
        cache: Option<&mut LayerCache>,
    ) -> Tensor<3> {
        let [batch, seq, _] = x.dims();
        let query = rotation.apply(self.heads(x.clone(), &self.query));
        let mut key = rotation.apply(self.heads(x.clone(), &self.key));
        let mut value = self.heads(x, &self.value);
        if let Some(cache) = cache {
            (key, value) = cache.extend(key, value);
        }
        let [_, n_heads, _, head_dim] = query.dims();
        let [_, n_kv_heads, keys, _] = key.dims();
        // A group of query heads shares a key head: [batch, n_kv_heads, group × seq, head_dim].
        let group = n_heads / n_kv_heads;
        let query = query.reshape([batch, n_kv_heads, group * seq, head_dim]);
        let scores = query.matmul(key.swap_dims(2, 3)) * (head_dim as f64).powf(-0.5);
        let scores = scores
            .reshape([batch, n_heads, seq, keys])
            .mask_fill(hidden.clone().expand([batch, n_heads, seq, keys]), f32::NEG_INFINITY);
        let weights = softmax(scores, 3).reshape([batch, n_kv_heads, group * seq, keys]);
        let mixed = weights.matmul(value).reshape([batch, n_heads, seq, head_dim]);
        let mixed = mixed.swap_dims(1, 2).reshape([batch, seq, n_heads * head_dim]);
        mixed.matmul(self.output.val().transpose().unsqueeze())
    }

    /// Projects and splits: `[batch, heads, seq, head_dim]`.
    fn heads(&self, x: Tensor<3>, weight: &Param<Tensor<2>>) -> Tensor<4> {
        let [batch, seq, _] = x.dims();
        let weight = weight.val();
        let n_heads = weight.dims()[0] / self.head_dim;
        x.matmul(weight.transpose().unsqueeze())
            .reshape([batch, seq, n_heads, self.head_dim])
            .swap_dims(1, 2)
    }
}

/// What queries must not see in packed rows: later positions and other segments.
///
/// Padding is one more segment, which keeps every softmax over at least one key.
///
/// # Shapes
/// - output: `[n_rows, 1, length, length]`
pub(crate) fn packed_mask(rows: &PackedRows, device: &Device) -> Tensor<4, Bool> {
    let length = rows.length;
    let mut hidden = vec![true; rows.n_rows * length * length];
    for (row, lengths) in rows.segments.iter().enumerate() {
        let padding = length - lengths.iter().sum::<usize>();
        let mut start = 0;
        for len in lengths.iter().copied().chain([padding]) {
            for query in start..start + len {
                let at = (row * length + query) * length;
                hidden[at + start..=at + query].fill(false);
            }
            start += len;
        }
    }
    Tensor::from_data(TensorData::new(hidden, [rows.n_rows, 1, length, length]), device)
}

/// What `seq` new queries must not see behind `past` keys: later positions.
///
/// # Shapes
/// - output: `[1, 1, seq, past + seq]`
pub(crate) fn causal_mask(past: usize, seq: usize, device: &Device) -> Tensor<4, Bool> {
    let keys = past + seq;
    let hidden: Vec<bool> =
        (0..seq).flat_map(|query| (0..keys).map(move |key| key > past + query)).collect();
    Tensor::from_data(TensorData::new(hidden, [1, 1, seq, keys]), device)
}
