//! The attention half of a block, with its norm and its residual: `y = x + attention(norm(x))`.
//!
//! Scores exist for a block of queries at a time, against the keys from the start of the earliest
//! segment in the block to its end: rows of short documents cost the sum of squared segment lengths,
//! up to the size of a block. The backward pass computes them again from the logarithm of each
//! softmax's denominator (Dao et al. 2022, arXiv:2205.14135).

use std::ops::Range;

use burn::tensor::{Bool, FloatDType::F32, Int, Tensor, TensorData};

use super::{
    norm::Normed,
    product::Products,
    projection::{Projection, Unnormed},
};
use crate::{
    Config, Decoder, PackedRows,
    block::Block,
    linear::Linear,
    norm::Norm,
    rope::{Rotation, RotationTensors, Stretch},
};

/// Queries whose scores exist at the same time.
const QUERIES: usize = 512;

/// Where segments lie in the rows of a pass: the same for all layers.
pub(super) struct Layout {
    n_rows: usize,
    length: usize,
    rotation: RotationTensors,
    blocks: Vec<QueryBlock>,
}

/// Some queries of every row, and the keys they can see.
struct QueryBlock {
    queries: Range<usize>,
    keys: Range<usize>,
    /// True where a query does not see a key, `[n_rows, 1, queries, keys]`.
    hidden: Tensor<4, Bool>,
}

impl Layout {
    pub(super) fn new(decoder: &Decoder, rows: &PackedRows) -> Self {
        let device = decoder.device();
        // Padding is one more segment: every query sees a key.
        let lengths: Vec<Vec<usize>> = (rows.segments.iter())
            .map(|lengths| {
                let padding = rows.length - lengths.iter().sum::<usize>();
                lengths.iter().copied().chain([padding]).filter(|len| *len > 0).collect()
            })
            .collect();
        let starts: Vec<Vec<usize>> = lengths.iter().map(|lengths| starts(lengths)).collect();
        let stretches = lengths.iter().flatten().map(|len| Stretch { first: 0, len: *len });
        let rotation = Rotation::new(&decoder.config.ropes[0], stretches);
        let ints = |values: Vec<i32>, shape: [usize; 2]| {
            Tensor::<2, Int>::from_data(TensorData::new(values, shape), &device)
        };
        let shape = [rows.n_rows, rows.length];
        let of_segment = starts.iter().flatten().map(|start| *start as i32).collect();
        // The start of a position's segment: a query sees the keys from there to itself.
        let first_seen = ints(of_segment, shape);
        let positions = Tensor::<1, Int>::arange(0..rows.length as i64, &device);
        let blocks = (0..rows.length).step_by(QUERIES).map(|first| {
            let queries = first..rows.length.min(first + QUERIES);
            let earliest = starts.iter().map(|starts| starts[first]).min().unwrap_or(0);
            // Few different sizes, for a device that prepares kernels by shape.
            let keys = earliest / QUERIES * QUERIES..queries.end;
            let whole = [rows.n_rows, queries.len(), keys.len()];
            let key = positions.clone().slice([keys.clone()]).reshape([1, 1, keys.len()]);
            let query = positions.clone().slice([queries.clone()]).reshape([1, queries.len(), 1]);
            let seen_from = first_seen.clone().slice([0..rows.n_rows, queries.clone()]);
            let seen_from = seen_from.reshape([rows.n_rows, queries.len(), 1]).expand(whole);
            let later = key.clone().expand(whole).greater(query.expand(whole));
            let hidden = later.bool_or(key.expand(whole).lower(seen_from)).unsqueeze_dim(1);
            QueryBlock { queries, keys, hidden }
        });
        Self {
            n_rows: rows.n_rows,
            length: rows.length,
            rotation: rotation.to_tensors(rows.n_rows, &device),
            blocks: blocks.collect(),
        }
    }
}

/// For each position of a row, where its segment begins.
fn starts(lengths: &[usize]) -> Vec<usize> {
    let mut start = 0;
    let mut starts = Vec::new();
    for len in lengths {
        starts.resize(start + len, start);
        start += len;
    }
    starts
}

/// The operation with its weights as factors.
pub(super) struct Attention<'a> {
    layout: &'a Layout,
    norm: Norm,
    query: Projection,
    key: Projection,
    value: Projection,
    output: Tensor<2>,
    n_heads: usize,
    n_kv_heads: usize,
    head_dim: usize,
    products: Products,
}

/// What the backward pass needs besides the input.
pub(super) struct AttentionSaved {
    normed: Normed,
    /// Turned, `[n_rows, heads, length, head_dim]`, a factor as the next three.
    query: Tensor<4>,
    /// Turned, `[n_rows, kv_heads, length, head_dim]`.
    key: Tensor<4>,
    /// As `key`.
    value: Tensor<4>,
    /// Queries and keys before their norm, where there is one.
    unnormed: [Option<Unnormed>; 2],
    /// The heads' outputs, as `query`.
    mixed: Tensor<4>,
    /// For each block the logarithms of the softmaxes' denominators, `[n_rows, heads, queries, 1]`.
    log_sums: Vec<Tensor<4>>,
}

impl<'a> Attention<'a> {
    pub(super) fn new(
        config: &Config,
        block: &Block,
        layout: &'a Layout,
        products: Products,
    ) -> Self {
        let attention = &block.attention;
        let projection = |linear: &Linear, norm: Option<&Norm>| {
            Projection::new(linear, norm, config.head_dim, products)
        };
        Self {
            layout,
            norm: block.attention_norm.clone().expect("the norm stands before"),
            query: projection(&attention.query, attention.query_norm.as_ref()),
            key: projection(&attention.key, attention.key_norm.as_ref()),
            value: projection(&attention.value, None),
            output: products.factor(attention.output.weight.val()),
            n_heads: config.n_heads,
            n_kv_heads: config.n_kv_heads,
            head_dim: config.head_dim,
            products,
        }
    }

    /// # Shapes
    /// - x, output: `[n, hidden]`
    pub(super) fn forward(&self, x: Tensor<2>) -> (Tensor<2>, AttentionSaved) {
        let products = self.products;
        let (y, normed) = Normed::forward(&self.norm, &x);
        let y = products.factor(y);
        let turn = |x| products.factor(self.layout.rotation.apply(x));
        let (query, unnormed_query) = self.query.forward(y.clone());
        let (key, unnormed_key) = self.key.forward(y.clone());
        let (query, key) = (turn(self.heads(query)), turn(self.heads(key)));
        let value = products.factor(self.heads(self.value.forward(y).0));
        let unnormed = [unnormed_query, unnormed_key];
        let (mut mixed, mut log_sums) = (Vec::new(), Vec::new());
        for block in &self.layout.blocks {
            let scores = self.scores(&query, &key, block);
            let largest = scores.clone().max_dim(3);
            let exponentials = (scores - largest.clone()).exp();
            let totals = exponentials.clone().sum_dim(3);
            let weights = products.factor(exponentials / totals.clone());
            mixed.push(self.mix(weights, rows_of(&value, &block.keys)));
            log_sums.push(largest + totals.log());
        }
        let mixed = products.factor(Tensor::cat(mixed, 2));
        let y = x + products.forward(self.joined(mixed.clone()), &self.output);
        (y, AttentionSaved { normed, query, key, value, unnormed, mixed, log_sums })
    }

    /// The gradient of the input, and those of the weights, flat and in the order of their fields.
    ///
    /// # Shapes
    /// - x, dy: `[n, hidden]`
    pub(super) fn backward(
        &self,
        x: Tensor<2>,
        dy: Tensor<2>,
        saved: AttentionSaved,
    ) -> (Tensor<2>, Vec<Tensor<1>>) {
        let products = self.products;
        let AttentionSaved { normed, query, key, value, unnormed, mixed, log_sums } = saved;
        let dy_factor = products.factor(dy.clone());
        let of_output = products.weight_gradient(self.joined(mixed.clone()), dy_factor.clone());
        let d_mixed = self.heads(products.product(dy_factor, self.output.clone()));
        let through = (d_mixed.clone() * mixed.cast(F32)).sum_dim(3);
        let d_mixed = products.factor(d_mixed);
        let mut d_query = Vec::new();
        let (mut d_key, mut d_value) = (key.zeros_like().cast(F32), value.zeros_like().cast(F32));
        for (block, log_sums) in self.layout.blocks.iter().zip(log_sums) {
            let weights = (self.scores(&query, &key, block) - log_sums).exp();
            let d_mixed = rows_of(&d_mixed, &block.queries);
            let keys = rows_of(&key, &block.keys);
            let d_weights = self.spread(d_mixed.clone(), rows_of(&value, &block.keys));
            let through = rows_of(&through, &block.queries);
            let d_scores = weights.clone() * (d_weights - through) * self.scale();
            let d_scores = products.factor(d_scores);
            d_query.push(self.mix(d_scores.clone(), keys));
            let to_keys = self.collect(d_scores, rows_of(&query, &block.queries));
            let to_values = self.collect(products.factor(weights), d_mixed);
            d_key = add_rows(d_key, &block.keys, to_keys);
            d_value = add_rows(d_value, &block.keys, to_values);
        }
        let turn = |x| self.layout.rotation.apply_back(x);
        let d_query = self.joined(turn(Tensor::cat(d_query, 2)));
        let (d_key, d_value) = (self.joined(turn(d_key)), self.joined(d_value));
        let y = products.factor(normed.again(&x));
        let [unnormed_query, unnormed_key] = unnormed;
        let query = self.query.backward(y.clone(), d_query, unnormed_query);
        let key = self.key.backward(y.clone(), d_key, unnormed_key);
        let value = self.value.backward(y, d_value, None);
        let (dx, of_norm) = normed.backward(x, query.input + key.input + value.input);
        // In the order of the fields of a block.
        let mut gradients = vec![of_norm];
        gradients.extend([query.linear, key.linear, value.linear].into_iter().flatten());
        gradients.extend([query.norm, key.norm].into_iter().flatten());
        gradients.push(of_output);
        (dy + dx, gradients)
    }

    fn scale(&self) -> f64 {
        (self.head_dim as f64).powf(-0.5)
    }

    /// Scaled scores of a block's queries, minus infinity where a key is not seen:
    /// `[n_rows, heads, queries, keys]`.
    fn scores(&self, query: &Tensor<4>, key: &Tensor<4>, block: &QueryBlock) -> Tensor<4> {
        let scores = self.spread(rows_of(query, &block.queries), rows_of(key, &block.keys));
        let shape = scores.dims();
        (scores * self.scale()).mask_fill(block.hidden.clone().expand(shape), f32::NEG_INFINITY)
    }

    /// `query · keyᵀ` for each head: `[n_rows, heads, queries, keys]`.
    fn spread(&self, query: Tensor<4>, key: Tensor<4>) -> Tensor<4> {
        let [n_rows, n_heads, queries, _] = query.dims();
        let keys = key.dims()[2];
        let product = self.products.product(self.grouped(query), key.swap_dims(2, 3));
        product.reshape([n_rows, n_heads, queries, keys])
    }

    /// `weights · value` for each head: `[n_rows, heads, queries, head_dim]`.
    fn mix(&self, weights: Tensor<4>, value: Tensor<4>) -> Tensor<4> {
        let [n_rows, n_heads, queries, _] = weights.dims();
        let product = self.products.product(self.grouped(weights), value);
        product.reshape([n_rows, n_heads, queries, self.head_dim])
    }

    /// `weightsᵀ · query` for each key head, over all queries of its group:
    /// `[n_rows, kv_heads, keys, head_dim]`.
    fn collect(&self, weights: Tensor<4>, query: Tensor<4>) -> Tensor<4> {
        self.products.product(self.grouped(weights).swap_dims(2, 3), self.grouped(query))
    }

    /// A group of query heads shares a key head: `[n_rows, kv_heads, group × queries, width]`.
    fn grouped(&self, x: Tensor<4>) -> Tensor<4> {
        let [n_rows, n_heads, queries, width] = x.dims();
        x.reshape([n_rows, self.n_kv_heads, n_heads / self.n_kv_heads * queries, width])
    }

    /// Splits into heads: `[n, heads × head_dim]` to `[n_rows, heads, length, head_dim]`.
    fn heads(&self, x: Tensor<2>) -> Tensor<4> {
        let Layout { n_rows, length, .. } = *self.layout;
        let n_heads = x.dims()[1] / self.head_dim;
        x.reshape([n_rows, length, n_heads, self.head_dim]).swap_dims(1, 2)
    }

    /// The inverse of [`Attention::heads`].
    fn joined(&self, x: Tensor<4>) -> Tensor<2> {
        let [n_rows, n_heads, length, head_dim] = x.dims();
        debug_assert_eq!(self.n_heads % n_heads, 0);
        x.swap_dims(1, 2).reshape([n_rows * length, n_heads * head_dim])
    }
}

/// Some positions of all rows and heads.
fn rows_of(x: &Tensor<4>, at: &Range<usize>) -> Tensor<4> {
    x.clone().narrow(2, at.start, at.len())
}

/// Adds to some positions of all rows and heads.
fn add_rows(x: Tensor<4>, at: &Range<usize>, more: Tensor<4>) -> Tensor<4> {
    let [n_rows, n_heads, _, width] = x.dims();
    let sum = rows_of(&x, at) + more;
    x.slice_assign([0..n_rows, 0..n_heads, at.clone(), 0..width], sum)
}
