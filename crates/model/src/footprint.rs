//! How much memory training takes, estimated from shapes.

use crate::{
    Config, PassOptions,
    pass::{Kind, Precision, TABLE_PIECE},
};

/// Bytes on the training device at the peak of a step.
///
/// An estimate from the shapes of what exists at the same time, on the safe side: the allocator's
/// rounding is in it as a quarter, runtime and kernels as [`RUNTIME`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Footprint {
    /// Weights, gradients and the optimizer's two moments, in 32 bits.
    pub state: u64,
    /// What a pass keeps from forward to backward, and its largest operation.
    pub activations: u64,
}

/// What a process takes before it trains.
const RUNTIME: u64 = 128_000_000;

/// One micro-batch of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneShape {
    /// Rows that go through a pass together.
    pub n_rows: usize,
    /// Positions in each.
    pub length: usize,
    /// Lanes of a step, whose gradients are added.
    pub n_lanes: usize,
    /// Workers that share this memory, each with a lane of its own.
    pub n_workers: usize,
    /// Whether divergences from a starting model are computed, whose logits stand beside the decoder's.
    pub near: bool,
}

impl Footprint {
    /// Of training a decoder of this shape; `on_cpu` says which kind of pass it will be.
    pub fn new(config: &Config, options: &PassOptions, lane: LaneShape, on_cpu: bool) -> Self {
        Self::of_kind(Kind::of(config, on_cpu), config, options, lane)
    }

    /// The same with dropout before changes of matrices, on any device.
    pub fn with_dropout(config: &Config, options: &PassOptions, lane: LaneShape) -> Self {
        Self::of_kind(Kind::Blockwise, config, options, lane)
    }

    fn of_kind(kind: Kind, config: &Config, options: &PassOptions, lane: LaneShape) -> Self {
        // Weights and two moments, and the gradients that the tree of lanes holds while it computes one more.
        let busy = lane.n_workers.clamp(1, lane.n_lanes) as u64;
        let mut held = busy + (0..lane.n_lanes).map(usize::count_ones).max().unwrap_or(0) as u64;
        if kind == Kind::Blockwise {
            // Autodiff's gradients exist beside the place they go to.
            held += busy;
        }
        let state = 4 * (3 + held) * config.n_parameters() as u64;
        let sizes = Sizes::new(config, lane);
        let activations = match kind {
            Kind::Cpu => sizes.cpu(options),
            Kind::Tensors => sizes.tensors(options),
            Kind::Blockwise => sizes.blockwise(options),
        };
        Self { state, activations: busy * (activations + activations / 4) + RUNTIME }
    }

    /// The same where a step also samples: before it learns, keys and values of all its sequences are held at the
    /// same time, of all their positions at most.
    #[must_use]
    pub fn with_rollouts(self, config: &Config, n_sequences: usize, length: usize) -> Self {
        let of_position = 2 * 4 * config.n_layers() * config.n_kv_heads * config.head_dim;
        let held = n_sequences as u64 * length as u64 * of_position as u64;
        Self { activations: self.activations.max(held + held / 4 + RUNTIME), ..self }
    }

    /// All of it.
    pub fn bytes(&self) -> u64 {
        self.state + self.activations
    }
}

/// Numbers of values.
struct Sizes {
    n_layers: u64,
    /// Positions of a lane.
    n: u64,
    length: u64,
    hidden: u64,
    inner: u64,
    heads: u64,
    /// All query heads.
    queries: u64,
    /// All key heads.
    keys: u64,
    /// What a norm over heads keeps for a position besides the rest.
    unnormed: u64,
    vocab: u64,
    near: bool,
    soft_cap: bool,
}

impl Sizes {
    fn new(config: &Config, lane: LaneShape) -> Self {
        let turned = config.n_heads + config.n_kv_heads;
        let unnormed = if config.qk_norm.is_some() { turned * (config.head_dim + 1) } else { 0 };
        Self {
            unnormed: unnormed as u64,
            n_layers: config.n_layers() as u64,
            n: (lane.n_rows * lane.length) as u64,
            length: lane.length as u64,
            hidden: config.hidden_size as u64,
            inner: config.intermediate_size as u64,
            heads: config.n_heads as u64,
            queries: (config.n_heads * config.head_dim) as u64,
            keys: (config.n_kv_heads * config.head_dim) as u64,
            vocab: config.vocab_size as u64,
            near: lane.near,
            soft_cap: config.logit_soft_cap.is_some(),
        }
    }

    /// Rows of logits that exist at the same time.
    fn group(&self, options: &PassOptions, chunk: u64) -> u64 {
        ((options.most_logits as u64 / self.vocab / chunk).max(1) * chunk).min(self.n)
    }

    fn cpu(&self, options: &PassOptions) -> u64 {
        let Self { n, hidden, inner, queries, keys, vocab, .. } = *self;
        let width = queries + 2 * keys;
        let inside = n * (hidden + width + queries + 2 * inner + self.heads + self.unnormed);
        let kept = self.n_layers * (n * hidden + if options.recompute { 0 } else { inside });
        let attention = n * (3 * hidden + queries + width) + 2 * width * hidden;
        let mlp = n * (4 * hidden + inner) + 3 * inner * hidden;
        let block = attention.max(mlp) + if options.recompute { inside } else { 0 };
        let group = self.group(options, 256);
        // A starting model has its logits, its packed table and the input of its head.
        let pulled =
            if self.near { group * (vocab + hidden) + vocab * hidden + n * hidden } else { 0 };
        // A piece of the table is packed for either direction.
        let packed = 2 * (vocab * hidden).min(TABLE_PIECE as u64);
        let head = group * (vocab + 5 * hidden) + packed + n * hidden + pulled;
        4 * (kept + block.max(head))
    }

    fn tensors(&self, options: &PassOptions) -> u64 {
        let Self { n, hidden, inner, queries, keys, vocab, heads, .. } = *self;
        let factor = match options.precision {
            Precision::F32 => 4,
            Precision::Bf16 => 2,
        };
        let factors = 2 * queries + 2 * keys + 2 * inner;
        let inside = n * (4 * (hidden + heads + self.unnormed) + factor * factors);
        let kept = self.n_layers * (4 * n * hidden + if options.recompute { 0 } else { inside });
        // A block of queries against all keys: scores, weights and their gradients.
        let scores = n / self.length * heads * self.length.min(512) * self.length;
        let attention = scores * (3 * 4 + 2 * factor) + n * 4 * (queries + 2 * keys + 2 * hidden);
        let mlp = n * (6 * 4 + 3 * factor) * inner + n * 4 * 3 * hidden;
        let block = attention.max(mlp) + if options.recompute { inside } else { 0 };
        let group = self.group(options, 1);
        // Centred logits of both models, and the starting model's probabilities; its table and the input of its head.
        let (pulled, beside) =
            if self.near { (3 * 4, hidden * (vocab * factor + 4 * n)) } else { (0, 0) };
        let head =
            group * vocab * (3 * 4 + factor + pulled) + vocab * hidden * (4 + factor) + beside;
        kept + block.max(head)
    }

    fn blockwise(&self, options: &PassOptions) -> u64 {
        let Self { n, hidden, inner, queries, keys, vocab, heads, .. } = *self;
        let scores = n * heads * self.length;
        let block = 5 * scores + n * (8 * inner + 6 * hidden + 6 * (queries + 2 * keys));
        // Autodiff keeps what a cap goes through, and another softmax with what it is compared with.
        let capped = if self.soft_cap { 2 } else { 0 };
        let pulled = if self.near { 6 } else { 0 };
        let head = self.group(options, 1) * vocab * (5 + capped + pulled) + vocab * hidden;
        4 * (self.n_layers * n * hidden + block.max(head))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::config_with;

    fn footprint(options: &PassOptions, lane: LaneShape, on_cpu: bool) -> Footprint {
        Footprint::new(&config_with(json!({})), options, lane, on_cpu)
    }

    #[test]
    fn lanes_cost_gradients_as_their_tree_holds_them() {
        let n_parameters = config_with(json!({})).n_parameters() as u64;
        for (n_lanes, gradients) in [(1, 1), (2, 2), (3, 2), (4, 3), (8, 4), (9, 4)] {
            let lane = LaneShape { n_rows: 1, length: 8, n_lanes, n_workers: 1, near: false };
            let state = footprint(&PassOptions::default(), lane, true).state;
            assert_eq!(state, 4 * (3 + gradients) * n_parameters, "{n_lanes} lanes");
        }
    }

    #[test]
    fn less_is_kept_for_less() {
        for on_cpu in [true, false] {
            let of = |recompute, n_rows| {
                let options = PassOptions { recompute, ..PassOptions::default() };
                let lane = LaneShape { n_rows, length: 256, n_lanes: 1, n_workers: 1, near: false };
                footprint(&options, lane, on_cpu).activations
            };
            assert!(of(true, 4) < of(false, 4));
            assert!(of(false, 2) < of(false, 4));
            let few = PassOptions { most_logits: 1 << 10, ..PassOptions::default() };
            let lane = LaneShape { n_rows: 64, length: 256, n_lanes: 1, n_workers: 1, near: false };
            let recompute = PassOptions { recompute: true, ..few };
            assert!(
                footprint(&recompute, lane, on_cpu).activations
                    <= footprint(
                        &PassOptions { recompute: true, ..PassOptions::default() },
                        lane,
                        on_cpu
                    )
                    .activations
            );
        }
    }

    /// A starting model's table is packed whole, of the other a piece at a time; logits of both.
    #[test]
    fn a_head_on_the_cpu_is_counted_with_a_starting_models_table() {
        for (near, tables, logits) in [(false, 0, 1), (true, 1, 2)] {
            let of = |vocab_size: u64, most_logits| {
                let config = config_with(json!({ "vocab_size": vocab_size }));
                let lane = LaneShape { n_rows: 1, length: 1, n_lanes: 1, n_workers: 1, near };
                let options = PassOptions { most_logits, ..PassOptions::default() };
                (
                    Footprint::new(&config, &options, lane, true).activations,
                    config.hidden_size as u64,
                )
            };
            let ((more, hidden), (less, _)) = (of(1 << 18, 1), of(1 << 17, 1));
            assert_eq!(more - less, 5 * (1 << 17) * (tables * hidden + logits), "near: {near}");
        }
    }

    /// Bytes of activations at the most logits that a ceiling picks, less those at few.
    #[test]
    fn logits_are_counted_with_what_stands_beside_them() {
        #[track_caller]
        fn check(other: serde_json::Value, precision: Precision, near: bool, bytes: u64) {
            let shape = json!({ "vocab_size": 1 << 15 });
            let mut shape = shape.as_object().unwrap().clone();
            shape.extend(other.as_object().unwrap().clone());
            let config = config_with(shape.into());
            // Rows so short that their logits outweigh the rest.
            let lane = LaneShape { n_rows: 1 << 13, length: 1, n_lanes: 1, n_workers: 1, near };
            let of = |most_logits| {
                let options = PassOptions { precision, most_logits, ..PassOptions::default() };
                Footprint::new(&config, &options, lane, false).activations
            };
            let n_logits: u64 = (1 << 28) - (1 << 27);
            assert_eq!(of(1 << 28) - of(1 << 27), bytes * n_logits * 5 / 4);
        }
        let gemma = || json!({ "model_type": "gemma2", "sliding_window": 4 });
        check(json!({}), Precision::Bf16, false, 14);
        check(json!({}), Precision::F32, false, 16);
        check(json!({}), Precision::Bf16, true, 26);
        check(json!({ "model_type": "olmo2" }), Precision::F32, false, 20);
        check(gemma(), Precision::F32, false, 28);
        check(gemma(), Precision::F32, true, 52);
    }
}
