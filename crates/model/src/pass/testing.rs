//! What tests of several passes need.

pub(crate) mod reference;

use burn::tensor::{Tensor, TensorData};

use crate::{
    Decoder, Gradients, Objective, PackedRows, PassOptions, pass::Precision, testing::ids,
};

/// Rows with segments longer and shorter than a chunk and a block of queries, padding, and a mask with gaps.
pub(crate) fn rows(vocab_size: usize) -> PackedRows {
    let length = 330;
    let mut rows = PackedRows::empty(3, length);
    rows.segments = vec![vec![300, 1, 29], vec![64, 65, 130], vec![]];
    rows.inputs = ids(1, 3 * length, vocab_size);
    rows.targets = ids(2, 3 * length, vocab_size);
    for (row, segments) in rows.segments.iter().enumerate() {
        let used: usize = segments.iter().sum();
        for at in 0..used {
            rows.loss_mask[row * length + at] = at % 7 != 3;
        }
    }
    rows
}

pub(crate) type Pass =
    fn(&Decoder, &PackedRows, Objective<'_>, &PassOptions, &mut Gradients) -> Tensor<2>;

/// What the loss of a position counts.
pub(crate) fn position_weight(at: usize) -> f32 {
    0.01 * (1.0 + (at % 5) as f32)
}

/// Losses and flat gradients of a loss in which every position has a weight of its own.
pub(crate) fn losses_and_gradients(
    decoder: &Decoder,
    rows: &PackedRows,
    options: &PassOptions,
    pass: Pass,
) -> (Vec<f32>, Vec<f32>) {
    let mut gradients = Gradients::of(decoder);
    let mut objective = |losses: Tensor<2>| {
        let [n_rows, length] = losses.dims();
        let weights: Vec<f32> = (0..n_rows * length).map(position_weight).collect();
        Tensor::from_data(TensorData::new(weights, [n_rows, length]), &losses.device())
    };
    let losses = pass(decoder, rows, Objective::Gradient(&mut objective), options, &mut gradients);
    (losses.into_data().try_into_vec().unwrap(), gradients.to_vec())
}

/// Nothing kept, and logits for one chunk at a time.
pub(crate) const LEAN: PassOptions = PassOptions {
    precision: Precision::F32,
    recompute: true,
    most_logits: 0,
    temperature: 1.0,
    trains_tables: true,
};

/// A sum is an objective like any other.
pub(crate) fn check_sum(decoder: &Decoder, rows: &PackedRows, pass: Pass) {
    let of = |objective: Objective<'_>| {
        let mut gradients = Gradients::of(decoder);
        pass(decoder, rows, objective, &PassOptions::default(), &mut gradients);
        gradients.to_vec()
    };
    let mut same = |losses: Tensor<2>| losses.full_like(0.25);
    assert_eq!(of(Objective::Sum(0.25)), of(Objective::Gradient(&mut same)));
}
