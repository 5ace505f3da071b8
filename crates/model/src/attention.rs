//! Grouped-query attention (Ainslie et al. 2023, arXiv:2305.13245) with rotary positions.

use burn::{
    module::Module,
    tensor::{Bool, Device, Tensor, TensorData, activation::softmax},
};

use crate::{
    config::{Layer, QkNorm},
    generate::LayerCache,
    linear::Linear,
    norm::Norm,
    rope::RotationTensors,
    rows::PackedRows,
};

/// The four projections and what happens between them.
#[derive(Module, Debug)]
pub(crate) struct Attention {
    /// `hidden_size` to `n_heads × head_dim`.
    pub(crate) query: Linear,
    /// `hidden_size` to `n_kv_heads × head_dim`.
    pub(crate) key: Linear,
    /// `hidden_size` to `n_kv_heads × head_dim`.
    pub(crate) value: Linear,
    /// `n_heads × head_dim` to `hidden_size`.
    pub(crate) output: Linear,
    pub(crate) query_norm: Option<Norm>,
    pub(crate) key_norm: Option<Norm>,
    #[module(skip)]
    pub(crate) shape: AttentionShape,
}

/// What attention computes besides its weights.
#[derive(Clone, Debug)]
pub(crate) struct AttentionShape {
    pub(crate) head_dim: usize,
    pub(crate) qk_norm: Option<QkNorm>,
    /// What scores are multiplied by.
    pub(crate) scale: f64,
    pub(crate) soft_cap: Option<f64>,
    pub(crate) layer: Layer,
}

/// What all layers read of a batch: angles for each rope, and what queries must not see.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    /// One entry for each rope of the configuration.
    pub(crate) rotations: Vec<RotationTensors>,
    /// One entry for each window that occurs: `[batch, 1, seq, keys]`, true where a query must not
    /// see a key.
    pub(crate) hidden: Vec<(Option<usize>, Tensor<4, Bool>)>,
}

impl Surroundings {
    fn hidden(&self, window: Option<usize>) -> Tensor<4, Bool> {
        let found = self.hidden.iter().find(|(of, _)| *of == window);
        found.expect("there is a mask for each window of the configuration").1.clone()
    }
}

impl Attention {
    /// Attends within what the mask of this layer leaves.
    ///
    /// With a cache, the keys and values of `x` are put behind those already there, and queries
    /// see all of them.
    ///
    /// # Shapes
    /// - x, output: `[batch, seq, hidden_size]`
    pub(crate) fn forward(
        &self,
        x: Tensor<3>,
        around: &Surroundings,
        cache: Option<&mut LayerCache>,
    ) -> Tensor<3> {
        let [batch, seq, _] = x.dims();
        let mut query = self.heads(self.query.forward(x.clone()), self.query_norm.as_ref());
        let mut key = self.heads(self.key.forward(x.clone()), self.key_norm.as_ref());
        let mut value = self.heads(self.value.forward(x), None);
        if let Some(rope) = self.shape.layer.rope {
            query = around.rotations[rope].apply(query);
            key = around.rotations[rope].apply(key);
        }
        if let Some(cache) = cache {
            (key, value) = cache.extend(key, value);
        }
        let [_, n_heads, _, head_dim] = query.dims();
        let [_, n_kv_heads, keys, _] = key.dims();
        // A group of query heads shares a key head: [batch, n_kv_heads, group × seq, head_dim].
        let group = n_heads / n_kv_heads;
        let query = query.reshape([batch, n_kv_heads, group * seq, head_dim]);
        let mut scores = query.matmul(key.swap_dims(2, 3)) * self.shape.scale;
        if let Some(cap) = self.shape.soft_cap {
            scores = (scores / cap).tanh() * cap;
        }
        let hidden = around.hidden(self.shape.layer.window);
        let scores = scores
            .reshape([batch, n_heads, seq, keys])
            .mask_fill(hidden.expand([batch, n_heads, seq, keys]), f32::NEG_INFINITY);
        let weights = softmax(scores, 3).reshape([batch, n_kv_heads, group * seq, keys]);
        let mixed = weights.matmul(value).reshape([batch, n_heads, seq, head_dim]);
        self.output.forward(mixed.swap_dims(1, 2).reshape([batch, seq, n_heads * head_dim]))
    }

    /// Splits into heads, normed where there is a norm: `[batch, heads, seq, head_dim]`.
    fn heads(&self, x: Tensor<3>, norm: Option<&Norm>) -> Tensor<4> {
        let [batch, seq, width] = x.dims();
        let head_dim = self.shape.head_dim;
        let split = |x: Tensor<3>| x.reshape([batch, seq, width / head_dim, head_dim]);
        let heads = match (norm, self.shape.qk_norm) {
            (Some(norm), Some(QkNorm::Head)) => norm.forward(split(x)),
            (Some(norm), Some(QkNorm::Whole)) => split(norm.forward(x)),
            (None, _) | (_, None) => split(x),
        };
        heads.swap_dims(1, 2)
    }
}

/// What queries must not see in packed rows: later positions, those before the window, and other
/// segments.
///
/// Padding is one more segment, which keeps every softmax over at least one key.
///
/// # Shapes
/// - output: `[n_rows, 1, length, length]`
pub(crate) fn packed_mask(
    rows: &PackedRows,
    window: Option<usize>,
    device: &Device,
) -> Tensor<4, Bool> {
    let length = rows.length;
    let mut hidden = vec![true; rows.n_rows * length * length];
    for (row, lengths) in rows.segments.iter().enumerate() {
        let padding = length - lengths.iter().sum::<usize>();
        let mut start = 0;
        for len in lengths.iter().copied().chain([padding]) {
            for query in start..start + len {
                let at = (row * length + query) * length;
                let first = first_seen(query, window).max(start);
                hidden[at + first..=at + query].fill(false);
            }
            start += len;
        }
    }
    Tensor::from_data(TensorData::new(hidden, [rows.n_rows, 1, length, length]), device)
}

/// What queries of one sequence must not see: later positions and those before the window.
///
/// # Shapes
/// - output: `[1, 1, seq, seq]`
pub(crate) fn causal_mask(seq: usize, window: Option<usize>, device: &Device) -> Tensor<4, Bool> {
    let hidden: Vec<bool> = (0..seq)
        .flat_map(|query| {
            let first = first_seen(query, window);
            (0..seq).map(move |key| key > query || key < first)
        })
        .collect();
    Tensor::from_data(TensorData::new(hidden, [1, 1, seq, seq]), device)
}

/// The first position that a query sees; a window counts the query's own.
pub(crate) fn first_seen(query: usize, window: Option<usize>) -> usize {
    window.map_or(0, |window| (query + 1).saturating_sub(window))
}
